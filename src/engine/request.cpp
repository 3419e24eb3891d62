// Requests and their responses: the address a response is sent to, the wait for it, and requests that wait in memory
// alone.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

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

// What waits in memory alone keeps none of the promises that the log keeps.
Result<void> check_transient(const Routing& routing) {
  const std::string_view asked = !routing.key.empty()      ? "key"
                                 : !routing.group.empty()  ? "group"
                                 : routing.deliver_at != 0 ? "deliver_at"
                                 : !routing.retry.empty()  ? "retry"
                                 : routing.bounce          ? "bounce"
                                                           : "";
  if (asked.empty()) return {};
  return failure(ErrorCode::invalid_field,
                 fmt::format("`{}` is of no use to a request that waits in memory: give `mode` at_least_once, "
                             "or exactly_once with a key",
                             asked));
}

}  // namespace

void Engine::request(SessionId id, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message,
                     bool stream) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto& routing = message.routing;
  ++counters_.requests;
  if (!routing.topic.empty() || routing.to.empty() || routing.to.front() == '@') {
    return refuse(id, request, {ErrorCode::no_recipient, "a request goes to a mailbox: give `to`"});
  }
  if (session->open.size() >= options_.session_requests_max) {
    return refuse(
        id, request,
        {ErrorCode::limit_reached, fmt::format("{} requests of this connection wait already", session->open.size())});
  }
  const bool durable = routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
  if (timeout_ms == 0) {
    if (durable)
      return refuse(id, request, {ErrorCode::out_of_range, "a request of this mode needs a time-out above 0"});
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
    auto done =
        accept(*session, message, reply_address(run_, number),
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

// A request that waits in memory. With a time-out of 0 it is answered by its hand-over, and refused if nobody can take
// it.
void Engine::request_transient(Session& session, std::uint32_t request, std::int64_t timeout_ms,
                               const IncomingMessage& message) {
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
    return fail({ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)", message.routing.to,
                                                      mailbox.load(), bound.max_messages)});
  }
  const auto key = next_key();
  const auto id = make_uuid({.key = key, .mailbox = mailbox.number, .node = memory_node()});
  const auto address = timeout_ms != 0 ? reply_address(run_, requests_[found->second.slot].number) : std::string{};
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  const auto prepared = with_lineage(message);
  if (!prepared) return fail(prepared.error());
  const auto* const lineage = prepared->lineage.get();
  if (lineage != nullptr) {
    if (auto pass = pass_guards(*sender, mailbox.number, message.routing, *lineage); !pass)
      return fail(std::move(pass.error()));
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

Result<Confirm> Engine::respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                                bool is_owed) {
  std::uint32_t run = 0;
  std::uint64_t number = 0;
  const bool is_address = parse_reply_address(message.routing.to, run, number);
  const auto shard = static_cast<std::uint32_t>(number >> kShardShift);
  if (is_address && shard != options_.shard && shard < options_.shards) {
    const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = memory_node()});
    const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
    if (!effects_.answer_elsewhere(shard, {stamped(message, stamp_of(id, from, {}, own_key, lineage)), message.content},
                                   is_owed)) {
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
  if (more_to_come && !waiting.stream)
    return Confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
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

}  // namespace folkmoot
