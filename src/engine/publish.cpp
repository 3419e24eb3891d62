// Publishing: deciding where a message goes, and the facts that make it durable.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.hpp"
#include "engine/engine.hpp"

namespace folkmoot {
namespace {

// "@<run>.<number>", both in hex: the address a REQUEST's response is sent to.
std::string reply_address(std::uint32_t run, std::uint64_t number) {
  char text[2 + 2 * sizeof run + 2 * sizeof number] = {'@'};
  auto* at = std::to_chars(text + 1, std::end(text), run, 16).ptr;
  *at++ = '.';
  return {text, std::to_chars(at, std::end(text), number, 16).ptr};
}

bool parse_reply_address(std::string_view text, std::uint32_t& run, std::uint64_t& number) {
  const auto* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + 1, end, run, 16);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return false;
  const auto second = std::from_chars(first.ptr + 1, end, number, 16);
  return second.ec == std::errc{} && second.ptr == end;
}

}  // namespace

MessageKey Engine::next_key() {
  last_key_ = std::max(last_key_ + 1, make_key(static_cast<std::uint64_t>(now_), 0));
  // Renewed at half time: durable, but for a moment after the clock jumped, before the first of the new ones is given out.
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
  if (message.forwarded || routing.from.empty() || (routing.from.front() != '@' && routing.from.front() != '$')) return {};
  return failure(ErrorCode::invalid_name, fmt::format("`from` is {}: names that begin with @ or $ are the server's", routing.from));
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
  const bool plain = message.version != 0 && with.reply_to.empty() && with.key.empty() && with.cause.is_nil() && with.hops == 0;
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
  auto done = accept(*session, message, {}, {.session = id, .request = request, .kind = Pending::Kind::accepted, .quiet = quiet});
  if (!done) refuse(id, request, std::move(done.error()));
}

// A message to one mailbox: decided and appended; its key, or 0 for a duplicate. On error nothing has changed.
Result<MessageKey> Engine::accept(Session& session, const IncomingMessage& message, std::string_view reply_to, Pending&& as) {
  auto prepared = prepare(session, message, nullptr);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  if (!make_room(*prepared, prepared->bound())) {
    return failure(ErrorCode::disk_full, fmt::format("the disk has no room for a durable message to {}", message.routing.to));
  }
  if (!prepared->several_facts()) return commit(*prepared, reply_to, std::move(as));
  const CommitGroup group(*this, prepared->bound());
  return commit(*prepared, reply_to, std::move(as));
}

Result<void> Engine::check_now(const IncomingMessage& message) const {
  const auto& routing = message.routing;
  if (routing.topic.empty()) return {};
  if (routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`mode` is {} for topic {}: topics deliver at most once; send to a mailbox for more",
                               name(*routing.mode), routing.topic));
  }
  if (routing.topic.starts_with("bus") && (routing.topic.size() == 3 || routing.topic[3] == '.')) {
    return failure(ErrorCode::not_permitted, fmt::format("topic {}: what begins with `bus` is the server's own", routing.topic));
  }
  return check_from(message);
}

// What needs no disk: an event, or a response to a waiting requester.
Result<Confirm> Engine::publish_now(Session& session, const IncomingMessage& message) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  if (auto good = check_content(message); !good) return std::unexpected(std::move(good.error()));
  const auto prepared = with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto* const lineage = prepared->lineage.get();
  if (!message.routing.topic.empty()) {
    std::string_view from = message.routing.from;
    if (lineage != nullptr) {
      const auto sender = sender_of(session, message);
      if (!sender) return std::unexpected(sender.error());
      if (auto pass = pass_guards(*sender, 0, message.routing, *lineage); !pass) return std::unexpected(std::move(pass.error()));
    }
    if (!message.forwarded && has_costs(message)) sum_conversation(message);
    if (from.empty()) from = session.party != 0 ? std::string_view(parties_[session.party].name) : "anonymous";
    return publish_event(session.id, from, *prepared->message, lineage);
  }
  const auto sender = sender_of(session, message);
  if (!sender) return std::unexpected(sender.error());
  auto done = respond(parties_[*sender].name, *prepared->message, lineage);
  if (done && !message.forwarded && has_costs(message)) sum_conversation(message);
  return done;
}

