#include "engine/topics/topics.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/checks.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

Result<std::optional<Filter>> condition_of(std::string_view filter) {
  if (filter.empty()) return std::nullopt;
  auto compiled = Filter::compile(filter);
  if (!compiled) return std::unexpected(std::move(compiled.error()));
  return std::optional(std::move(*compiled));
}

}  // namespace

void Topics::subscribe(Session& session, RequestNumber request, std::string_view pattern, std::uint32_t credit,
                       bool echo, std::string_view filter) {
  const Asker caller{session.id, request};
  if (!is_pattern(pattern)) {
    return to_.replies.refuse(caller,
                              {ErrorCode::invalid_topic, fmt::format("`{}` is not a topic or pattern", pattern)});
  }
  const bool has_enough = session.open.size() >= options_.session_subscriptions_max && !session.of_shard;
  if (index_.size() >= options_.subscriptions_max || has_enough) {
    return to_.replies.refuse(caller,
                              {ErrorCode::limit_reached, "no more subscriptions: a limit of the server or connection"});
  }
  auto condition = condition_of(filter);
  if (!condition) return to_.replies.refuse(caller, condition.error());
  auto subscription = std::make_unique<TopicSubscription>();
  *subscription = {.session = session.id,
                   .request = request,
                   .credit = credit,
                   .skipped = 0,
                   .limited = credit != 0,
                   .echo = echo,
                   .of_shard = session.of_shard,
                   .pattern = std::string(pattern),
                   .filter = std::move(*condition)};
  auto* const kept = subscription.get();
  const auto slot = subscriptions_.insert(std::move(subscription));
  if (!Sessions::open(session, request, {OpenKind::subscription, slot})) {
    subscriptions_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  ++session.subscriptions;
  of_shards_ += session.of_shard;
  index_.add(kept);
  to_.replies.answer(caller);
}

void Topics::set_filter(Session& session, RequestNumber request, RequestNumber target, std::string_view filter) {
  const Asker caller{session.id, request};
  const auto found = session.open.find(target);
  if (found == session.open.end() || found->second.kind != OpenKind::subscription) {
    return to_.replies.refuse(
        caller, {ErrorCode::not_found, fmt::format("request number {} is none of a subscription", target.value)});
  }
  auto condition = condition_of(filter);
  if (!condition) return to_.replies.refuse(caller, condition.error());
  index_.set_filter(subscriptions_[found->second.slot].get(), std::move(*condition));
  to_.replies.answer(caller);
}

void Topics::credit(Session& session, RequestNumber request, Slot slot, std::uint32_t amount) {
  auto& subscription = *subscriptions_[slot];
  if (!subscription.limited) return;
  subscription.credit = std::min<std::uint64_t>(std::uint64_t{subscription.credit} + amount, ~0u);
  if (subscription.skipped != 0) to_.effects.lagged(session.id, request, std::exchange(subscription.skipped, 0));
}

void Topics::close(Session& session, Slot slot) {
  --session.subscriptions;
  of_shards_ -= session.of_shard;
  index_.remove(subscriptions_[slot].get());
  subscriptions_.erase(slot);
}

Result<Prepared> Topics::prepare(Session& session, const IncomingMessage& message) {
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  auto prepared = to_.causality.with_lineage(message);
  if (!prepared) return prepared;
  if (const auto* const lineage = prepared->lineage.get(); lineage != nullptr) {
    const auto sender = sender_of(to_.names, session, message);
    if (!sender) return std::unexpected(sender.error());
    if (auto pass = to_.causality.pass_guards(*sender, 0, message.routing, *lineage); !pass)
      return std::unexpected(std::move(pass.error()));
  }
  return prepared;
}

std::string_view Topics::publisher_of(const Session& session, const IncomingMessage& message) const {
  if (!message.routing.from.empty()) return message.routing.from;
  return session.name_id != 0 ? std::string_view(to_.names[session.name_id]) : "anonymous";
}

Result<Confirm> Topics::publish(Session& session, const IncomingMessage& message) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  const auto prepared = prepare(session, message);
  if (!prepared) return std::unexpected(prepared.error());
  if (!message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  return publish_event(session.id, publisher_of(session, message), *prepared->message, prepared->lineage.get());
}

Confirm Topics::publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                              const Lineage* lineage, bool may_be_kept) {
  ++to_.counters.events_published;
  const auto& match = index_.match(message.routing.topic);
  const auto id = next_id();
  const bool is_traced = to_.tracing.is_traced(message);
  if (is_traced) [[unlikely]]
    trace(message, id, from);
  Confirm confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  const bool kept = is_kept(match, message.routing.topic) && may_be_kept;
  // The server's own may be said in the midst of another decision.
  const bool is_later = kept && (publisher == 0 || to_.ledger.in_group());
  if (match.empty() && !kept) return confirm;

  MessageParts parts{to_.stamper.stamp(message, id, from, {}, Stamper::key_of(message.routing), lineage),
                     message.content};
  if (kept && !is_later) [[unlikely]]
    parts.head = own_copy(parts.head);
  const auto* const session = to_.sessions.find(publisher);
  const bool may_hear_itself = session != nullptr && session->subscriptions != 0;
  const bool plain = match.plain && !may_hear_itself;
  const auto targets =
      plain ? std::span<const EventTarget>(match.targets) : choose(match, publisher, parts, Whose::all);
  // Whoever sent the last one, its envelope is stamped over: of two senders with one envelope neither is the other.
  last_ = {};
  // One that refers to content is looked at each time, as the content may go; one that reports costs is added up.
  if (plain && !kept && !is_traced && session != nullptr && to_.stamper.version() != 0 &&
      message.routing.content_ref.empty() && !Causality::has_costs(message)) {
    last_ = {.version = to_.stamper.version(), .session = publisher, .topics = index_.version(), .targets = targets};
  }
  if (!targets.empty()) to_.effects.deliver_event(targets, parts);
  confirm.count = static_cast<std::uint32_t>(targets.size());
  to_.counters.events_delivered += confirm.count;
  if (kept) [[unlikely]] {
    const KeptEvent event{
        .message = message, .from = from, .lineage = lineage, .id = id, .at = to_.run.now(), .stamped = parts};
    is_later ? keep_later(event) : keep_if_possible(event);
  }
  return confirm;
}

