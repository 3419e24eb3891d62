// Events: what topics deliver to those who listen at that moment, and what else needs no disk.
#include <fmt/format.h>

#include "engine/engine.hpp"

namespace folkmoot {

Result<void> Engine::check_now(const IncomingMessage& message) const {
  const auto& routing = message.routing;
  if (routing.topic.empty()) return {};
  if (routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`mode` is {} for topic {}: topics deliver at most once; send to a mailbox for more",
                               name(*routing.mode), routing.topic));
  }
  if (routing.topic.starts_with("bus") && (routing.topic.size() == 3 || routing.topic[3] == '.')) {
    return failure(ErrorCode::not_permitted,
                   fmt::format("topic {}: what begins with `bus` is the server's own", routing.topic));
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
      if (auto pass = pass_guards(*sender, 0, message.routing, *lineage); !pass)
        return std::unexpected(std::move(pass.error()));
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

Confirm Engine::publish_event(SessionId publisher, std::string_view from, const IncomingMessage& message,
                              const Lineage* lineage) {
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
  const auto targets =
      plain ? std::span<const EventTarget>(match.targets) : choose_targets(match, publisher, parts, Whose::all);
  // One that refers to content is looked at each time, as the content may go; one that reports costs is added up.
  if (plain && session != nullptr && stamped_.version != 0 && message.routing.content_ref.empty() &&
      !has_costs(message)) {
    event_ = {.version = stamped_.version, .session = publisher, .topics = topics_.version(), .targets = targets};
  }
  if (!targets.empty()) effects_.deliver_event(targets, parts);
  confirm.count = static_cast<std::uint32_t>(targets.size());
  counters_.events_delivered += confirm.count;
  return confirm;
}

// The publisher's last event once more, with another content: all that was checked and looked up still holds. False if
// it must go the long way.
bool Engine::repeat_event(std::uint32_t request, bool quiet, const IncomingMessage& message) {
  if (stamped_.version != message.version) return false;
  const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = memory_node()});
  if (!restamp(scratch_.data(), id, now_)) return false;
  const auto count = static_cast<std::uint32_t>(event_.targets.size());
  ++counters_.events_published;
  counters_.events_delivered += count;
  effects_.deliver_event(event_.targets, {{scratch_.data(), stamped_.bytes}, message.content});
  if (!quiet) [[unlikely]] {
    effects_.confirm(event_.session, request,
                     {.id = id, .count = count, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0});
  }
  return true;
}

// Those of the subscriptions that get this event: not its publisher's own, those whose filter holds, those with credit
// left.
std::span<const EventTarget> Engine::choose_targets(const TopicIndex::Match& match, SessionId publisher,
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

}  // namespace folkmoot
