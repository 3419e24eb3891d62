// Settling: ack, nack, reject, extend; leases that end by themselves; messages that are taken back.
#pragma once

#include <span>
#include <vector>

#include "engine/mailroom/dispatch.hpp"

namespace folkmoot {

class Settling {
 public:
  Settling(const MailroomPorts& ports, Shelves& shelves, Dispatch& dispatch)
      : to_(ports), shelves_(shelves), dispatch_(dispatch) {}

  void ack(Asker caller, bool quiet, std::span<const LeaseToken> tokens);
  /// `delay_ms`: -1 as the retry policy says.
  void nack(Asker caller, bool quiet, std::span<const LeaseToken> tokens, Duration delay_ms, std::string_view reason);
  void reject(Asker caller, bool quiet, std::span<const LeaseToken> tokens, std::string_view reason);
  void extend(Session& session, RequestNumber request, bool quiet, std::span<const LeaseToken> tokens,
              Duration lease_ms);
  /// One message by its id: processed, with what came of it, or given up. Only its recipient settles what nobody has,
  /// and of what somebody has its lease is asked for. Errors: not_found, lease_lost, not_permitted, disk_full.
  void settle(Asker caller, const SettleCommand& command);
  /// What somebody answered to whom the holder of that lease handed the message on: noted for who follows the log, and
  /// nothing else. Errors: lease_lost.
  void note_answer(Asker caller, const AnswerCommand& command);
  /// Whether all of these leases are current, and this message's. Errors: lease_lost.
  Result<void> check(std::span<const LeaseToken> tokens, const Uuid& id);
  /// Takes a message back that nobody has had yet. Errors: not_found, lease_lost (somebody has it), disk_full.
  void cancel(Asker caller, const Uuid& id);
  /// The same by its key; nothing if it does not wait there. What was noted, if it is in the log and there was room.
  std::optional<Durable> take_back(Mailbox& mailbox, MessageKey key);
  /// The session is about to end: what it holds goes back in the order it was handed out, but for what has a deadline.
  void give_back_all(Session& session);
  /// The server stops: all that is leased goes back so, delivered once more.
  void give_back_all();

  /// The message of an ended lease has left, settled.
  void leave(Mailbox& mailbox, const Lease& lease);

  bool is_live(const Timer& timer) const {
    const auto slot = dispatch_.leases.find(LeaseToken{timer.id});
    return slot != kNoSlot && dispatch_.leases[slot].deadline == timer.at;
  }
  void due(const Timer& timer) {
    give_back(dispatch_.leases.find(LeaseToken{timer.id}), kByPolicy, AttemptEnd::lease_expired, {});
  }

 private:
  // The lease by which it is settled: the one that is given, or one of its own of a message that waits.
  Result<Slot> hold(Session& session, const SettleCommand& command);
  // Calls `each(slot)` for every lease that is current, and returns the tokens of the others.
  template <class Each>
  std::vector<LeaseToken> for_current(SessionId asker, std::span<const LeaseToken> tokens, Each each);
  // The lease ends unsettled: the message waits again, one delivery older, or is dead, rejected or after too many. A
  // nack waits as the retry policy says, if it names no delay; what a lost holder had goes back at once.
  Durable give_back(Slot slot, Duration delay_ms, AttemptEnd end, std::string_view reason);
  // The process span of a lease that has ended, and why it did if nothing was settled.
  void trace(const Mailbox& mailbox, const Lease& lease, const std::string& error);
  // Once that is durable; at once if nothing was noted.
  void answer(Asker caller, bool quiet, Durable noted, std::uint32_t settled, std::vector<LeaseToken> refused);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Dispatch& dispatch_;
  std::vector<MessageRef> refs_;
};

}  // namespace folkmoot
