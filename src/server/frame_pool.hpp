// Room for frames that have come in part. A frame gets room for all of itself before more of it is read, so that those
// that have room can always become whole; the others wait, unread, in the order they came, address by address in turns.
// Whether one comes fast enough to keep its room is for its owner to see.
//
//   by connection  one frame at a time
//   by address     three quarters of all room, so that no address shuts the others out
//   in all         what is set
//
// Any bound lets one frame through that is as long as a frame may be.
#pragma once

#include <list>
#include <map>
#include <vector>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/effects.hpp"
#include "server/peer.hpp"

namespace folkmoot {

/// Whose connections wait for room.
class RoomOwner {
 public:
  virtual ~RoomOwner() = default;
  /// The frame of this connection has room now. Any thread; must not ask for room or give any back.
  virtual void on_room(SessionId id) = 0;
};

class FramePool {
 public:
  struct Asker {
    RoomOwner* owner = nullptr;
    SessionId id = 0;
    bool operator==(const Asker&) const = default;
    friend std::size_t hash_value(const Asker& asker) {
      std::size_t seed = 0;
      boost::hash_combine(seed, asker.owner);
      boost::hash_combine(seed, asker.id);
      return seed;
    }
  };

  FramePool(std::size_t bytes_max, std::size_t frame_bytes_max);

  /// So much room from now on; those that wait and have room by it are in take_granted().
  void change(std::size_t bytes_max);

  /// True: there is room for it. False: it waits, and take_granted() says when.
  /// Requires: `asker` neither has room nor waits; bytes <= frame_bytes_max.
  bool ask(Asker asker, const PeerAddress& address, std::size_t bytes);
  /// Gives its room back, or its place in the line. Nothing if it has neither.
  void give_back(Asker asker);
  /// Those that waited and have room since the last call.
  std::vector<Asker> take_granted() { return std::exchange(granted_, {}); }
  bool has_granted() const { return !granted_.empty(); }

  std::size_t used_bytes() const { return used_; }
  std::size_t waiting() const { return waiting_; }

 private:
  struct Line {
    std::size_t used = 0;
    std::list<Asker> waiting;
    std::list<Line*>::iterator turn;  // if somebody waits
  };
  using Lines = std::map<PeerAddress, Line>;
  struct Place {
    Lines::iterator line;
    std::size_t bytes = 0;
    std::list<Asker>::iterator waiting{};  // if it has no room
    bool has_room = false;
  };

  bool fits_address(const Place& place) const { return place.line->second.used + place.bytes <= of_address_max_; }
  bool fits(const Place& place) const { return used_ + place.bytes <= bytes_max_; }
  // Requires: it fits, and does not wait.
  void use(Place& place);
  // Behind others of its address; addresses take turns.
  void wait(Asker asker, Place& place);
  /// Requires: it waits.
  void end_wait(Place& place);
  /// Room for those that wait, as far as there is some.
  void grant();

  const std::size_t frame_bytes_max_;
  std::size_t bytes_max_ = 0;
  std::size_t of_address_max_ = 0;
  std::size_t used_ = 0;
  std::size_t waiting_ = 0;
  Lines lines_;             // of those that have room or wait
  std::list<Line*> turns_;  // lines with somebody waiting, whose turn is next first
  boost::unordered_flat_map<Asker, Place, boost::hash<Asker>> places_;
  std::vector<Asker> granted_;
};

}  // namespace folkmoot
