#include "engine/mailroom/mailroom.hpp"

#include <fmt/format.h>

#include "base/utf8.hpp"
#include "engine/capability_address.hpp"
#include "message/limits.hpp"

namespace folkmoot {

// -- names

Result<NameId> Mailroom::mailbox_named(std::string_view name) {
  if (!is_name(name) || name.front() == '@' || name.front() == '$') {
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", printable(name)));
  }
  return to_.names.number(name);
}

Mailbox* Mailroom::find_mailbox(Asker caller, std::string_view name) {
  const auto number = mailbox_named(name);
  if (number) return &shelves_.mailboxes[*number];
  to_.replies.refuse(caller, number.error());
  return nullptr;
}

Mailbox* Mailroom::find_readable(const Session& session, Asker caller, std::string_view name) {
  if (session.of_shard && name == kStreamsMailbox) {
    if (const auto number = to_.names.find(name); number != 0) return &shelves_.mailboxes[number];
  }
  if (!is_capability_address(name) || session.of_shard) return find_mailbox(caller, name);
  to_.replies.refuse(
      caller, {ErrorCode::invalid_name,
               fmt::format("`{}` is an address: what is sent there goes to an agent that can do it", printable(name)),
               "register with these capabilities, and take from your own mailbox"});
  return nullptr;
}

// -- commands

void Mailroom::consume(Session& session, RequestNumber request, std::string_view name, std::uint32_t credit) {
  const Asker caller{session.id, request};
  if (credit > kCreditMax) {
    return to_.replies.refuse(
        caller, {ErrorCode::out_of_range, fmt::format("`credit` is {}; 0 to {} is possible", credit, kCreditMax)});
  }
  if (auto* const mailbox = find_readable(session, caller, name)) dispatch_.consume(session, request, *mailbox, credit);
}

void Mailroom::receive(Session& session, RequestNumber request, const ReceiveCommand& command) {
  const Asker caller{session.id, request};
  if (command.max == 0 || command.max > kReceiveMax) {
    return to_.replies.refuse(
        caller, {ErrorCode::out_of_range, fmt::format("`max` is {}; 1 to {} is possible", command.max, kReceiveMax)});
  }
  if (auto* const mailbox = find_readable(session, caller, command.mailbox))
    dispatch_.receive(session, request, *mailbox, command);
}

void Mailroom::wait(Session& session, RequestNumber request, std::string_view name, Duration timeout_ms) {
  if (auto* const mailbox = find_readable(session, {session.id, request}, name))
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
  // What is set goes over what stands there.
  const auto* const mine = command.reset ? nullptr : mailbox->own_limits.get();
  const auto limits = in_force(command.limits, command.own, mine != nullptr ? mine->limits : to_.options.mailbox);
  const auto own = static_cast<std::uint8_t>((mine != nullptr ? mine->own : 0) | command.own);
  const auto& retry = limits.retry;
  const MailboxConfiguredFact fact{.max_messages = limits.max_messages,
                                   .default_ttl_ms = limits.default_ttl_ms,
                                   .mailbox = mailbox->number,
                                   .overflow = limits.overflow,
                                   .backoff = retry.backoff,
                                   .attempts = retry.attempts,
                                   .initial_ms = Duration{retry.initial_ms},
                                   .max_ms = Duration{retry.max_ms},
                                   .multiplier_permille = retry.multiplier_permille,
                                   .own = static_cast<std::uint8_t>(own | MailboxConfiguredFact::kSaysOwn)};
  const auto place = to_.ledger.write(FactKind::mailbox_configured, {bytes_of(fact)}, Life::live);
  shelves_.set_limits(*mailbox, limits, own, place);
  to_.ledger.when(Durable(place), waiting::Answer{.to = caller});
}

Result<void> Mailroom::check_removal(const Mailbox& mailbox, bool with_messages) const {
  const auto& name = to_.names[mailbox.number];
  const auto refusal = [&](std::string why) {
    return failure(ErrorCode::mailbox_in_use, fmt::format("mailbox {} {}: it is not deleted", name, why));
  };
  if (mailbox.consumers > 0) return refusal(fmt::format("has {} consumer(s)", mailbox.consumers));
  if (!mailbox.waiters.empty()) return refusal("is waited at");
  if (mailbox.is_watched) return refusal("wakes its agent (`folkmoot wake remove`)");
  if (mailbox.leased > 0) return refusal(fmt::format("has {} message(s) in somebody's hands", mailbox.leased));
  if (mailbox.pending > 0) return refusal("gets messages right now");
  const auto dead = to_.graveyard.count(mailbox.number);
  if (with_messages || mailbox.load() + dead == 0) return {};
  return refusal(fmt::format("has {} message(s) and {} dead letter(s)", mailbox.load(), dead));
}

void Mailroom::remove(Asker caller, const DeleteMailboxCommand& command) {
  auto* const mailbox = shelves_.mailboxes.find(to_.names.find(command.name));
  if (mailbox == nullptr) {
    return to_.replies.refuse(caller,
                              {ErrorCode::not_found, fmt::format("there is no mailbox {}", printable(command.name))});
  }
  if (auto good = check_removal(*mailbox, command.with_messages); !good)
    return to_.replies.refuse(caller, good.error());
  DeletedMailbox gone;
  Durable noted;
  for (auto keys = peeking_.waiting(*mailbox, 0, command.limit); const auto key : keys) {
    NameId sender = 0;
    const auto* const entry = shelves_.find(*mailbox, key, sender);
    const bool can_be_noted = to_.ledger.has_room(Urgency::settling, sizeof(MessageRef));
    if (entry == nullptr || (!can_be_noted && !entry->has(Entry::kTransient))) continue;  // it stays
    if (const auto taken = settling_.take_back(*mailbox, key)) noted.add(*taken);
    ++gone.messages;
  }
  gone.dead = to_.graveyard.purge(mailbox->number, command.limit - gone.messages, noted);
  gone.left = mailbox->load() + to_.graveyard.count(mailbox->number);
  gone.deleted = gone.left == 0 && to_.ledger.has_room(Urgency::settling, sizeof(MailboxDeletedFact));
  if (gone.deleted) {
    // The log knows nothing of one whose name it does not know.
    Draft name;
    to_.names.measure(mailbox->number, name);
    const MailboxDeletedFact fact{.mailbox = mailbox->number};
    if (name.facts() == 0)
      noted.add(Durable(to_.ledger.write(FactKind::mailbox_deleted, {bytes_of(fact)}, Life::dead)));
    shelves_.remove(*mailbox);
  }
  to_.ledger.when_or_now(noted, waiting::Answer{.to = caller, .reply = gone});
}

// -- life

void Mailroom::start() {
  dispatch_.leases.begin_run(to_.options.shard, to_.run.number());
  publishing_.keys.sort();
  for (NameId number{1}; number < shelves_.mailboxes.end(); ++number) {
    auto* const mailbox = shelves_.mailboxes.find(number);
    if (mailbox == nullptr || !to_.names.holds(number)) continue;
    if (to_.names[number] == kStreamsMailbox) {
      publishing_.set_up_for_streams(*mailbox);
    } else if (to_.options.shard == 0) {
      mailbox->is_held = is_capability_address(to_.names[number]);
    }
  }
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

Result<void> Mailroom::check_space(NameId number) {
  const auto& mailbox = shelves_.mailboxes[number];
  const auto most = shelves_.limits(mailbox).max_messages;
  if (mailbox.load() < most) return {};
  return failure(ErrorCode::mailbox_full,
                 fmt::format("mailbox {} is full ({} of {} waiting)", to_.names[number], mailbox.load(), most));
}

void Mailroom::enter(const Transient& message) {
  std::uint16_t flags = Entry::kTransient | Entry::kOnce | Entry::kExpires;
  if (message.refers) flags |= Entry::kRefers;
  if (message.traced) flags |= Entry::kTraced;
  shelves_.expire_at(message.expires_at, message.key, message.mailbox, message.sender);
  const Entry entry(message.key, {Lsn{message.stored.value}, message.bytes}, message.priority, flags);
  if (to_.tap.is_on()) [[unlikely]]
    shelves_.tap({.what = TapWhat::accepted}, shelves_.mailboxes[message.mailbox], entry, message.sender);
  if (message.traced) [[unlikely]]
    to_.tracing.published(shelves_.traced(shelves_.mailboxes[message.mailbox], entry), to_.names[message.sender],
                          to_.run.now());
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

bool Mailroom::can_take(NameId name_id, bool consumers_only) {
  const auto* const mailbox = shelves_.mailboxes.find(name_id);
  if (mailbox == nullptr) return !consumers_only;  // it is made when something comes
  if (consumers_only && mailbox->consumers_ready.empty()) return false;
  return publishing_.check_room(*mailbox, 1).has_value();
}

std::uint64_t Mailroom::load_of(NameId name_id) {
  const auto* const mailbox = shelves_.mailboxes.find(name_id);
  return mailbox != nullptr ? mailbox->load() : 0;
}

std::size_t Mailroom::ready(NameId name_id) const {
  const auto* const mailbox = shelves_.mailboxes.find(name_id);
  return mailbox != nullptr ? mailbox->ready : 0;
}

bool Mailroom::has_space(NameId name_id) {
  const auto& mailbox = shelves_.mailboxes[name_id];
  return mailbox.load() + mailbox.promised < shelves_.limits(mailbox).max_messages;
}

WaitingMail Mailroom::waiting(NameId number, Priority from) {
  const auto& mailbox = shelves_.mailboxes[number];
  WaitingMail mail{.unread = mailbox.unread(),
                   .last_read = mailbox.last_read,
                   .is_attended = mailbox.consumers > 0 && !mailbox.is_misplaced};
  for (unsigned lane = 0; lane < from; ++lane) {
    if (!(mailbox.lanes_in_use & 1u << lane)) continue;
    mail.ready += mailbox.lanes[lane]->size();
    if (mail.first == 0) mail.first = static_cast<Priority>(lane + 1);
  }
  return mail;
}

Instant Mailroom::oldest(NameId number, Priority from) {
  const auto& mailbox = shelves_.mailboxes[number];
  auto oldest = to_.run.now();
  for (unsigned lane = 0; lane < from; ++lane) {
    if (mailbox.lanes_in_use & 1u << lane) oldest = std::min(oldest, key_time(mailbox.lanes[lane]->oldest().entry.key));
  }
  return oldest;
}

std::optional<KnownMessages::Leased> Mailroom::leased(MessageKey key) {
  const auto slot = dispatch_.leases.find_key(key);
  if (slot == kNoSlot) return std::nullopt;
  const auto& lease = dispatch_.leases[slot];
  return Leased{
      .mailbox = lease.mailbox, .delivery = lease.entry.deliveries + 1u, .message = shelves_.bytes_of(lease.entry)};
}

std::optional<KnownMessages::Settled> Mailroom::settled(MessageKey key) {
  const auto* const known = shelves_.receipts.find(key);
  if (known == nullptr) return std::nullopt;
  return Settled{known->hops, known->silent_for};
}

}  // namespace folkmoot
