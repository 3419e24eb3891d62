// Publishing to mailboxes: deciding where a message goes, and the facts that make it durable. One by one, in batches of
// which each message stands for itself, in atomic ones, and as outputs of complete(), which settles a message and
// publishes what came of it. All or none is one group of facts in the log.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/mailroom/dedup_window.hpp"
#include "engine/mailroom/questions.hpp"
#include "engine/mailroom/settling.hpp"
#include "engine/post.hpp"

namespace folkmoot {

class Publishing {
 public:
  Publishing(const MailroomPorts& ports, Shelves& shelves, Dispatch& dispatch, Settling& settling, Questions& questions,
             Post& post)
      : to_(ports), shelves_(shelves), dispatch_(dispatch), settling_(settling), questions_(questions), post_(post) {}

  DedupWindow keys;  // that were used

  // -- one message: as Post says
  Result<Prepared> prepare(Session& session, const IncomingMessage& message, const Lineage* caused,
                           CommandTally* together);
  Draft measure(const Prepared& prepared, std::string_view reply_to) const;
  bool make_room(const Prepared& prepared, const Draft& draft);
  /// For all at once: room made for one after the other would be made only once, as none of them has come yet.
  bool make_room(std::span<const Prepared> all, Urgency urgency, const Draft& draft);
  MessageKey commit(const Prepared& prepared, std::string_view reply_to, const ConfirmTo& to);
  Result<MessageKey> accept(Session& session, const IncomingMessage& message, std::string_view reply_to,
                            const ConfirmTo& to);
  void end_group();
  /// Whether `more` messages fit into the mailbox, if need be by dropping others. Errors: mailbox_full.
  Result<void> check_room(const Mailbox& mailbox, std::uint64_t more) const;

  // -- several
  void publish_batch(Session& session, RequestNumber request, bool quiet,
                     std::span<const Result<IncomingMessage>> messages);
  void publish_atomic(Session& session, RequestNumber request, bool quiet,
                      std::span<const Result<IncomingMessage>> messages);
  void complete(Session& session, RequestNumber request, LeaseToken lease,
                std::span<const Result<IncomingMessage>> outputs);
  /// What needs no disk, an event or the response to a request: at once.
  Result<Confirm> publish_now(Session& session, const IncomingMessage& message) {
    if (!message.routing.topic.empty()) return to_.announcer.publish(session, message);
    return to_.responder.publish(session, message);
  }

  // -- what the disk has taken
  void on_durable(const waiting::Accepted& item);
  void on_durable(const waiting::Duplicate& item);

  /// The mailbox is kStreamsMailbox: as it is to be, whatever the server's limits are.
  void set_up_for_streams(Mailbox& mailbox);

 private:
  // Whether it is a copy of a message accepted before, or of one before it in its command: then it is in that one's
  // mailbox. Requires: its sender is known, and its mailbox if it names one.
  bool find_first(Prepared& prepared, const CommandTally* together);
  // `mailbox`: 0 if the sender left it to the routes.
  Hash128 key_hash(NameId mailbox, NameId sender, const Routing& routing) const;
  // Looks its recipient's number up, or gives a name one, which no fact says before commit. Errors: invalid_name,
  // limit_reached.
  Result<void> find_mailbox(Session& session, Prepared& prepared);
  // The same of kStreamsMailbox.
  Result<void> find_streams(Prepared& prepared);
  // Its mailbox is an address: gives it the agent that it goes to, if there is one.
  Result<void> place(Session& session, Prepared& prepared);
  // As it is to be written; takes the next key.
  AcceptedFact fact_of(const Prepared& prepared);
  // Within the group of its message. Requires: measured with it, so that there is room.
  void remember_key(const Prepared& prepared, MessageKey message);
  // Drops what is too old, and the oldest until there is room for so many more.
  void forget_keys(std::size_t more);
  bool must_keep(const UsedKey& key) const;
  // Whether so many more may be remembered. Errors: busy.
  Result<void> check_keys(const Prepared& prepared, const CommandTally* together) const;
  // Whether it comes dead, in a way that its sender is to hear of.
  static bool tells_sender(const Prepared& prepared);
  static bool was_moved(const Prepared& prepared);

  // How many of the mailbox must be dropped for `more` to fit. Requires: check_room(mailbox, more).
  std::uint64_t drops_for(const Mailbox& mailbox, std::uint64_t more) const;
  // Drops the oldest of each mailbox so that its newcomers fit, if the log has room for that and for them.
  bool make_room(const std::map<NameId, std::uint32_t>& newcomers, Urgency urgency, const Draft& draft);

  // All of them looked up and checked, and all together have room.
  Result<std::vector<Prepared>> prepare_all(Session& session, std::span<const Result<IncomingMessage>> messages,
                                            const Lineage* caused);
  // The same of one that needs no disk: its own errors now, as it can have none later.
  Result<Prepared> prepare_now(Session& session, const IncomingMessage& message, const Lineage* caused);
  // One of a command's messages, those before it done. A copy of one of them is answered with that one, whose key may
  // be forgotten by now for those of others between.
  void commit_of(std::vector<Prepared>& all, std::size_t place, const ConfirmTo& to);
  // All that complete() needs for these outputs of the lease's message, looked up, checked and with room made. Errors:
  // those of publishing, no_reply_wanted, content_too_large, busy.
  struct Plan;
  Result<Plan> plan(Session& session, const Lease& lease, std::span<const Result<IncomingMessage>> outputs);

  // As the sender gets it; asks how its mailbox stands now.
  Confirm confirm_of(const AcceptedFact& fact);
  // A message that was dead when it came: it tripped a guard, or no route fitted.
  void enter_stillborn(const waiting::Accepted& item);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Dispatch& dispatch_;
  Settling& settling_;
  Questions& questions_;
  Post& post_;
  std::vector<std::pair<Notice, Durable>> notices_;  // of deaths within the group of facts that is open
};

}  // namespace folkmoot