Confirm Engine::publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message, const Lineage* lineage) {
  ++counters_.events_published;
  const auto& match = topics_.match(message.routing.topic);
  const auto key = next_key();
  const auto id = make_uuid({.key = key, .mailbox = 0, .node = memory_node()});
  Confirm confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  if (match.empty()) return confirm;

  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  const MessageParts parts{stamped(message, stamp_of(id, from, {}, own_key, lineage)), message.content};
  const auto* const session = find_session(publisher);
  const bool may_hear_itself = session != nullptr && session->subscriptions != 0;
  const bool plain = match.plain && !may_hear_itself;
  const auto targets = plain ? std::span<const EventTarget>(match.targets) : choose_targets(match, publisher, parts, Whose::all);
  // One that refers to content is looked at each time, as the content may go; one that reports costs is added up.
  if (plain && session != nullptr && stamped_.version != 0 && message.routing.content_ref.empty() && !has_costs(message)) {
    event_ = {.version = stamped_.version, .session = publisher, .topics = topics_.version(), .targets = targets};
  }
  if (!targets.empty()) effects_.deliver_event(targets, parts);
  confirm.count = static_cast<std::uint32_t>(targets.size());
  counters_.events_delivered += confirm.count;
  return confirm;
}

// The publisher's last event once more, with another content: all that was checked and looked up still holds. False if it must go the
// long way.
bool Engine::repeat_event(std::uint32_t request, bool quiet, const IncomingMessage& message) {
  if (stamped_.version != message.version) return false;
  const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = memory_node()});
  if (!restamp(scratch_.data(), id, now_)) return false;
  const auto count = static_cast<std::uint32_t>(event_.targets.size());
  ++counters_.events_published;
  counters_.events_delivered += count;
  effects_.deliver_event(event_.targets, {{scratch_.data(), stamped_.bytes}, message.content});
  if (!quiet) [[unlikely]] {
    effects_.confirm(event_.session, request, {.id = id, .count = count, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0});
  }
  return true;
}

// Those of the subscriptions that get this event: not its publisher's own, those whose filter holds, those with credit left.
std::span<const EventTarget> Engine::choose_targets(const TopicIndex::Match& match, SessionId publisher, const MessageParts& message,
                                                    Whose whose) {
  targets_.clear();
  std::optional<FilterInput> input;  // made for the first filter that asks
  for (auto* const subscription : match.subscriptions) {
    if (subscription->session == publisher && !subscription->echo) continue;
    if (subscription->of_shard && whose == Whose::own) continue;
    if (subscription->filter) {
      // Of one that comes from another shard nobody has looked yet where the envelope ends.
      if (!input) whose == Whose::own ? input.emplace(message.head) : input.emplace(message.head, message.rest);
      if (!subscription->filter->matches(*input)) continue;
    }
    if (subscription->limited) {
      if (subscription->credit == 0) {
        ++subscription->skipped;
        ++counters_.events_dropped;
        continue;
      }
      --subscription->credit;
    }
    targets_.push_back({subscription->session, subscription->request});
  }
  return targets_;
}

void Engine::forward_event(std::string_view topic, const MessageParts& event) {
  const auto& match = topics_.match(topic);
  if (match.empty()) return;
  const auto targets = match.plain && !match.leaves ? std::span<const EventTarget>(match.targets)
                                                    : choose_targets(match, 0, event, Whose::own);
  if (!targets.empty()) effects_.deliver_event(targets, event);
  counters_.events_delivered += targets.size();
}

// An event of the server's own: what happened, as JSON.
void Engine::announce(std::string_view topic, std::string_view json) {
  if (topics_.match(topic).empty()) return;
  Message event;
  event.topic = topic;
  event.type = "event";
  event.content_type = "application/json";
  std::string envelope;
  const auto encoded = encode_envelope(event, envelope);
  FOLKMOOT_ASSERT(encoded.has_value());
  IncomingMessage message{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(json)};
  const auto read = read_routing(message.envelope, message.routing);
  FOLKMOOT_ASSERT(read.has_value());
  publish_event(0, kServerName, message, nullptr);
}

