// Publishing to mailboxes: deciding where a message goes, and the facts that make it durable.
#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "engine/engine.hpp"

namespace folkmoot {

MessageKey Engine::next_key() {
  last_key_ = std::max(last_key_ + 1, make_key(static_cast<std::uint64_t>(now_), 0));
  // Renewed at half time: durable, but for a moment after the clock jumped, before the first of the new ones is given
  // out.
  if (last_key_ + make_key(kKeysAheadMs / 2, 0) >= keys_end_) note_run();
  return last_key_;
}

// The number of a name that was looked up last time, most likely.
std::uint32_t Engine::memo_party(std::uint32_t& memo, std::string_view name) {
  if (memo != 0 && parties_[memo].name == name) return memo;
  memo = parties_.find(name);
  return memo;
}

Result<void> Engine::check_from(const IncomingMessage& message) const {
  const auto& routing = message.routing;
  if (message.forwarded || routing.from.empty() || (routing.from.front() != '@' && routing.from.front() != '$'))
    return {};
  return failure(ErrorCode::invalid_name,
                 fmt::format("`from` is {}: names that begin with @ or $ are the server's", routing.from));
}

Result<std::uint32_t> Engine::sender_of(Session& session, const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (routing.from.empty()) {
    if (session.party != 0) return session.party;
    return party_number("anonymous");
  }
  if (auto good = check_from(message); !good) return std::unexpected(std::move(good.error()));
  if (const auto known = memo_party(session.last_sender, routing.from)) return known;
  return party_number(routing.from);
}

// The envelope as the recipient gets it. A sender's next message has most often the same one, but for id and time.
Bytes Engine::stamped(const IncomingMessage& message, const Stamp& with) {
  const bool plain =
      message.version != 0 && with.reply_to.empty() && with.key.empty() && with.cause.is_nil() && with.hops == 0;
  if (plain && message.version == stamped_.version && with.from == stamped_.from &&
      restamp(scratch_.data(), with.id, with.timestamp)) {
    return {scratch_.data(), stamped_.bytes};
  }
  const auto most = message.envelope.size() + kStampBytesMax + 64;
  if (scratch_.size() < most) scratch_.resize(most);
  stamped_.bytes = stamp(message.envelope, message.routing, with, scratch_.data());
  stamped_.version = plain ? message.version : 0;
  if (plain) stamped_.from = with.from;
  return {scratch_.data(), stamped_.bytes};
}

Stamp Engine::stamp_of(const Uuid& id, std::string_view from, std::string_view reply_to, std::string_view key,
                       const Lineage* lineage) const {
  Stamp stamp{.id = id, .timestamp = now_, .from = from, .reply_to = reply_to, .key = key};
  if (lineage != nullptr) {
    stamp.cause = lineage->cause;
    stamp.hops = lineage->hops;
    stamp.chain = as_bytes(lineage->chain);
  }
  return stamp;
}

void Engine::publish_anew(SessionId id, std::uint32_t request, bool quiet, const IncomingMessage& message) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (is_now(message.routing)) {
    auto done = publish_now(*session, message);
    if (!done) return refuse(id, request, std::move(done.error()));
    if (!quiet) effects_.confirm(id, request, *done);
    return;
  }
  auto done = accept(*session, message, {},
                     {.session = id, .request = request, .kind = Pending::Kind::accepted, .quiet = quiet});
  if (!done) refuse(id, request, std::move(done.error()));
}

// A message to one mailbox: decided and appended; its key, or 0 for a duplicate. On error nothing has changed.
Result<MessageKey> Engine::accept(Session& session, const IncomingMessage& message, std::string_view reply_to,
                                  Pending&& as) {
  auto prepared = prepare(session, message, nullptr);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  if (!make_room(*prepared, prepared->bound())) {
    return failure(ErrorCode::disk_full,
                   fmt::format("the disk has no room for a durable message to {}", message.routing.to));
  }
  if (!prepared->several_facts()) return commit(*prepared, reply_to, std::move(as));
  const CommitGroup group(*this, prepared->bound());
  return commit(*prepared, reply_to, std::move(as));
}

