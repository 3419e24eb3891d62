// The mailroom: mailboxes and their messages, from being published to having left.
//
//   Publishing   decided, facts written, waiting for the disk    publishing.cpp, several.cpp
//   Shelves      durable: where each message stands              shelves.cpp
//   Dispatch     leased to a consumer with credit, delivered     dispatch.cpp
//   Settling     settled, given back or taken back               settling.cpp
//   Moving       out of the mailbox of an address, into an agent's   moving.cpp
//   Recovery     its facts at a start, and copied forward        recovery.cpp
//   Questions    what can be asked                               questions.cpp
//   Peeking      its messages, looked at one by one              peeking.cpp
//
// On a message's way through these there is no virtual call but those to Effects and the log.
#pragma once

#include "engine/inbox.hpp"
#include "engine/mail_view.hpp"
#include "engine/mailroom/moving.hpp"
#include "engine/mailroom/recovery.hpp"
#include "engine/vacancies.hpp"

namespace folkmoot {

class Census;

class Mailroom final : public Part,
                       public Post,
                       public Inbox,
                       public Vacancies,
                       public KnownMessages,
                       public MailView,
                       public HeldMail {
 public:
  explicit Mailroom(const MailroomPorts& ports)
      : to_(ports),
        shelves_(to_),
        dispatch_(to_, shelves_),
        settling_(to_, shelves_, dispatch_),
        peeking_(to_, shelves_, dispatch_),
        questions_(to_, shelves_, dispatch_, peeking_),
        publishing_(to_, shelves_, dispatch_, settling_, questions_, *this),
        moving_(to_, shelves_, publishing_, *this),
        recovery_(to_, shelves_, dispatch_, publishing_) {}

  // What the engine hands on.
  Publishing& publishing() { return publishing_; }
  Dispatch& dispatch() { return dispatch_; }
  const Dispatch& dispatch() const { return dispatch_; }
  Settling& settling() { return settling_; }
  Questions& questions() { return questions_; }
  const Questions& questions() const { return questions_; }
  Peeking& peeking() { return peeking_; }

  /// Errors of all three: invalid_name, limit_reached, and those of Dispatch.
  void consume(Session& session, RequestNumber request, std::string_view name, std::uint32_t credit);
  void receive(Session& session, RequestNumber request, const ReceiveCommand& command);
  void wait(Session& session, RequestNumber request, std::string_view name, Duration timeout_ms);
  void configure(Asker caller, const MailboxCommand& command);
  /// Answered with what went (DeletedMailbox). Errors: not_found, mailbox_in_use.
  void remove(Asker caller, const DeleteMailboxCommand& command);
  bool wants_dispatch() const { return to_.run.is_noted() && (shelves_.has_dirty() || shelves_.has_reads()); }

  /// Recovery has ended.
  void start();
  /// The engine's options have changed.
  void on_options() { shelves_.on_options(); }
  /// The run ends: what is leased goes back, as when its holder is gone.
  void stop() {
    settling_.give_back_all();
    shelves_.write_all_reads();
  }

  // Post
  Result<Prepared> prepare(Session& as, const IncomingMessage& message, const Lineage* caused) override {
    return publishing_.prepare(as, message, caused, nullptr);
  }
  Draft measure(const Prepared& prepared, std::string_view reply_to) const override {
    return publishing_.measure(prepared, reply_to);
  }
  bool make_room(const Prepared& prepared, const Draft& draft) override {
    return publishing_.make_room(prepared, draft);
  }
  bool make_room(std::span<const Prepared> all, const Draft& draft) override {
    return publishing_.make_room(all, Urgency::durable, draft);
  }
  MessageKey commit(const Prepared& prepared, std::string_view reply_to, const ConfirmTo& to) override {
    return publishing_.commit(prepared, reply_to, to);
  }
  Result<MessageKey> accept(Session& as, const IncomingMessage& message, std::string_view reply_to,
                            const ConfirmTo& to) override {
    return publishing_.accept(as, message, reply_to, to);
  }

  // Inbox
  Result<NameId> mailbox_named(std::string_view name) override;
  bool is_waited_at(NameId mailbox) override { return dispatch_.is_waited_at(shelves_.mailboxes[mailbox]); }
  Result<void> check_space(NameId mailbox) override;
  void enter(const Transient& message) override;
  std::optional<Holder> holder_of(MessageKey key) override;
  std::string answers_of(MessageKey key) override;
  void withdraw(NameId mailbox, MessageKey key) override { settling_.take_back(shelves_.mailboxes[mailbox], key); }

  // Vacancies
  bool can_take(NameId name_id, bool consumers_only) override;
  bool has_space(NameId name_id) override;
  std::uint64_t load_of(NameId name_id) override;

  // KnownMessages
  std::optional<Leased> leased(MessageKey key) override;
  std::optional<Settled> settled(MessageKey key) override;

  // MailView
  WaitingMail waiting(NameId mailbox, Priority from) override;
  Instant oldest(NameId mailbox, Priority from) override;
  void watch(NameId mailbox, bool is_watched) override { shelves_.mailboxes[mailbox].is_watched = is_watched; }
  // HeldMail
  std::size_t ready(NameId mailbox) const override;
  Moved move_next(NameId mailbox, const std::function<NameId(const Routing&)>& choose) override {
    return moving_.move_next(mailbox, choose);
  }
  Moved take_next(NameId mailbox, Taker& taker) override { return moving_.take_next(mailbox, taker); }

  // Part
  Result<void> enter(const Fact& fact) override { return recovery_.enter(fact); }
  bool keep(const Fact& fact) override { return recovery_.keep(fact); }
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session& session, Slot slot) override { dispatch_.close_consumer(session, slot); }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  void end_group() override { publishing_.end_group(); }
  // Null, and who asked is told why, if there is none of that name and none can be made.
  Mailbox* find_mailbox(Asker caller, std::string_view name);
  // The same for who takes from it.
  Mailbox* find_readable(const Session& session, Asker caller, std::string_view name);
  // Errors: mailbox_in_use, also if messages are there and are not to go.
  Result<void> check_removal(const Mailbox& mailbox, bool with_messages) const;

  const MailroomPorts to_;
  Shelves shelves_;
  Dispatch dispatch_;
  Settling settling_;
  Peeking peeking_;
  Questions questions_;
  Publishing publishing_;
  Moving moving_;
  Recovery recovery_;
};

/// The request numbers of RECEIVE and WAIT are the mailroom's too, and apart from those of consumers.
class Waiters final : public PlainPart {
 public:
  explicit Waiters(Dispatch& dispatch) : dispatch_(dispatch) {}
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a waiter"); }
  bool keep(const Fact&) override { return true; }
  void close(Session&, Slot slot) override { dispatch_.close_waiter(slot); }

 private:
  Dispatch& dispatch_;
};

}  // namespace folkmoot
