#include "engine/mailroom/publishing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/capability_address.hpp"
#include "engine/checks.hpp"
#include "engine/lifetime.hpp"

namespace folkmoot {

Result<MessageKey> Publishing::accept(Session& session, const IncomingMessage& message, std::string_view reply_to,
                                      const ConfirmTo& to) {
  auto prepared = prepare(session, message, nullptr, nullptr);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  const auto draft = measure(*prepared, reply_to);
  if (!make_room(*prepared, draft)) {
    return failure(ErrorCode::disk_full,
                   fmt::format("the disk has no room for a durable message to {}", message.routing.to));
  }
  if (!prepared->several_facts()) return commit(*prepared, reply_to, to);
  const Post::Group group(post_, to_.ledger, draft);
  return commit(*prepared, reply_to, to);
}

Result<Prepared> Publishing::prepare(Session& session, const IncomingMessage& message, const Lineage* caused,
                                     CommandTally* together) {
  const auto& routing = message.routing;
  Prepared prepared{.message = &message};
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return std::unexpected(sender.error());
  prepared.sender = *sender;
  prepared.keyed = !routing.key.empty() || !routing.id.is_nil();
  if (prepared.keyed) {
    forget_keys(0);
  } else if (routing.mode == DeliveryMode::exactly_once) {
    return failure(ErrorCode::invalid_field, "`mode` exactly_once needs a `key`, by which a second copy is known");
  }
  if (routing.to.empty()) {
    // A copy stays with the mailbox that was chosen for the first, wherever routes lead by now.
    if (find_first(prepared, together)) return prepared;
    if (auto found = to_.router.find_route(prepared); !found) return std::unexpected(std::move(found.error()));
  }
  if (auto found = find_mailbox(session, prepared); !found) return std::unexpected(std::move(found.error()));
  if (!routing.to.empty() && find_first(prepared, together)) return prepared;
  if (is_capability_address(prepared.message->routing.to)) [[unlikely]] {
    if (auto placed = place(session, prepared); !placed) return std::unexpected(std::move(placed.error()));
  }
  if (caused != nullptr || !routing.cause.is_nil()) {
    auto lineage = caused != nullptr ? *caused : to_.causality.lineage_of(message);
    if (!lineage) return std::unexpected(std::move(lineage.error()));
    prepared.lineage = std::make_unique<Lineage>(std::move(*lineage));
    to_.causality.check_guards(prepared, together);
    to_.causality.hand_on_trace(prepared);
  }
  if (auto good = check_lifetime(*prepared.message, to_.run.now()); !good)
    return std::unexpected(std::move(good.error()));
  prepared.has_costs = !message.forwarded && Causality::has_costs(*prepared.message);
  // An event on its way to streams was checked itself: it stands as content beside what it refers to.
  if (auto good = to_.references.check(*prepared.message); !good && routing.to != kStreamsMailbox)
    return std::unexpected(std::move(good.error()));
  if (auto room = check_keys(prepared, together); !room) return std::unexpected(std::move(room.error()));
  if (!prepared.lives()) return prepared;  // it takes no room: it is nobody's
  if (auto room = check_room(shelves_.mailboxes[prepared.mailbox], 1); !room)
    return std::unexpected(std::move(room.error()));
  return prepared;
}

// A copy is known by the address that it is sent to, whoever got the first: so this comes after its key was looked at.
Result<void> Publishing::place(Session& session, Prepared& prepared) {
  if (to_.options.shard != 0) return {};  // it is carried to the first, which has the registry
  if (auto placed = to_.placer.place(prepared); !placed) return placed;
  if (!is_capability_address(prepared.message->routing.to)) return find_mailbox(session, prepared);
  shelves_.mailboxes[prepared.mailbox].is_held = true;
  return {};
}

Result<void> Publishing::find_mailbox(Session& session, Prepared& prepared) {
  const auto to = prepared.message->routing.to;
  // Only find_route() sends to a name of the server's, and shards to their streams.
  if (to.front() == '$' && prepared.doom != DeadReason::no_route) [[unlikely]] {
    if (to == kStreamsMailbox && (session.of_shard || prepared.message->forwarded)) return find_streams(prepared);
    return failure(ErrorCode::invalid_name,
                   fmt::format("`{}` is not a mailbox name: those that begin with $ are the server's", to),
                   "give a name that begins otherwise");
  }
  prepared.mailbox = to_.names.find(to, session.last_mailbox);
  if (prepared.mailbox != 0) return {};
  if (!is_name(to)) return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", to));
  const auto number = to_.names.number(to);
  if (!number) return std::unexpected(number.error());
  prepared.mailbox = *number;
  return {};
}

Result<void> Publishing::find_streams(Prepared& prepared) {
  const auto number = to_.names.number(kStreamsMailbox);
  if (!number) return std::unexpected(number.error());
  prepared.mailbox = *number;
  set_up_for_streams(shelves_.mailboxes[*number]);
  return {};
}

// No setting of the server's bounds it: what was decided is kept.
void Publishing::set_up_for_streams(Mailbox& mailbox) {
  if (mailbox.own_limits) return;
  static constexpr MailboxLimits kLimits{.retry = {.attempts = 60'000}};
  shelves_.set_limits(mailbox, kLimits, kOwnAll, {});
  mailbox.is_held = to_.options.shard == 0;
}

bool Publishing::find_first(Prepared& prepared, const CommandTally* together) {
  if (!prepared.keyed) return false;
  prepared.key = key_hash(prepared.mailbox, prepared.sender, prepared.message->routing);
  if (const auto* const used = keys.find(prepared.key)) {
    prepared.first = used->message;
    prepared.mailbox = used->mailbox;
  } else if (together != nullptr) {
    const auto known = together->keys.find(prepared.key.low);
    if (known == together->keys.end()) return false;
    prepared.repeats = known->second.place;
    prepared.mailbox = known->second.mailbox;
  }
  return prepared.is_duplicate();
}

Hash128 Publishing::key_hash(NameId mailbox, NameId sender, const Routing& routing) const {
  const auto own = routing.key.empty() ? routing.id.text() : std::string(routing.key);
  std::string all;
  // An address has a number that lasts only if something was kept there: its text stands for it.
  all.append(is_capability_address(routing.to) ? routing.to : as_text(bytes_of(mailbox)));
  all.append(as_text(bytes_of(sender))).append(own);
  return siphash128(to_.run.secret(), as_bytes(all));
}

Draft Publishing::measure(const Prepared& prepared, std::string_view reply_to) const {
  Draft draft;
  if (prepared.is_duplicate()) return draft;
  const auto& message = *prepared.message;
  const auto& routing = message.routing;
  const auto& from = to_.names[prepared.sender];
  to_.names.measure(prepared.mailbox, draft);
  to_.names.measure(prepared.sender, draft);
  Run::measure_key(draft);
  if (prepared.keyed) draft.add(sizeof(KeyUsedFact));
  if (prepared.has_costs) Causality::measure_costs(message, draft);
  if (was_moved(prepared)) Trail::measure(draft);
  draft.add(sizeof(AcceptedFact) + Stamper::bytes_max(message, from, reply_to, prepared.lineage.get()) +
            message.content.size());
  if (prepared.lives()) return draft;
  draft.add(sizeof(DeadFact) + prepared.verdict->size());
  if (!tells_sender(prepared)) return draft;
  auto sent = routing;  // as it will be stamped
  sent.from = from;
  if (!reply_to.empty()) sent.reply_to = reply_to;
  sent.hops = prepared.lineage ? prepared.lineage->hops : 0;
  sent.chain = prepared.lineage ? as_bytes(prepared.lineage->chain) : Bytes{};
  const auto some_id = make_uuid({.key = to_.run.last_key(), .mailbox = prepared.mailbox, .node = to_.run.node()});
  return draft.add(to_.graveyard.measure(to_.graveyard.notice_of(sent, some_id, 0, prepared.doom, *prepared.verdict)));
}

// From another shard, where it has an id already.
bool Publishing::was_moved(const Prepared& prepared) {
  return prepared.keyed && prepared.message->forwarded && !prepared.message->routing.id.is_nil();
}

bool Publishing::tells_sender(const Prepared& prepared) {
  return !prepared.lives() && (prepared.message->routing.bounce || prepared.doom == DeadReason::guard);
}

MessageKey Publishing::commit(const Prepared& prepared, std::string_view reply_to, const ConfirmTo& to) {
  const auto& message = *prepared.message;
  const auto& routing = message.routing;
  auto& mailbox = shelves_.mailboxes[prepared.mailbox];
  if (prepared.first != 0) {
    ++to_.counters.duplicates;
    to_.ledger.when_or_now({}, waiting::Duplicate{prepared.first, prepared.mailbox, to});
    return 0;
  }
  to_.names.note(prepared.mailbox);
  to_.names.note(prepared.sender);

  const auto* const lineage = prepared.lineage.get();
  const auto fact = fact_of(prepared);
  if (prepared.keyed) remember_key(prepared, fact.key);
  if (prepared.has_costs) to_.causality.sum_costs(message);
  const auto id = make_uuid({.key = fact.key, .mailbox = prepared.mailbox, .node = to_.run.node()});
  const auto own_key = Stamper::key_of(routing);
  const auto head = to_.stamper.stamp(message, id, to_.names[prepared.sender], reply_to, own_key, lineage);
  const auto place = to_.ledger.write(FactKind::message_accepted, {bytes_of(fact), head, message.content}, Life::live);
  FactPlace dead_place;
  if (fact.flags & Entry::kRefers) to_.references.refer(fact.key, read_content_ref(message.envelope, routing));
  if (prepared.lives()) {
    ++mailbox.pending;
    ++to_.counters.pending;
  } else {
    const DeadFact dead{
        MessageRef(fact.key, fact.mailbox, fact.sender, fact.priority), to_.run.now(), 0, prepared.doom, {}};
    dead_place = to_.ledger.note(FactKind::message_dead, {bytes_of(dead), as_bytes(*prepared.verdict)}, Life::live);
    if (const auto sent = read_routing(head); sent && tells_sender(prepared)) {
      notices_.emplace_back(to_.graveyard.notice_of(*sent, id, 0, prepared.doom, *prepared.verdict),
                            Durable(dead_place));
    }
  }
  if (lineage != nullptr && !lineage->cause.is_nil()) to_.trail.caused(lineage->cause, id);
  if (was_moved(prepared)) to_.trail.write(routing.id, id, StepKind::moved);
  if (lineage != nullptr) to_.causality.count_for_guards(prepared.sender, prepared.mailbox, routing);
  ++to_.counters.published;
  to_.ledger.when(Durable(place), waiting::Accepted{fact, place, dead_place, to});
  return fact.key;
}

AcceptedFact Publishing::fact_of(const Prepared& prepared) {
  const auto& message = *prepared.message;
  const auto& routing = message.routing;
  const auto default_ttl_ms = shelves_.limits(shelves_.mailboxes[prepared.mailbox]).default_ttl_ms;
  const auto life = lifetime_of(message, default_ttl_ms, to_.run.now());
  const auto hops = prepared.lineage ? std::min<std::uint32_t>(prepared.lineage->hops, 0xffff) : 0;
  std::uint8_t flags = 0;
  if (!routing.group.empty()) flags |= Entry::kGrouped;
  if (!routing.retry.empty()) flags |= Entry::kPolicy;
  if (routing.bounce) flags |= Entry::kBounce;
  if (!routing.content_ref.empty()) flags |= Entry::kRefers;
  if (!routing.expects_reply) flags |= AcceptedFact::kSilent;
  if (to_.tracing.is_traced(message)) [[unlikely]]
    flags |= AcceptedFact::kTraced;
  return {.key = to_.run.next_key(),
          .not_before = life.not_before,
          .expires_at = life.expires_at,
          .mailbox = prepared.mailbox,
          .sender = prepared.sender,
          .deliveries = 0,
          .priority = routing.priority,
          .mode = routing.mode.value_or(DeliveryMode::at_least_once),
          .dead = prepared.doom,
          .flags = flags,
          .hops = static_cast<std::uint16_t>(hops)};
}

void Publishing::remember_key(const Prepared& prepared, MessageKey message) {
  forget_keys(1);
  const KeyUsedFact fact{{prepared.key.low, prepared.key.high}, message, prepared.mailbox, 0};
  const auto place = to_.ledger.write(FactKind::key_used, {bytes_of(fact)}, Life::live);
  keys.add({prepared.key, message, place.lsn, prepared.mailbox});
}

void Publishing::forget_keys(std::size_t more) {
  while (keys.size() > 0) {
    const auto& oldest = keys.oldest();
    const bool is_out = key_time(oldest.message) + to_.options.keys_ms <= to_.run.now();
    if (!is_out && (keys.size() + more <= to_.options.keys_max || must_keep(oldest))) return;
    to_.ledger.release({oldest.place, sizeof(KeyUsedFact)});
    keys.drop_oldest();
  }
}

bool Publishing::must_keep(const UsedKey& key) const {
  return to_.options.keys_kept_ms != Duration{} && key_time(key.message) + to_.options.keys_kept_ms > to_.run.now();
}

// What is made by the messages of one command beside each other may go beyond.
Result<void> Publishing::check_keys(const Prepared& prepared, const CommandTally* together) const {
  if (!prepared.keyed) return {};
  const auto more = 1 + (together != nullptr ? together->keys.size() : 0);
  if (keys.size() == 0 || keys.size() + more <= to_.options.keys_max || !must_keep(keys.oldest())) return {};
  return failure(ErrorCode::busy,
                 fmt::format("{} keys of messages are remembered, and none of them may be forgotten yet", keys.size()),
                 "send it again in a moment, or have keys.max raised or policy.signature_age made shorter");
}

Result<void> Publishing::check_room(const Mailbox& mailbox, std::uint64_t more) const {
  const auto& bound = shelves_.limits(mailbox);
  if (mailbox.load() + more <= bound.max_messages) return {};
  // Only what is ready can be dropped: the rest is in somebody's hands, or was asked for at a later time.
  if (bound.overflow == Overflow::drop_oldest && mailbox.load() - mailbox.ready + more <= bound.max_messages) return {};
  return failure(ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)",
                                                      to_.names[mailbox.number], mailbox.load(), bound.max_messages));
}

std::uint64_t Publishing::drops_for(const Mailbox& mailbox, std::uint64_t more) const {
  const auto& bound = shelves_.limits(mailbox);
  if (mailbox.load() + more <= bound.max_messages) return 0;
  // As many as come, unless the limit was lowered; then some with each message, so that none of them has to pay for
  // all.
  const auto most = std::max<std::uint64_t>(to_.options.overflow_drops_max, more);
  return std::min<std::uint64_t>({mailbox.load() + more - bound.max_messages, most, mailbox.ready});
}

bool Publishing::make_room(const Prepared& prepared, const Draft& draft) {
  const bool needs_some = !prepared.is_duplicate() && prepared.lives();
  if (!needs_some || drops_for(shelves_.mailboxes[prepared.mailbox], 1) == 0)
    return to_.ledger.has_room(Urgency::durable, draft);
  return make_room({{prepared.mailbox, 1}}, Urgency::durable, draft);
}

bool Publishing::make_room(std::span<const Prepared> all, Urgency urgency, const Draft& draft) {
  std::map<NameId, std::uint32_t> newcomers;
  for (const auto& each : all) {
    if (each.mailbox != 0 && !each.is_duplicate() && each.lives()) ++newcomers[each.mailbox];
  }
  return make_room(newcomers, urgency, draft);
}

bool Publishing::make_room(const std::map<NameId, std::uint32_t>& newcomers, Urgency urgency, const Draft& draft) {
  auto all = draft;
  for (const auto& [number, count] : newcomers) {
    // A death each, and perhaps the end of an older dead letter.
    const auto drops = drops_for(shelves_.mailboxes[number], count);
    for (auto left = drops; left > 0; --left) all.add(sizeof(DeadFact)).add(sizeof(MessageRef));
  }
  if (!to_.ledger.has_room(urgency, all)) return false;
  for (const auto& [number, count] : newcomers) shelves_.mailboxes[number].promised = count;
  for (const auto& [number, count] : newcomers) {
    auto& mailbox = shelves_.mailboxes[number];
    for (auto left = drops_for(mailbox, count); left > 0; --left) {
      shelves_.bury(mailbox, shelves_.take_oldest(mailbox), {.reason = DeadReason::overflow, .spared = all});
    }
  }
  for (const auto& [number, count] : newcomers) shelves_.mailboxes[number].promised = 0;
  return true;
}

void Publishing::end_group() {
  for (const auto& [notice, death] : notices_) to_.graveyard.post(notice, death);
  notices_.clear();
}

// -- what the disk has taken

Confirm Publishing::confirm_of(const AcceptedFact& fact) {
  const auto& mailbox = shelves_.mailboxes[fact.mailbox];
  Confirm confirm{.id = make_uuid({.key = fact.key, .mailbox = fact.mailbox, .node = to_.run.node()}),
                  .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(mailbox.unread(), ~0u)),
                  .outcome = fact.dead != DeadReason::none                               ? PublishOutcome::dead
                             : fact.not_before > to_.run.now()                           ? PublishOutcome::scheduled
                             : !mailbox.consumers_ready.empty() && !mailbox.is_misplaced ? PublishOutcome::offered
                                                                                         : PublishOutcome::queued,
                  .zero = {},
                  .age_ms = kNeverRead};
  if (mailbox.last_read >= 0)
    confirm.age_ms = static_cast<std::uint64_t>(std::max(Duration{}, to_.run.now() - mailbox.last_read).ms);
  return confirm;
}

