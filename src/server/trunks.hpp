// What shards say to each other. Every shard has a link, a trunk, to each of them, itself included:
//
//   events     a pattern that somebody here subscribes to is subscribed to in the other shards too, once; what they publish that fits comes over
//              the trunk and goes to the subscriptions here
//   strays     complete(), atomic batches, bounces, schedules, routes and dead letters sent again publish in the shard that decides them, so
//              that they are one group of facts. A message for a mailbox of another shard stands in a mailbox of the same name here, from which
//              it is consumed over the trunk to this very shard, published in its own with its id as its key, and acknowledged when that is
//              confirmed: exactly once, whatever is killed when
//   answers    to requests that wait in another shard
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/uuid.hpp"
#include "engine/effects.hpp"
#include "server/link.hpp"
#include "server/shards.hpp"

namespace folkmoot {

class Reactor;

class Trunks {
 public:
  Trunks(Reactor& reactor, Shards& shards, std::uint32_t own) : reactor_(reactor), shards_(shards), own_(own), trunks_(shards.count()) {}
  ~Trunks();

  /// Connects them; before any reactor runs.
  void start();

  enum class Interest { ready, coming, refused };
  /// One more subscription of this pattern. What comes of it is asked with interest().
  void want(const std::string& pattern);
  void unwant(const std::string& pattern);
  /// Whether the other shards send what fits. While it is coming, `waiting` is told by Reactor::go_on().
  Interest interest(const std::string& pattern, SessionId waiting);

  /// The answer to a request that waits there, stamped.
  void answer(std::uint32_t shard, const MessageParts& message);
  /// The id that a message has now which was carried to another shard; nothing if it is not (any more) known to have been.
  std::optional<Uuid> moved_to(const Uuid& id) const;
  /// Sees to mailboxes made since the last call that are another shard's.
  void look_for_strays();
  /// Something came, or there is room again.
  void on_ready(std::uint32_t shard);
  /// Nobody here is behind any more.
  void go_on();
  /// Hands over what was written in this turn.
  void flush();

 private:
  struct Trunk {
    std::shared_ptr<Link> link;
    std::string unsent;
    std::string taken;  // frames being looked at
  };
  struct Wanted {
    std::size_t users = 0;
    std::uint32_t request = 0;  // the number on all trunks
    std::uint32_t waiting = 0;  // shards that have not answered
    bool refused = false;
    std::vector<SessionId> held;
  };
  struct Move {
    LeaseToken lease = 0;
    Uuid id{};
    std::uint32_t consumer = 0;
    std::uint32_t delivery = 0;
  };

  std::uint32_t next_request();
  bool on_interest(std::uint32_t request, bool accepted);
  void on_stray(Bytes body, std::uint32_t consumer, bool leased);
  void on_moved(std::uint32_t request, Bytes confirm);
  void on_refused(std::uint32_t request, Bytes error);
  std::optional<Move> take_move(std::uint32_t request);
  void on_event(Bytes body);

  Reactor& reactor_;
  Shards& shards_;
  const std::uint32_t own_;
  std::vector<Trunk> trunks_;
  std::uint32_t last_request_ = 0;
  std::map<std::string, Wanted> wanted_;
  boost::unordered_flat_map<std::uint32_t, std::string> patterns_;          // by request
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> stray_owners_;    // by consumer's request
  boost::unordered_flat_map<std::uint32_t, Move> moves_;                    // by request, not yet answered
  boost::unordered_flat_map<MessageKey, Uuid> moved_;                       // by the key of the first id; as many as receipts are kept
  std::deque<MessageKey> moved_order_;
  bool is_stalled_ = false;
};

}  // namespace folkmoot