// Looks up and checks all there is to know of a message to a mailbox; changes nothing but the table of names.
Result<Prepared> Engine::prepare(Session& session, const IncomingMessage& message, const Lineage* caused,
                                 CommandTally* together) {
  const auto& routing = message.routing;
  Prepared prepared{.message = &message};
  const auto sender = sender_of(session, message);
  if (!sender) return std::unexpected(sender.error());
  prepared.sender = *sender;
  // The sender's name is in a fact of its own and in the envelope.
  prepared.bytes = kFixedBytesMax + message.envelope.size() + message.content.size() +
                   2 * parties_[prepared.sender].name.size() + routing.to.size() + routing.conversation.size();
  prepared.keyed = !routing.key.empty() || !routing.id.is_nil();
  if (prepared.keyed) {
    forget_keys(0);
  } else if (routing.mode == DeliveryMode::exactly_once) {
    return failure(ErrorCode::invalid_field, "`mode` exactly_once needs a `key`, by which a second copy is known");
  }
  if (routing.to.empty()) {
    // A copy stays with the mailbox that was chosen for the first, wherever routes lead by now.
    if (find_first(prepared, together)) return prepared;
    if (auto found = find_route(prepared); !found) return std::unexpected(std::move(found.error()));
  }
  const auto to = prepared.message->routing.to;
  // Only find_route() sends to a name of the server's.
  if (to.front() == '$' && prepared.doom != DeadReason::no_route) {
    return failure(ErrorCode::invalid_name,
                   fmt::format("`{}` is not a mailbox name: those that begin with $ are the server's", to));
  }
  prepared.mailbox = memo_party(session.last_mailbox, to);
  if (prepared.mailbox == 0) {
    const auto number = is_name(to) ? party_number(to)
                                    : failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", to));
    if (!number) return std::unexpected(number.error());
    prepared.mailbox = *number;
  }
  if (!routing.to.empty() && find_first(prepared, together)) return prepared;
  if (caused != nullptr || !routing.cause.is_nil()) {
    auto lineage = caused != nullptr ? *caused : lineage_of(message);
    if (!lineage) return std::unexpected(std::move(lineage.error()));
    prepared.lineage = std::make_unique<Lineage>(std::move(*lineage));
    prepared.bytes += prepared.lineage->chain.size();
    check_guards(prepared, together);
    hand_on_trace(prepared);
  }
  prepared.has_costs = !message.forwarded && has_costs(*prepared.message);
  if (auto good = check_content(*prepared.message); !good) return std::unexpected(std::move(good.error()));
  if (!prepared.lives()) return prepared;  // it takes no room: it is nobody's
  if (auto room = check_room(parties_.mailbox(prepared.mailbox), 1); !room)
    return std::unexpected(std::move(room.error()));
  return prepared;
}