void Publishing::on_durable(const waiting::Accepted& item) {
  ++to_.counters.confirmed;
  if (item.fact.flags & AcceptedFact::kTraced) [[unlikely]] {
    const Entry entry(item.fact.key, item.place, item.fact.priority, 0);
    to_.tracing.published(shelves_.traced(shelves_.mailboxes[item.fact.mailbox], entry), to_.names[item.fact.sender],
                          key_time(item.fact.key));
  }
  if (item.fact.dead != DeadReason::none) {
    enter_stillborn(item);
    if (to_.tap.is_on()) [[unlikely]]
      shelves_.tap({.what = TapWhat::dead, .reason = std::string(name(item.fact.dead))}, item.fact, item.place);
  } else {
    if (to_.tap.is_on()) [[unlikely]]
      shelves_.tap({.what = TapWhat::accepted}, item.fact, item.place);
    --shelves_.mailboxes[item.fact.mailbox].pending;
    --to_.counters.pending;
    if (item.fact.flags & Entry::kGrouped) {
      const std::string group(shelves_.group_of(Entry(item.fact.key, item.place, item.fact.priority, 0)));
      shelves_.enter_accepted(item.fact, item.place, group);
    } else {
      shelves_.enter_accepted(item.fact, item.place, {});
    }
  }
  if (item.to.batch != kNoSlot || !item.to.quiet) to_.replies.confirm(item.to, confirm_of(item.fact));
}