void Topics::trace(const IncomingMessage& event, const Uuid& id, std::string_view from) {
  to_.tracing.published(
      {.id = id, .destination = event.routing.topic, .message = event.envelope, .beyond = event.content.size()}, from,
      to_.run.now());
}

// -- events that are kept

bool Topics::is_kept(const TopicIndex::Match& match, std::string_view topic) {
  if (!match.is_kept) match.is_kept = std::ranges::any_of(keepers_, [&](auto* keeper) { return keeper->keeps(topic); });
  return *match.is_kept;
}

Bytes Topics::own_copy(Bytes head) {
  kept_head_ = as_text(head);
  return as_bytes(kept_head_);
}

Result<void> Topics::publish_kept(Session& session, const IncomingMessage& message, const ConfirmTo& to) {
  if (auto good = check_kept(message); !good) return good;
  const auto topic = message.routing.topic;
  const auto& match = index_.match(topic);
  if (!is_kept(match, topic)) {
    return failure(ErrorCode::not_kept, fmt::format("no stream or durable subscription takes topic {}", topic));
  }
  const auto prepared = prepare(session, message);
  if (!prepared) return std::unexpected(prepared.error());
  const std::string from(publisher_of(session, message));
  const auto* const lineage = prepared->lineage.get();
  const auto& event = *prepared->message;
  const auto id = next_id();
  const MessageParts parts{own_copy(to_.stamper.stamp(event, id, from, {}, Stamper::key_of(event.routing), lineage)),
                           event.content};
  const bool is_heard = !match.empty();
  if (is_heard && !to_.transient.has_room(parts.bytes()))
    return failure(ErrorCode::busy, "too many events wait for the disk");
  std::uint32_t copies = 0;
  const auto durable = keep(keepers_,
                            {.message = event,
                             .from = from,
                             .lineage = lineage,
                             .id = id,
                             .at = to_.run.now(),
                             .must = true,
                             .stamped = parts},
                            copies);
  if (!durable) return std::unexpected(durable.error());
  ++to_.counters.events_published;
  if (to_.tracing.is_traced(event)) [[unlikely]]
    trace(event, id, from);
  if (!message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  const waiting::Kept kept{.id = id,
                           .publisher = session.id,
                           .stored = is_heard ? to_.transient.put(parts.head, parts.rest) : kNoSlot,
                           .copies = copies,
                           .to = to};
  to_.ledger.when_or_now(*durable, kept);
  return {};
}

void Topics::on_durable(const waiting::Kept& item) {
  if (item.stored != kNoSlot) {
    const std::string bytes(as_text(to_.transient.get(item.stored)));
    to_.transient.drop(item.stored);
    Routing routing;
    const auto read = read_routing(as_bytes(bytes), routing);
    FOLKMOOT_ASSERT(read.has_value());
    const MessageParts parts{as_bytes(bytes).first(routing.bytes), as_bytes(bytes).subspan(routing.bytes)};
    const auto targets = choose(index_.match(routing.topic), item.publisher, parts, Whose::all);
    if (!targets.empty()) to_.effects.deliver_event(targets, parts);
    to_.counters.events_delivered += targets.size();
  }
  to_.replies.confirm(item.to,
                      {.id = item.id, .count = item.copies, .outcome = PublishOutcome::kept, .zero = {}, .age_ms = 0});
}

Result<Durable> Topics::keep(std::span<EventKeeper* const> keepers, const KeptEvent& event, std::uint32_t& copies) {
  std::vector<EventKeeper*> takers;
  Draft draft;
  for (auto* const keeper : keepers) {
    if (!keeper->keeps(event.topic())) continue;
    auto more = keeper->measure(event);
    if (!more) return std::unexpected(std::move(more.error()));
    draft.add(*more);
    takers.push_back(keeper);
  }
  Durable durable;
  if (takers.empty()) return durable;
  const auto most = to_.ledger.group_bytes_max();
  if (draft.bytes() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("all copies of an event may have {} bytes; these have {}", most, draft.bytes()));
  }
  const bool has_room = to_.ledger.has_room(Urgency::durable, draft) &&
                        std::ranges::all_of(takers, [&](auto* keeper) { return keeper->make_room(draft); });
  if (!has_room) {
    return failure(ErrorCode::disk_full,
                   fmt::format("the disk has no room to keep an event of topic {}", event.topic()));
  }
  std::optional<Post::Group> group;
  if (draft.facts() > 0) group.emplace(to_.post, to_.ledger, draft);
  for (auto* const keeper : takers) durable.add(keeper->keep(event, copies));
  return durable;
}

