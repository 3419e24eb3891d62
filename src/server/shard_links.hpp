// What shards say to each other. Every shard has a link to each of them, itself included:
//
//   events     a pattern that somebody here subscribes to is subscribed to in the other shards too, once; what they
//   publish that fits comes over
//              the link and goes to the subscriptions here
//   shovel     messages that came up here and are another shard's are consumed over the link to this very shard, and
//   published there
//              (engine/shovel.hpp)
//   answers    to requests that wait in another shard
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/shovel.hpp"
#include "server/link.hpp"
#include "server/shards.hpp"

namespace folkmoot {

class Reactor;

class ShardLinks final : private Shovel::Commands {
 public:
  ShardLinks(Reactor& reactor, Shards& shards, ShardNumber own);
  ~ShardLinks() override;

  /// Connects them; before any reactor runs.
  void start();

  enum class Interest { ready, coming, refused };
  /// One more subscription of this pattern. What comes of it is asked with interest().
  void want(const std::string& pattern);
  void unwant(const std::string& pattern);
  /// That somebody here subscribes to.
  std::size_t patterns() const { return wanted_.size(); }
  /// Whether the other shards send what fits. While it is coming, `waiting` is told by Reactor::go_on().
  Interest interest(const std::string& pattern, SessionId waiting);

  /// The answer to a request that waits there, stamped; `answerer` as in Effects::answer_elsewhere(). False: that shard
  /// is too far behind, and the answer is not owed.
  bool answer(ShardNumber shard, const MessageParts& message, ConnectionId answerer, bool is_owed);
  std::optional<Uuid> moved_to(const Uuid& id) const { return shovel_.moved_to(id); }
  /// Whether look_for_misplaced() has something to try again when there is room on the disk.
  bool waits_for_room() const { return shovel_.has_unacked(); }
  /// Once a turn: sees to mailboxes made since the last call that are another shard's, and to what the disk had no room
  /// for.
  void look_for_misplaced();
  /// Carries no misplaced message on from here, until carry_on(); what is under way comes to its end.
  void rest();
  void carry_on();
  /// While it rests: nothing is under way.
  bool is_quiet() const { return shovel_.is_idle(); }
  /// Something came, or there is room again.
  void on_ready(ShardNumber shard);
  /// Nobody here is behind any more.
  void go_on();
  /// Hands over what was written in this turn.
  void flush();

 private:
  // To one shard.
  struct ShardLink {
    std::shared_ptr<Link> link;
    std::string unsent;
    std::string taken;  // frames being looked at
  };
  // A pattern that somebody here subscribes to, and so this shard in all others.
  struct Wanted {
    std::size_t users = 0;
    RequestNumber request = 0;  // the number on all shard links
    std::uint32_t waiting = 0;  // shards that have not answered
    bool refused = false;
    std::vector<SessionId> held;
  };
  // Shovel::Commands
  void consume(RequestNumber request, std::string_view mailbox, std::uint32_t credit) override;
  void credit(RequestNumber request, std::uint32_t amount) override;
  void ack(RequestNumber request, LeaseToken lease) override;
  void nack(LeaseToken lease, Duration delay_ms, std::string_view reason) override;
  void publish(ShardNumber shard, RequestNumber request, Bytes message) override;
  void lost(const Error& why) override;

  // One that nothing of the shard links' has; below those of the shovel.
  RequestNumber next_request();
  // A shard has answered a subscription: when the last has, clients that wait for it go on.
  void on_interest(RequestNumber request, bool accepted);
  // A delivery to the shovel; what is too short is left to its lease.
  void on_misplaced(const FrameHeader& header, Bytes body);
  void put_aside(const FrameHeader& header, Bytes body);
  void on_event(Bytes body);

  Reactor& reactor_;
  Shards& shards_;
  const ShardNumber own_;
  std::vector<ShardLink> shard_links_;
  Shovel shovel_;
  RequestNumber last_request_ = 0;
  std::map<std::string, Wanted> wanted_;
  boost::unordered_flat_map<RequestNumber, std::string> patterns_;  // by request
  bool is_stalled_ = false;    // somebody here is behind: events stay where they are
  bool shovel_waits_ = false;  // another shard is behind: misplaced messages stay where they are
  bool rests_ = false;
  std::vector<std::string> put_aside_;  // frames with misplaced messages that came while it rests
  std::size_t aside_bytes_ = 0;
  std::uint32_t next_first_ = 0;  // which link goes on first
};

}  // namespace folkmoot