Result<Confirm> Engine::respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage, bool is_owed) {
  std::uint32_t run = 0;
  std::uint64_t number = 0;
  const bool is_address = parse_reply_address(message.routing.to, run, number);
  const auto shard = static_cast<std::uint32_t>(number >> kShardShift);
  if (is_address && shard != options_.shard && shard < options_.shards) {
    const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = memory_node()});
    const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
    if (!effects_.answer_elsewhere(shard, {stamped(message, stamp_of(id, from, {}, own_key, lineage)), message.content}, is_owed)) {
      return failure(ErrorCode::busy, "the shard that waits for this answer is too far behind: try again");
    }
    return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  }
  const auto known = is_address && run == run_ ? request_slots_.find(number) : request_slots_.end();
  if (known == request_slots_.end()) {
    return failure(ErrorCode::no_such_request, fmt::format("nobody waits at {}", message.routing.to));
  }
  const auto slot = known->second;
  const auto waiting = requests_[slot];
  const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = memory_node()});
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  const bool more_to_come = message.routing.type == kTypeStatus;
  // Who asked for the answer alone is not told how it comes about.
  if (more_to_come && !waiting.stream) return Confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  if (!more_to_come) end_request(slot);
  effects_.deliver(waiting.session,
                   {.request = waiting.request,
                    .delivery = 1,
                    .lease = 0,
                    .redelivered = false,
                    .of_mailbox = false,
                    .message = {stamped(message, stamp_of(id, from, {}, own_key, lineage)), message.content}});
  ++counters_.responses;
  return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
}

// Looks up and checks all there is to know of a message to a mailbox; changes nothing but the table of names.
Result<Prepared> Engine::prepare(Session& session, const IncomingMessage& message, const Lineage* caused, GuardTally* together) {
  const auto& routing = message.routing;
  Prepared prepared{.message = &message};
  const auto sender = sender_of(session, message);
  if (!sender) return std::unexpected(sender.error());
  prepared.sender = *sender;
  // The sender's name is in a fact of its own and in the envelope.
  prepared.bytes = kFixedBytesMax + message.envelope.size() + message.content.size() + 2 * parties_[prepared.sender].name.size() +
                   routing.to.size() + routing.conversation.size();
  prepared.keyed = !routing.key.empty() || !routing.id.is_nil();
  if (prepared.keyed) {
    forget_keys(0);
  } else if (routing.mode == DeliveryMode::exactly_once) {
    return failure(ErrorCode::invalid_field, "`mode` exactly_once needs a `key`, by which a second copy is known");
  }
  if (routing.to.empty()) {
    if (prepared.keyed) {  // a copy stays with the mailbox that was chosen for the first, wherever routes lead by now
      prepared.key = key_hash(0, prepared.sender, routing);
      if (const auto* const used = keys_.find(prepared.key)) {
        prepared.is_duplicate = true;
        prepared.first = used->message;
        prepared.mailbox = used->mailbox;
        return prepared;
      }
    }
    if (auto found = find_route(prepared); !found) return std::unexpected(std::move(found.error()));
  }
  const auto to = prepared.message->routing.to;
  // Only find_route() sends to a name of the server's.
  if (to.front() == '$' && prepared.doom != DeadReason::no_route) {
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name: those that begin with $ are the server's", to));
  }
  prepared.mailbox = memo_party(session.last_mailbox, to);
  if (prepared.mailbox == 0) {
    const auto number = is_name(to) ? party_number(to) : failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", to));
    if (!number) return std::unexpected(number.error());
    prepared.mailbox = *number;
  }
  if (prepared.keyed && !routing.to.empty()) prepared.key = key_hash(prepared.mailbox, prepared.sender, routing);
  if (caused != nullptr || !routing.cause.is_nil()) {
    auto lineage = caused != nullptr ? *caused : lineage_of(message);
    if (!lineage) return std::unexpected(std::move(lineage.error()));
    prepared.lineage = std::make_unique<Lineage>(std::move(*lineage));
    prepared.bytes += prepared.lineage->chain.size();
    check_guards(prepared, together);
    hand_on_trace(prepared);
  }
  prepared.has_costs = !message.forwarded && has_costs(*prepared.message);
  if (const auto* const used = prepared.keyed ? keys_.find(prepared.key) : nullptr) {
    prepared.is_duplicate = true;
    prepared.first = used->message;
    return prepared;  // it needs no room: it is there already
  }
  if (auto good = check_content(*prepared.message); !good) return std::unexpected(std::move(good.error()));
  if (!prepared.lives()) return prepared;  // it takes no room: it is nobody's
  if (auto room = check_room(parties_.mailbox(prepared.mailbox), 1); !room) return std::unexpected(std::move(room.error()));
  return prepared;
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
  auto first = prepared.first;
  if (prepared.keyed && first == 0) {  // one before it in this command may have the same key
    if (const auto* const used = keys_.find(prepared.key)) first = used->message;
  }
  if (first != 0) {
    ++counters_.duplicates;
    as.kind = Pending::Kind::duplicate;
    as.fact = {.key = first, .mailbox = prepared.mailbox};
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
  const AcceptedFact fact{.key = next_key(),
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
    as.dead_place = append_fact(FactKind::message_dead, {bytes_of(dead), as_bytes(*prepared.verdict)}, FactLog::Life::live);
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
  return failure(ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)", parties_[mailbox.number].name,
                                                      mailbox.load(), bound.max_messages));
}