void Publishing::enter_stillborn(const waiting::Accepted& item) {
  const auto& fact = item.fact;
  const QueuedMessage message{Entry(fact.key, item.place, fact.priority, fact.flags & Entry::kRefers), fact.sender};
  // Its death is in the same group of facts.
  const auto body = to_.ledger.read(item.dead_place);
  const auto at = load<DeadFact>(body.data()).at;
  const std::string text(as_text(body.subspan(sizeof(DeadFact))));
  const DeadLetter letter{message, fact.dead, at, item.dead_place};
  to_.graveyard.enter(fact.mailbox, letter);
  to_.graveyard.tell(fact.mailbox, letter, text);
  to_.graveyard.bound(fact.mailbox);
}

void Publishing::on_durable(const waiting::Duplicate& item) {
  // What became of the first message with this key.
  auto first = confirm_of({.key = item.first, .mailbox = item.mailbox});
  first.outcome = PublishOutcome::duplicate;
  first.state = questions_.receipt(first.id).state;
  if (!item.to.is_request) return to_.replies.confirm(item.to, first);
  to_.replies.refuse(
      item.to.caller,
      {ErrorCode::already_exists,
       fmt::format("its `key` was used for message {}, which is {}: the response goes to who asked first",
                   first.id.text(), name(first.state))});
}

}  // namespace folkmoot
