#include "engine/topics/topics.hpp"

#include <fmt/format.h>

#include "engine/checks.hpp"
#include "message/topic.hpp"

namespace folkmoot {

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
  std::optional<Filter> condition;
  if (!filter.empty()) {
    auto compiled = Filter::compile(filter);
    if (!compiled) return to_.replies.refuse(caller, compiled.error());
    condition = std::move(*compiled);
  }
  auto subscription = std::make_unique<TopicSubscription>();
  *subscription = {.session = session.id,
                   .request = request,
                   .credit = credit,
                   .skipped = 0,
                   .limited = credit != 0,
                   .echo = echo,
                   .of_shard = session.of_shard,
                   .pattern = std::string(pattern),
                   .filter = std::move(condition)};
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

Result<Confirm> Topics::publish(Session& session, const IncomingMessage& message) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  const auto prepared = to_.causality.with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto* const lineage = prepared->lineage.get();
  if (lineage != nullptr) {
    const auto sender = sender_of(to_.names, session, message);
    if (!sender) return std::unexpected(sender.error());
    if (auto pass = to_.causality.pass_guards(*sender, 0, message.routing, *lineage); !pass)
      return std::unexpected(std::move(pass.error()));
  }
  if (!message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  std::string_view from = message.routing.from;
  if (from.empty()) from = session.name_id != 0 ? std::string_view(to_.names[session.name_id]) : "anonymous";
  return publish_event(session.id, from, *prepared->message, lineage);
}

Confirm Topics::publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                              const Lineage* lineage) {
  ++to_.counters.events_published;
  const auto& match = index_.match(message.routing.topic);
  const auto key = to_.run.next_key();
  const auto id = make_uuid({.key = key, .mailbox = 0, .node = to_.run.memory_node()});
  Confirm confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  if (match.empty()) return confirm;

  const MessageParts parts{to_.stamper.stamp(message, id, from, {}, Stamper::key_of(message.routing), lineage),
                           message.content};
  const auto* const session = to_.sessions.find(publisher);
  const bool may_hear_itself = session != nullptr && session->subscriptions != 0;
  const bool plain = match.plain && !may_hear_itself;
  const auto targets =
      plain ? std::span<const EventTarget>(match.targets) : choose(match, publisher, parts, Whose::all);
  // One that refers to content is looked at each time, as the content may go; one that reports costs is added up.
  if (plain && session != nullptr && to_.stamper.version() != 0 && message.routing.content_ref.empty() &&
      !Causality::has_costs(message)) {
    last_ = {.version = to_.stamper.version(), .session = publisher, .topics = index_.version(), .targets = targets};
  }
  if (!targets.empty()) to_.effects.deliver_event(targets, parts);
  confirm.count = static_cast<std::uint32_t>(targets.size());
  to_.counters.events_delivered += confirm.count;
  return confirm;
}

// The publisher's last event once more, with another content: all that was checked and looked up still holds. False if
// it must go the long way.
bool Topics::repeat(RequestNumber request, bool quiet, const IncomingMessage& message) {
  if (to_.stamper.version() != message.version) return false;
  const auto id = make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()});
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
void Topics::announce(std::string_view topic, std::string_view json) {
  if (index_.match(topic).empty()) return;
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

}  // namespace folkmoot