// How many of the mailbox must be dropped for `more` to fit. Requires: check_room(mailbox, more).
std::uint64_t Engine::drops_for(const Mailbox& mailbox, std::uint64_t more) const {
  const auto& bound = limits(mailbox);
  if (mailbox.load() + more <= bound.max_messages) return 0;
  // As many as come, unless the limit was lowered; then some with each message, so that none of them has to pay for all.
  const auto most = std::max<std::uint64_t>(kOverflowDropsMax, more);
  return std::min<std::uint64_t>({mailbox.load() + more - bound.max_messages, most, mailbox.ready});
}

// In the log, for `bound`, and in the message's mailbox. False, and nothing has changed, if the log has none.
bool Engine::make_room(const Prepared& prepared, const GroupBound& bound) {
  const bool needs_some = !prepared.is_duplicate && prepared.lives();
  if (!needs_some || drops_for(parties_.mailbox(prepared.mailbox), 1) == 0) return log_.has_room(FactLog::Urgency::durable, bound);
  return make_room({{prepared.mailbox, 1}}, FactLog::Urgency::durable, bound);
}

// For all at once: room made for one after the other would be made only once, as none of them has come yet.
bool Engine::make_room(std::span<const Prepared> all, FactLog::Urgency urgency, const GroupBound& bound) {
  std::map<std::uint32_t, std::uint32_t> newcomers;
  for (const auto& each : all) {
    if (each.mailbox != 0 && !each.is_duplicate && each.lives()) ++newcomers[each.mailbox];
  }
  return make_room(newcomers, urgency, bound);
}

// Drops the oldest of each mailbox so that its newcomers fit, if the log has room for that and for them.
bool Engine::make_room(const std::map<std::uint32_t, std::uint32_t>& newcomers, FactLog::Urgency urgency, const GroupBound& bound) {
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

void Engine::request(SessionId id, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message, bool stream) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto& routing = message.routing;
  ++counters_.requests;
  if (!routing.topic.empty() || routing.to.empty() || routing.to.front() == '@') {
    return refuse(id, request, {ErrorCode::no_recipient, "a request goes to a mailbox: give `to`"});
  }
  if (session->open.size() >= options_.session_requests_max) {
    return refuse(id, request, {ErrorCode::limit_reached, fmt::format("{} requests of this connection wait already", session->open.size())});
  }
  const bool durable = routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
  if (timeout_ms == 0) {
    if (durable) return refuse(id, request, {ErrorCode::out_of_range, "a request of this mode needs a time-out above 0"});
    return request_transient(*session, request, 0, message);
  }
  const auto number = next_serial_++;
  const auto slot = requests_.insert(
      {.session = id, .request = request, .number = number, .deadline = now_ + timeout_ms, .stream = stream});
  if (!open_number(*session, request, {OpenKind::request, slot})) return requests_.erase(slot);
  request_slots_.emplace(number, slot);
  if (!durable) {
    request_transient(*session, request, timeout_ms, message);
  } else {
    auto done = accept(*session, message, reply_address(run_, number),
                       {.session = id, .request = request, .kind = Pending::Kind::accepted, .quiet = true, .is_request = true});
    if (!done || *done == 0) end_request(slot);
    if (!done) return refuse(id, request, std::move(done.error()));
    if (*done == 0) return;  // a duplicate, and told so: the response is the first one's
    requests_[slot].message = *done;
    requests_[slot].mailbox = parties_.find(routing.to);
  }
  if (request_slots_.contains(number)) {
    add_timer({.at = now_ + timeout_ms, .id = number, .box = 0, .kind = TimerKind::request});
  }
}

