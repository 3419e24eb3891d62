// Shovel: messages that came up in a shard that their mailbox does not belong to, on their way to the one it does.
// complete(), atomic batches, bounces, schedules, routes and dead letters sent again publish in the shard that decides
// them, so that they are one group of facts. What is another shard's stands in a mailbox of the recipient's name here,
// and is
//
//   consumed      from it, under a lease that lasts as long as this run
//   published     there, as it was accepted here, with its id as its key: what is sent twice is there once
//   acknowledged  here, when that is confirmed
//
// so it is there exactly once, whatever is killed when. No clock, no thread, no disk, as in the engine: who has the
// shards gives them the commands of this one, and says what they answered.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/uuid.hpp"
#include "engine/effects.hpp"

namespace folkmoot {

class Shovel {
 public:
  /// Commands of one session in each shard. They may be carried out later; those to one shard, in their order.
  class Commands {
   public:
    virtual ~Commands() = default;
    // to this shard
    virtual void consume(RequestNumber request, std::string_view mailbox, std::uint32_t credit) = 0;
    virtual void credit(RequestNumber request, std::uint32_t amount) = 0;
    virtual void ack(RequestNumber request, LeaseToken lease) = 0;
    virtual void nack(LeaseToken lease, Duration delay_ms, std::string_view reason) = 0;
    // to another: IncomingMessage::forwarded
    virtual void publish(ShardNumber shard, RequestNumber request, Bytes message) = 0;
    /// What is delivered at most once was refused there: it is gone.
    virtual void lost(const Error& why) = 0;
  };

  /// Request numbers from this one on are the shovel's.
  static constexpr RequestNumber kFirstRequest{1u << 31};

  /// `moved_max`: of so many it is known where they went.
  /// `credit`: of one mailbox, so many are on the way at a time.
  Shovel(Commands& commands, std::size_t moved_max, std::uint32_t credit = kCredit)
      : commands_(commands), moved_max_(moved_max), credit_(credit) {}

  /// What comes into this mailbox is that shard's from now on.
  void carry(std::string_view mailbox, ShardNumber owner);
  /// The id that a message has now which was carried to another shard; nothing if it is not (any more) known to have
  /// been.
  std::optional<Uuid> moved_to(const Uuid& id) const;
  /// To be called when the log has room: acknowledges what it had none for.
  void retry_acks();
  bool has_unacked() const { return !unacked_.empty(); }
  /// Nothing is on its way: each message that came up here is here, or is in its own shard and acknowledged.
  bool is_idle() const { return moves_.empty() && acks_.empty() && unacked_.empty(); }

  // What the shards answered.
  void on_delivery(RequestNumber request, LeaseToken lease, std::uint32_t delivery, Bytes message);
  void on_confirmed(RequestNumber request, const Confirm& confirm);
  void on_settled(RequestNumber request) { acks_.erase(request); }
  void on_refused(RequestNumber request, const Error& error);

 private:
  static constexpr std::uint32_t kCredit = 256;
  struct Move {
    LeaseToken lease = 0;  // 0: it is delivered at most once
    Uuid id{};
    RequestNumber consumer = 0;
    std::uint32_t delivery = 0;
  };

  // One that nothing of the shovel's has. Never one of the shard links' other numbers, which lie below kFirstRequest.
  RequestNumber next_request();
  // It is answered: forgotten here, and its credit given back if no settlement will. None if the number is unknown.
  std::optional<Move> take_move(RequestNumber request);
  // Only after the message is confirmed where it belongs. A refusal is tried again by retry_acks().
  void acknowledge(LeaseToken lease);

  Commands& commands_;
  const std::size_t moved_max_;
  const std::uint32_t credit_;
  RequestNumber last_request_ = kFirstRequest;
  // By request, each until it is answered; consumers for ever.
  boost::unordered_flat_map<RequestNumber, ShardNumber> owners_;
  boost::unordered_flat_map<RequestNumber, Move> moves_;
  boost::unordered_flat_map<RequestNumber, LeaseToken> acks_;
  std::vector<LeaseToken> unacked_;                    // the log had no room
  boost::unordered_flat_map<MessageKey, Uuid> moved_;  // by the key of the first id
  std::deque<MessageKey> moved_order_;
};

}  // namespace folkmoot
