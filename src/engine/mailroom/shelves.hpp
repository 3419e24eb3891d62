// Where messages stand: entering, moving and leaving. Used live and by recovery alike.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <optional>
#include <vector>

#include "engine/mailroom/groups.hpp"
#include "engine/mailroom/mailboxes.hpp"
#include "engine/mailroom/ports.hpp"
#include "engine/mailroom/receipts.hpp"
#include "engine/message_bytes.hpp"

namespace folkmoot {

class Census;

/// How a message died, and what else belongs into the same group of facts.
struct Death {
  DeadReason reason{};
  std::string_view text{};                // in words
  const ReturnedFact* attempt = nullptr;  // that failed last, and is not noted yet
  Draft spared{};                         // room in the log that is spoken for: nobody is told at its expense
};

struct Scheduled {
  QueuedMessage message;
  NameId mailbox = 0;
  Instant due = 0;
};

class Shelves {
 public:
  explicit Shelves(const MailroomPorts& ports)
      : mailboxes(ports.options.shards > 1), receipts(ports.options.receipts_max), to_(ports) {}

  Mailboxes mailboxes;
  Groups groups;
  SettledReceipts receipts;

  const MailboxLimits& limits(const Mailbox& mailbox) const {
    return mailbox.own_limits ? mailbox.own_limits->limits : to_.options.mailbox;
  }
  /// `place`: of the fact that says so; `own`: which of them are the mailbox's (MailboxSetting).
  void set_limits(Mailbox& mailbox, const MailboxLimits& limits, std::uint8_t own, FactPlace place);
  /// The server's limits have changed: what is not its own, of each mailbox, is as they are.
  void on_options();
  /// The mailbox is gone, with what is known of it. Requires: nothing stands in it, nobody takes from it.
  void remove(Mailbox& mailbox);
  /// Its limits are the server's from here on, and it was never read.
  void forget_settings(Mailbox& mailbox);

  /// Its agent has taken something out of it, or said a word of what it has.
  void note_read(Mailbox& mailbox) {
    mailbox.last_read = std::max(mailbox.last_read, to_.run.now());  // a run's clock may be behind that of the last
    if (mailbox.last_read < mailbox.read_noted + kReadNotedMs) [[likely]]
      return;
    mailbox.read_noted = mailbox.last_read;
    reads_.push_back(mailbox.number);
  }
  bool has_reads() const { return !reads_.empty(); }
  /// Says in the log what note_read() found to be worth it; not within a group of facts.
  void write_reads();
  /// The run ends: all that was not said.
  void write_all_reads();
  /// Recovery: as the fact at `place` says.
  void enter_read(Mailbox& mailbox, Instant at, FactPlace place);
  /// The message's own retry policy over that of its mailbox.
  RetryPolicy policy_of(const Mailbox& mailbox, const Entry& entry);
  /// Envelope and content; they live until the next look at the log. `fact`: as accepted, of one in the log.
  Bytes bytes_of(const Entry& entry, AcceptedFact* fact = nullptr) {
    if (entry.has(Entry::kTransient)) return to_.transient.get(entry.stored());
    return read_message(to_.ledger, entry.place(), fact);
  }
  /// The group key in a message's envelope; lives until the next look at the log.
  std::string_view group_of(const Entry& entry);

  // -- entering
  /// A message the log holds, as the fact says: newly durable, recovered, or recovered from its copy.
  void enter_accepted(const AcceptedFact& fact, FactPlace place, std::string_view group);
  /// `group` need not be given for a message that is a member of its group already.
  void enter_ready(Mailbox& mailbox, const QueuedMessage& message, std::string_view group);
  void enter_scheduled(Mailbox& mailbox, const QueuedMessage& message, Instant due);
  /// It waits again, `not_before` that time.
  void enter_returned(Mailbox& mailbox, const QueuedMessage& message, Instant not_before);
  /// The first of its group waits no more behind another.
  void enter_head(Mailbox& mailbox, const QueuedMessage& message);
  /// It expires at that time, whether it is in the log or not.
  void expire_at(Instant at, MessageKey key, NameId mailbox, NameId sender);
  /// It does not any more.
  void forget_expiry(MessageKey key) { expiries_.erase(key); }
  bool has_expired(const Entry& entry) const;
  /// 0: never.
  Instant expires_at(const Entry& entry) const;

