// Connections that have not said yet who they are. Anybody can make them, so there are at most so many: for one more,
// the one that is here longest has to go. Who speaks at once, as clients do, gets in however many sit there and say
// nothing.
#pragma once

#include <list>
#include <map>
#include <optional>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/effects.hpp"
#include "server/options.hpp"
#include "server/peer.hpp"

namespace folkmoot {

class Newcomers {
 public:
  explicit Newcomers(const LoginOptions& bounds) : bounds_(bounds) {}

  /// One more. Returns who has to go for it, and is none any more: of its address if that has too many, else of all.
  /// Requires: `id` is none.
  std::optional<SessionId> enter(SessionId id, const PeerAddress& address);
  /// It has said who it is, or is gone. Nothing if it is none.
  void leave(SessionId id);

  std::size_t size() const { return places_.size(); }

 private:
  // Oldest first, both.
  struct Place {
    SessionId id = 0;
    std::map<PeerAddress, std::list<SessionId>>::iterator address;
    std::list<SessionId>::iterator of_address;
  };

  const LoginOptions& bounds_;
  std::list<Place> order_;
  std::map<PeerAddress, std::list<SessionId>> by_address_;
  boost::unordered_flat_map<SessionId, std::list<Place>::iterator> places_;
};

}  // namespace folkmoot