// Whether it is a copy of a message accepted before, or of one before it in its command: then it is in that one's
// mailbox. Requires: its sender is known, and its mailbox if it names one.
bool Engine::find_first(Prepared& prepared, const CommandTally* together) {
  if (!prepared.keyed) return false;
  prepared.key = key_hash(prepared.mailbox, prepared.sender, prepared.message->routing);
  if (const auto* const used = keys_.find(prepared.key)) {
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

// `mailbox`: 0 if the sender left it to the routes.
Hash128 Engine::key_hash(std::uint32_t mailbox, std::uint32_t sender, const Routing& routing) const {
  const auto own = routing.key.empty() ? routing.id.text() : std::string(routing.key);
  std::string all;
  all.append(as_text(bytes_of(mailbox))).append(as_text(bytes_of(sender))).append(own);
  return siphash128(secret_, as_bytes(all));
}

MessageKey Engine::commit(const Prepared& prepared, std::string_view reply_to, Pending&& as) {
  const auto& message = *prepared.message;
  const auto& routing = message.routing;
  auto& mailbox = parties_.mailbox(prepared.mailbox);
  if (prepared.first != 0) {
    ++counters_.duplicates;
    as.kind = Pending::Kind::duplicate;
    as.fact = {.key = prepared.first, .mailbox = prepared.mailbox};
    push_pending(std::move(as));
    return 0;
  }
  journal_party(prepared.mailbox);
  journal_party(prepared.sender);

  const auto ttl = routing.ttl_ms != 0 ? routing.ttl_ms : limits(mailbox).default_ttl_ms;
  const auto* const lineage = prepared.lineage.get();
  std::uint8_t flags = 0;
  if (!routing.group.empty()) flags |= Entry::kGrouped;
  if (!routing.retry.empty()) flags |= Entry::kPolicy;
  if (routing.bounce) flags |= Entry::kBounce;
  if (!routing.content_ref.empty()) flags |= Entry::kRefers;
  if (!routing.expects_reply) flags |= AcceptedFact::kSilent;
  const AcceptedFact fact{
      .key = next_key(),
      .not_before = routing.deliver_at > now_ ? routing.deliver_at : 0,
      .expires_at = ttl != 0 ? (message.forwarded && routing.ttl_ms != 0 ? routing.timestamp : now_) + ttl : 0,
      .mailbox = prepared.mailbox,
      .sender = prepared.sender,
      .deliveries = 0,
      .priority = routing.priority,
      .mode = routing.mode.value_or(DeliveryMode::at_least_once),
      .dead = prepared.doom,
      .flags = flags,
      .hops = static_cast<std::uint16_t>(lineage != nullptr ? std::min<std::uint32_t>(lineage->hops, 0xffff) : 0)};
  if (prepared.keyed) remember_key(prepared, fact.key);
  if (prepared.has_costs) sum_conversation(message);
  const auto id = make_uuid({.key = fact.key, .mailbox = prepared.mailbox, .node = node_});
  const auto own_key = routing.id.is_nil() ? std::string{} : routing.id.text();
  const auto head = stamped(message, stamp_of(id, parties_[prepared.sender].name, reply_to, own_key, lineage));
  const Bytes parts[] = {bytes_of(fact), head, message.content};
  as.place = log_.append(FactKind::message_accepted, parts, FactLog::Life::live);
  as.fact = fact;
  as.lsn = as.place.lsn;
  if (flags & Entry::kRefers) contents_.refer(fact.key, read_content_ref(message.envelope, routing));
  if (prepared.lives()) {
    ++mailbox.pending;
    ++counters_.pending;
  } else {
    const DeadFact dead{MessageRef(fact.key, fact.mailbox, fact.sender, fact.priority), now_, 0, prepared.doom, {}};
    as.dead_place =
        append_fact(FactKind::message_dead, {bytes_of(dead), as_bytes(*prepared.verdict)}, FactLog::Life::live);
    // Whoever trips a guard must hear of it, asked or not.
    if (const auto sent = read_routing(head); sent && (routing.bounce || prepared.doom == DeadReason::guard)) {
      notices_.push_back(notice_of(*sent, id, 0, prepared.doom, *prepared.verdict));
    }
  }
  if (lineage != nullptr) count_for_guards(prepared.sender, prepared.mailbox, routing);
  ++counters_.published;
  pending_.push(std::move(as));
  return fact.key;
}

void Engine::remember_key(const Prepared& prepared, MessageKey message) {
  forget_keys(1);
  const KeyUsedFact fact{{prepared.key.low, prepared.key.high}, message, prepared.mailbox, 0};
  const Bytes body = bytes_of(fact);
  const auto place = log_.append(FactKind::key_used, {&body, 1}, FactLog::Life::live);
  keys_.add({prepared.key, message, place.lsn, prepared.mailbox});
}

// Drops what is too old, and the oldest until there is room for so many more.
void Engine::forget_keys(std::size_t more) {
  while (keys_.size() > 0) {
    const auto& oldest = keys_.oldest();
    if (keys_.size() + more <= options_.keys_max && key_ms(oldest.message) + options_.keys_ms > now_) return;
    log_.release({oldest.place, sizeof(KeyUsedFact)});
    keys_.drop_oldest();
  }
}

// Lists what waits for the disk; what needs not wait for anything is done at once.
void Engine::push_pending(Pending&& item) {
  if (item.lsn == 0 && !pending_.empty()) item.lsn = pending_.back().lsn;
  if (item.lsn == 0) return resolve(item);
  pending_.push(std::move(item));
}

// Whether `more` messages fit into the mailbox, if need be by dropping others.
Result<void> Engine::check_room(const Mailbox& mailbox, std::uint64_t more) const {
  const auto& bound = limits(mailbox);
  if (mailbox.load() + more <= bound.max_messages) return {};
  // Only what is ready can be dropped: the rest is in somebody's hands, or was asked for at a later time.
  if (bound.overflow == Overflow::drop_oldest && mailbox.load() - mailbox.ready + more <= bound.max_messages) return {};
  return failure(ErrorCode::mailbox_full,
                 fmt::format("mailbox {} is full ({} of {} waiting)", parties_[mailbox.number].name, mailbox.load(),
                             bound.max_messages));
}

// How many of the mailbox must be dropped for `more` to fit. Requires: check_room(mailbox, more).
std::uint64_t Engine::drops_for(const Mailbox& mailbox, std::uint64_t more) const {
  const auto& bound = limits(mailbox);
  if (mailbox.load() + more <= bound.max_messages) return 0;
  // As many as come, unless the limit was lowered; then some with each message, so that none of them has to pay for
  // all.
  const auto most = std::max<std::uint64_t>(kOverflowDropsMax, more);
  return std::min<std::uint64_t>({mailbox.load() + more - bound.max_messages, most, mailbox.ready});
}

// In the log, for `bound`, and in the message's mailbox. False, and nothing has changed, if the log has none.
bool Engine::make_room(const Prepared& prepared, const GroupBound& bound) {
  const bool needs_some = !prepared.is_duplicate() && prepared.lives();
  if (!needs_some || drops_for(parties_.mailbox(prepared.mailbox), 1) == 0)
    return log_.has_room(FactLog::Urgency::durable, bound);
  return make_room({{prepared.mailbox, 1}}, FactLog::Urgency::durable, bound);
}

// For all at once: room made for one after the other would be made only once, as none of them has come yet.
bool Engine::make_room(std::span<const Prepared> all, FactLog::Urgency urgency, const GroupBound& bound) {
  std::map<std::uint32_t, std::uint32_t> newcomers;
  for (const auto& each : all) {
    if (each.mailbox != 0 && !each.is_duplicate() && each.lives()) ++newcomers[each.mailbox];
  }
  return make_room(newcomers, urgency, bound);
}

// Drops the oldest of each mailbox so that its newcomers fit, if the log has room for that and for them.
bool Engine::make_room(const std::map<std::uint32_t, std::uint32_t>& newcomers, FactLog::Urgency urgency,
                       const GroupBound& bound) {
  auto all = bound;
  for (const auto& [number, count] : newcomers) {
    // A death each, and perhaps the end of an older dead letter.
    const auto drops = drops_for(parties_.mailbox(number), count);
    all += {.facts = 2 * drops, .body_bytes = drops * (sizeof(DeadFact) + sizeof(MessageRef))};
  }
  if (!log_.has_room(urgency, all)) return false;
  for (const auto& [number, count] : newcomers) parties_.mailbox(number).promised = count;
  for (const auto& [number, count] : newcomers) {
    auto& mailbox = parties_.mailbox(number);
    for (auto left = drops_for(mailbox, count); left > 0; --left) drop_oldest(mailbox, all);
  }
  for (const auto& [number, count] : newcomers) parties_.mailbox(number).promised = 0;
  return true;
}

void Engine::drop_oldest(Mailbox& mailbox, const GroupBound& spared) {
  std::optional<QueuedMessage> oldest;
  for (unsigned i = 0; i < kLanes; ++i) {
    if (!(mailbox.lanes_in_use & 1u << i)) continue;
    const auto candidate = mailbox.lanes[i]->oldest();
    if (!oldest || candidate.entry.key < oldest->entry.key) oldest = candidate;
  }
  mailbox.take(oldest->sender, oldest->entry.priority - 1u, oldest->entry.key);
  --counters_.ready;
  bury(mailbox, *oldest, {.reason = DeadReason::overflow, .spared = spared});
}

}  // namespace folkmoot
