#include "engine/mailroom/mailroom.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "message/limits.hpp"

namespace folkmoot {

// -- names

Result<std::uint32_t> Mailroom::mailbox_named(std::string_view name) {
  if (!is_name(name) || name.front() == '@' || name.front() == '$') {
    return failure(ErrorCode::invalid_name,
                   fmt::format("`{}` is not a mailbox name", is_name(name) ? name : "(unprintable)"));
  }
  return to_.names.number(name);
}

Mailbox* Mailroom::find_mailbox(Asker caller, std::string_view name) {
  const auto number = mailbox_named(name);
  if (number) return &shelves_.mailboxes[*number];
  to_.replies.refuse(caller, number.error());
  return nullptr;
}

// -- commands

void Mailroom::consume(Session& session, std::uint32_t request, std::string_view name, std::uint32_t credit) {
  const Asker caller{session.id, request};
  if (credit > kCreditMax) {
    return to_.replies.refuse(
        caller, {ErrorCode::out_of_range, fmt::format("`credit` is {}; 0 to {} is possible", credit, kCreditMax)});
  }
  if (auto* const mailbox = find_mailbox(caller, name)) dispatch_.consume(session, request, *mailbox, credit);
}

void Mailroom::receive(Session& session, std::uint32_t request, const ReceiveCommand& command) {
  const Asker caller{session.id, request};
  if (command.max == 0 || command.max > kReceiveMax) {
    return to_.replies.refuse(
        caller, {ErrorCode::out_of_range, fmt::format("`max` is {}; 1 to {} is possible", command.max, kReceiveMax)});
  }
  if (auto* const mailbox = find_mailbox(caller, command.mailbox))
    dispatch_.receive(session, request, *mailbox, command);
}

void Mailroom::wait(Session& session, std::uint32_t request, std::string_view name, std::int64_t timeout_ms) {
  if (auto* const mailbox = find_mailbox({session.id, request}, name))
    dispatch_.wait(session, request, *mailbox, timeout_ms);
}

void Mailroom::configure(Asker caller, const MailboxCommand& command) {
  auto* const mailbox = find_mailbox(caller, command.name);
  if (mailbox == nullptr) return;
  Draft draft;
  to_.names.measure(mailbox->number, draft);
  draft.add(sizeof(MailboxConfiguredFact));
  if (!to_.ledger.has_room(Urgency::durable, draft)) {
    return to_.replies.refuse(caller,
                              {ErrorCode::disk_full, fmt::format("no room to keep the settings of {}", command.name)});
  }
  to_.names.note(mailbox->number);
  const auto& retry = command.limits.retry;
  const MailboxConfiguredFact fact{.max_messages = command.limits.max_messages,
                                   .default_ttl_ms = command.limits.default_ttl_ms,
                                   .mailbox = mailbox->number,
                                   .overflow = command.limits.overflow,
                                   .backoff = retry.backoff,
                                   .attempts = retry.attempts,
                                   .initial_ms = retry.initial_ms,
                                   .max_ms = retry.max_ms,
                                   .multiplier_permille = retry.multiplier_permille};
  const auto place = to_.ledger.write(FactKind::mailbox_configured, {bytes_of(fact)}, Life::live);
  shelves_.set_limits(*mailbox, command.limits, place);
  to_.ledger.when(Durable(place), waiting::Answer{.to = caller});
}

// -- life

void Mailroom::start() {
  dispatch_.leases.begin_run(to_.options.shard, to_.run.number());
  publishing_.keys.sort();
  shelves_.start();
}

bool Mailroom::is_live(const Timer& timer) const {
  switch (timer.kind) {
    case TimerKind::expiry:
    case TimerKind::due:
      return shelves_.is_live(timer);
    case TimerKind::lease:
      return settling_.is_live(timer);
    default:
      return dispatch_.is_live(timer);
  }
}

void Mailroom::due(const Timer& timer) {
  switch (timer.kind) {
    case TimerKind::expiry:
    case TimerKind::due:
      return shelves_.due(timer);
    case TimerKind::lease:
      return settling_.due(timer);
    default:
      return dispatch_.due(timer);
  }
}

// -- as others see it

Result<void> Mailroom::check_space(std::uint32_t number) {
  const auto& mailbox = shelves_.mailboxes[number];
  const auto most = shelves_.limits(mailbox).max_messages;
  if (mailbox.load() < most) return {};
  return failure(ErrorCode::mailbox_full,
                 fmt::format("mailbox {} is full ({} of {} waiting)", to_.names[number], mailbox.load(), most));
}

void Mailroom::enter(const Transient& message) {
  std::uint16_t flags = Entry::kTransient | Entry::kOnce | Entry::kExpires;
  if (message.refers) flags |= Entry::kRefers;
  shelves_.expire_at(message.expires_at, message.key, message.mailbox, message.sender);
  const Entry entry(message.key, {message.stored, message.bytes}, message.priority, flags);
  shelves_.enter_ready(shelves_.mailboxes[message.mailbox], {entry, message.sender}, {});
}

std::optional<Holder> Mailroom::holder_of(MessageKey key) {
  const auto slot = dispatch_.leases.find_key(key);
  return slot == kNoSlot ? std::nullopt : std::optional(folkmoot::holder_of(dispatch_.leases[slot]));
}

std::string Mailroom::answers_of(MessageKey key) {
  const auto slot = dispatch_.leases.find_key(key);
  FOLKMOOT_ASSERT(slot != kNoSlot);
  const auto routing = read_routing(shelves_.bytes_of(dispatch_.leases[slot].entry));
  if (!routing) to_.effects.unreadable(routing.error());
  return std::string(routing->reply_to);
}

bool Mailroom::can_take(std::uint32_t party, bool consumers_only) {
  const auto& mailbox = shelves_.mailboxes[party];
  if (consumers_only && mailbox.consumers_ready.empty()) return false;
  return publishing_.check_room(mailbox, 1).has_value();
}

bool Mailroom::has_space(std::uint32_t party) {
  const auto& mailbox = shelves_.mailboxes[party];
  return mailbox.load() + mailbox.promised < shelves_.limits(mailbox).max_messages;
}

std::optional<Bytes> Mailroom::leased(MessageKey key, std::uint32_t& mailbox) {
  const auto slot = dispatch_.leases.find_key(key);
  if (slot == kNoSlot) return std::nullopt;
  mailbox = dispatch_.leases[slot].mailbox;
  return shelves_.bytes_of(dispatch_.leases[slot].entry);
}

std::optional<KnownMessages::Settled> Mailroom::settled(MessageKey key) {
  const auto* const known = shelves_.receipts.find(key);
  if (known == nullptr) return std::nullopt;
  return Settled{known->hops, known->silent_for};
}

}  // namespace folkmoot