// What waits in memory alone keeps none of the promises that the log keeps.
Result<void> Engine::check_transient(const Routing& routing) {
  const auto asked = !routing.key.empty()      ? "key"
                     : !routing.group.empty()  ? "group"
                     : routing.deliver_at != 0 ? "deliver_at"
                     : !routing.retry.empty()  ? "retry"
                     : routing.bounce          ? "bounce"
                                               : "";
  if (*asked == '\0') return {};
  return failure(ErrorCode::invalid_field, fmt::format("`{}` is of no use to a request that waits in memory: give `mode` at_least_once, or exactly_once with a key", asked));
}

// A request that waits in memory. With a time-out of 0 it is answered by its hand-over, and refused if nobody can take it.
void Engine::request_transient(Session& session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message) {
  const auto found = session.open.find(request);
  const auto fail = [&](Error error) {
    if (timeout_ms != 0) end_request(found->second.slot);
    refuse(session.id, request, std::move(error));
  };
  if (auto good = check_transient(message.routing); !good) return fail(std::move(good.error()));
  const auto named = mailbox_named(message.routing.to);
  if (!named) return fail(named.error());
  auto& mailbox = **named;
  const auto sender = sender_of(session, message);
  if (!sender) return fail(sender.error());
  if (auto good = check_content(message); !good) return fail(std::move(good.error()));
  const auto takes_messages = [](const Waiter& waiter) { return waiter.max > 0; };
  if (timeout_ms == 0 && mailbox.consumers_ready.empty() && !mailbox.waiters.any_of(waiters_, takes_messages)) {
    return fail({ErrorCode::no_consumer, fmt::format("no consumer of {} is connected and free", message.routing.to)});
  }
  const auto& bound = limits(mailbox);
  if (mailbox.load() >= bound.max_messages) {
    return fail({ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)", message.routing.to, mailbox.load(),
                                                      bound.max_messages)});
  }
  const auto key = next_key();
  const auto id = make_uuid({.key = key, .mailbox = mailbox.number, .node = memory_node()});
  const auto address = timeout_ms != 0 ? reply_address(run_, requests_[found->second.slot].number) : std::string{};
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  const auto prepared = with_lineage(message);
  if (!prepared) return fail(prepared.error());
  const auto* const lineage = prepared->lineage.get();
  if (lineage != nullptr) {
    if (auto pass = pass_guards(*sender, mailbox.number, message.routing, *lineage); !pass) return fail(std::move(pass.error()));
  }
  const auto head = stamped(*prepared->message, stamp_of(id, parties_[*sender].name, address, own_key, lineage));
  if (!transient_.has_room(head.size() + message.content.size())) {
    return fail({ErrorCode::busy, "the requests that wait in memory have reached their limit"});
  }
  if (!message.forwarded && has_costs(message)) sum_conversation(message);
  const auto slot = transient_.put(head, message.content, timeout_ms != 0 ? found->second.slot : kNoSlot);
  const auto bytes = static_cast<std::uint32_t>(head.size() + message.content.size());
  if (timeout_ms != 0) {
    auto& asked = requests_[found->second.slot];
    asked.message = key;
    asked.mailbox = mailbox.number;
    asked.in_memory = true;
  }
  const auto wait = timeout_ms != 0 ? timeout_ms : 5'000;
  const auto ttl = message.routing.ttl_ms != 0 ? std::min(message.routing.ttl_ms, wait) : wait;
  std::uint16_t flags = Entry::kTransient | Entry::kOnce | Entry::kExpires;
  if (!message.routing.content_ref.empty()) {
    flags |= Entry::kRefers;
    contents_.refer(key, read_content_ref(message.envelope, message.routing));
  }
  expiries_[key] = {now_ + ttl, *sender};
  add_timer({.at = now_ + ttl, .id = key, .box = mailbox.number, .kind = TimerKind::expiry});
  enter_ready(mailbox, {Entry(key, {slot, bytes}, message.routing.priority, flags), *sender}, {});
  if (timeout_ms == 0) effects_.done(session.id, request, {});
}

}  // namespace folkmoot