  // -- finding
  /// A message that is ready, scheduled or blocked, and its sender: whose it is, if that is known; 0 looks through all,
  /// and tells it. Null if it is none of that; else it lives until the next change.
  Entry* find(Mailbox& mailbox, MessageKey key, NameId& sender);
  /// Null if it does not wait for a time.
  const Scheduled* find_scheduled(MessageKey key) const;
  /// Takes a message that is ready, scheduled or blocked out of its mailbox.
  std::optional<QueuedMessage> take(const MessageRef& ref);
  /// Takes the oldest that is ready out. Requires: there is one.
  QueuedMessage take_oldest(Mailbox& mailbox);

  // -- leaving
  /// The message is gone for good: its record no longer matters. `receipt`: what is told of it from now on, if
  /// anything.
  void leave(Mailbox& mailbox, const Entry& entry, const SettledReceipts::Settled* receipt);
  SettledReceipts::Settled receipt(ReceiptState state, std::uint32_t deliveries) const {
    return {.at = to_.run.now().ms,
            .state = state,
            .deliveries = static_cast<std::uint16_t>(std::min<std::uint32_t>(deliveries, 0xffff))};
  }
  /// The next of its group may go out.
  void leave_group(Mailbox& mailbox, const Entry& entry);
  /// Moves a message that stands nowhere (any more) to the dead letters. The attempt that was its last, its death and
  /// what its sender hears of it are one group of facts: no crash leaves a part of them. The fact of its death; empty
  /// if there was no room for it.
  Durable bury(Mailbox& mailbox, const QueuedMessage& message, const Death& death);

  // -- looking on
  /// Tells those who look on: `what` has what is not said by the message. Requires: the tap is on.
  void tap(TapRecord what, const Mailbox& mailbox, const Entry& entry, NameId sender);
  void tap(TapRecord what, const AcceptedFact& fact, FactPlace place) {
    tap(std::move(what), mailboxes[fact.mailbox], Entry(fact.key, place, fact.priority, 0), fact.sender);
  }
  bool is_tapped() const { return to_.tap.is_on(); }
  /// A message as traces are told of it; the views live until the next look at the log.
  Tracing::Message traced(const Mailbox& mailbox, const Entry& entry);

  // -- handing out
  void mark_dirty(Mailbox& mailbox) {
    if (mailbox.is_dirty) return;
    mailbox.is_dirty = true;
    dirty_.push_back(mailbox.number);
  }
  bool has_dirty() const { return !dirty_.empty(); }
  /// Calls `each` for those with something to hand out, also those that become so meanwhile.
  template <class Each>
  void each_dirty(Each each) {
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
      auto* const mailbox = mailboxes.find(dirty_[i]);
      if (mailbox == nullptr) continue;  // deleted meanwhile
      mailbox->is_dirty = false;
      each(*mailbox);
    }
    dirty_.clear();
  }

  // -- time
  /// Recovery has ended: what became due while no server ran is one of its group before that goes on, as what came
  /// after it must not pass it.
  void start();
  bool is_live(const Timer& timer) const;
  void due(const Timer& timer) {
    const MessageKey key{timer.id};
    timer.kind == TimerKind::due ? come_due(key) : expire(timer.mailbox(), key);
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Expiry {
    Instant at = 0;
    NameId sender = 0;
  };

  // Requires: it is scheduled.
  void come_due(MessageKey key);
  // By its timer. Requires: the timer is live, so the message is one of expiries_.
  void expire(NameId mailbox, MessageKey key);
  // What its sender is to be told, if it asked for that and there is room: then `draft` has it too.
  std::optional<Notice> notice_of(const Mailbox& mailbox, const Entry& entry, const Death& death, Draft& draft);

  void write_read(Mailbox& mailbox);

  const MailroomPorts& to_;
  std::vector<NameId> reads_;  // mailboxes whose last read is to be noted
  boost::unordered_flat_map<MessageKey, Expiry> expiries_;
  boost::unordered_flat_map<MessageKey, Scheduled> scheduled_;
  std::vector<NameId> dirty_;
};

}  // namespace folkmoot