void Topics::keep_if_possible(const KeptEvent& event) {
  std::uint32_t copies = 0;
  for (auto* const keeper : keepers_) {
    if (!keep({&keeper, 1}, event, copies)) keeper->missed(event);
  }
}

void Topics::keep_later(const KeptEvent& event) {
  if (later_.size() >= kLaterMax) {
    for (auto* const keeper : keepers_) {
      if (keeper->keeps(event.topic())) keeper->missed(event);
    }
    return;
  }
  std::string bytes(as_text(event.message.envelope));
  bytes.append(as_text(event.message.content));
  later_.push_back({.from = std::string(event.from),
                    .provenance = std::string(event.message.provenance),
                    .bytes = std::move(bytes),
                    .head = std::string(as_text(event.stamped.head)),
                    .id = event.id,
                    .at = event.at});
  if (later_.size() == 1) to_.agenda.add({.at = to_.run.now(), .id = 0, .place = 0, .kind = TimerKind::event});
}

void Topics::due(const Timer&) {
  for (const auto& each : std::exchange(later_, {})) {
    IncomingMessage message;
    const auto read = read_routing(as_bytes(each.bytes), message.routing);
    FOLKMOOT_ASSERT(read.has_value());
    message.envelope = as_bytes(each.bytes).first(message.routing.bytes);
    message.content = as_bytes(each.bytes).subspan(message.routing.bytes);
    message.provenance = each.provenance;
    const auto& routing = message.routing;
    const Lineage lineage{.cause = routing.cause, .hops = routing.hops, .chain = std::string(as_text(routing.chain))};
    keep_if_possible({.message = message,
                      .from = each.from,
                      .lineage = routing.cause.is_nil() ? nullptr : &lineage,
                      .id = each.id,
                      .at = each.at,
                      .stamped = {as_bytes(each.head), message.content}});
  }
}

// The publisher's last event once more, with another content: all that was checked and looked up still holds. False if
// it must go the long way.
bool Topics::repeat(RequestNumber request, bool quiet, const IncomingMessage& message) {
  if (to_.stamper.version() != message.version) return false;
  const auto id = next_id();
  if (!to_.stamper.stamp_again(id)) return false;
  const auto count = static_cast<std::uint32_t>(last_.targets.size());
  ++to_.counters.events_published;
  to_.counters.events_delivered += count;
  to_.effects.deliver_event(last_.targets, {to_.stamper.last(), message.content});
  if (!quiet) [[unlikely]] {
    to_.effects.confirm(last_.session, request,
                        {.id = id, .count = count, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0});
  }
  return true;
}

// Those of the subscriptions that get this event: not its publisher's own, those whose filter holds, those with credit
// left.
std::span<const EventTarget> Topics::choose(const TopicIndex::Match& match, SessionId publisher,
                                            const MessageParts& message, Whose whose) {
  targets_.clear();
  // Of one that comes from another shard nobody has looked yet where the envelope ends.
  if (!match.filtered.empty())
    whose == Whose::own ? input_.reset(message.head) : input_.reset(message.head, message.rest);
  for (auto* const subscription : index_.choose(match, input_)) {
    if (subscription->session == publisher && !subscription->echo) continue;
    if (subscription->of_shard && whose == Whose::own) continue;
    if (subscription->limited) {
      if (subscription->credit == 0) {
        ++subscription->skipped;
        ++to_.counters.events_dropped;
        continue;
      }
      --subscription->credit;
    }
    targets_.push_back({subscription->session, subscription->request});
  }
  return targets_;
}

void Topics::forward(std::string_view topic, const MessageParts& event) {
  const auto& match = index_.match(topic);
  if (match.empty()) return;
  const auto targets =
      match.plain && !match.leaves ? std::span<const EventTarget>(match.targets) : choose(match, 0, event, Whose::own);
  if (!targets.empty()) to_.effects.deliver_event(targets, event);
  to_.counters.events_delivered += targets.size();
}

// An event of the server's own: what happened, as JSON.
void Topics::announce(std::string_view topic, std::string_view json, bool may_be_kept) {
  if (!is_heard(topic)) return;
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
  publish_event(0, kServerName, message, nullptr, may_be_kept);
}

}  // namespace folkmoot
