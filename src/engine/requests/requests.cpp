#include "engine/requests/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/checks.hpp"
#include "engine/lifetime.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kHandOverMs = 5'000;  // how long one without a time-out may wait for its hand-over

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

Result<void> check_transient(const Routing& routing) {
  const auto kept = promise_of_the_log(routing);
  if (kept.empty()) return {};
  return failure(ErrorCode::invalid_field,
                 fmt::format("`{}` is of no use to a request that waits in memory: give `mode` at_least_once, "
                             "or exactly_once with a key",
                             kept));
}

}  // namespace

void Requests::ask(Session& session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message,
                   bool stream) {
  const Asker caller{session.id, request};
  const auto& routing = message.routing;
  ++to_.counters.requests;
  if (!routing.topic.empty() || routing.to.empty() || routing.to.front() == '@') {
    return to_.replies.refuse(caller, {ErrorCode::no_recipient, "a request goes to a mailbox: give `to`"});
  }
  if (session.open.size() >= options_.session_requests_max) {
    return to_.replies.refuse(
        caller,
        {ErrorCode::limit_reached, fmt::format("{} requests of this connection wait already", session.open.size())});
  }
  const bool durable = routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
  if (timeout_ms == 0) {
    if (durable) {
      return to_.replies.refuse(caller, {ErrorCode::out_of_range, "a request of this mode needs a time-out above 0"});
    }
    if (auto done = ask_in_memory(session, kNoSlot, 0, message); !done) {
      return to_.replies.refuse(caller, done.error());
    }
    return to_.replies.answer(caller);
  }
  const auto number = to_.serials.next();
  const auto slot = requests_.insert({.session = session.id, .request = request, .number = number, .stream = stream});
  if (!Sessions::open(session, request, {OpenKind::request, slot})) {
    requests_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  slots_.emplace(number, slot);
  if (!durable) {
    if (auto done = ask_in_memory(session, slot, timeout_ms, message); !done) {
      end(slot);
      return to_.replies.refuse(caller, done.error());
    }
  } else {
    const auto done = to_.post.accept(session, message, reply_address(to_.run.number(), number),
                                      {.caller = caller, .quiet = true, .is_request = true});
    if (!done || *done == 0) end(slot);
    if (!done) return to_.replies.refuse(caller, done.error());
    if (*done == 0) return;  // a duplicate, and told so: the response is the first one's
    requests_[slot].message = *done;
    requests_[slot].mailbox = to_.names.find(routing.to);
  }
  if (slots_.contains(number)) {
    to_.agenda.add({.at = to_.run.now() + timeout_ms, .id = number, .box = 0, .kind = TimerKind::request});
  }
}

Result<void> Requests::ask_in_memory(Session& session, std::uint32_t slot, std::int64_t timeout_ms,
                                     const IncomingMessage& message) {
  const auto& routing = message.routing;
  if (auto good = check_transient(routing); !good) return good;
  const auto mailbox = to_.inbox.mailbox_named(routing.to);
  if (!mailbox) return std::unexpected(mailbox.error());
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return std::unexpected(sender.error());
  if (auto good = to_.references.check(message); !good) return good;
  const auto now = to_.run.now();
  if (auto good = check_lifetime(message, now); !good) return good;
  if (slot == kNoSlot && !to_.inbox.is_waited_at(*mailbox)) {
    return failure(ErrorCode::no_consumer, fmt::format("no consumer of {} is connected and free", routing.to));
  }
  if (auto good = to_.inbox.check_space(*mailbox); !good) return good;
  const auto key = to_.run.next_key();
  const auto id = make_uuid({.key = key, .mailbox = *mailbox, .node = to_.run.memory_node()});
  const auto address = slot != kNoSlot ? reply_address(to_.run.number(), requests_[slot].number) : std::string{};
  const auto prepared = to_.causality.with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto* const lineage = prepared->lineage.get();
  if (lineage != nullptr) {
    if (auto pass = to_.causality.pass_guards(*sender, *mailbox, routing, *lineage); !pass) return pass;
  }
  const auto head =
      to_.stamper.stamp(*prepared->message, id, to_.names[*sender], address, Stamper::key_of(routing), lineage);
  const auto bytes = head.size() + message.content.size();
  if (!to_.transient.has_room(bytes)) {
    return failure(ErrorCode::busy, "the requests that wait in memory have reached their limit");
  }
  if (!message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  const auto stored = to_.transient.put(head, message.content, slot);
  if (slot != kNoSlot) {
    auto& asked = requests_[slot];
    asked.message = key;
    asked.mailbox = *mailbox;
    asked.in_memory = true;
  }
  const auto wait = timeout_ms != 0 ? timeout_ms : kHandOverMs;
  // The life that a mailbox gives to what it keeps is not for this.
  const auto own_end = lifetime_of(message, 0, now).expires_at;
  const bool refers = !routing.content_ref.empty();
  if (refers) to_.references.refer(key, read_content_ref(message.envelope, routing));
  to_.inbox.enter({.key = key,
                   .mailbox = *mailbox,
                   .sender = *sender,
                   .stored = stored,
                   .bytes = static_cast<std::uint32_t>(bytes),
                   .priority = routing.priority,
                   .expires_at = own_end != 0 ? std::min(own_end, now + wait) : now + wait,
                   .refers = refers});
  return {};
}

Result<Confirm> Requests::publish(Session& session, const IncomingMessage& message) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  const auto prepared = to_.causality.with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return std::unexpected(sender.error());
  auto done = respond(to_.names[*sender], *prepared->message, prepared->lineage.get(), false);
  if (done && !message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  return done;
}

Result<Confirm> Requests::respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                                  bool is_owed) {
  std::uint32_t run = 0;
  std::uint64_t number = 0;
  const bool is_address = parse_reply_address(message.routing.to, run, number);
  const auto shard = static_cast<std::uint32_t>(number >> kShardShift);
  if (is_address && shard != options_.shard && shard < options_.shards) {
    return respond_elsewhere(shard, from, message, lineage, is_owed);
  }
  const auto known = is_address && run == to_.run.number() ? slots_.find(number) : slots_.end();
  if (known == slots_.end()) {
    return failure(ErrorCode::no_such_request, fmt::format("nobody waits at {}", message.routing.to));
  }
  const auto slot = known->second;
  const auto waiting = requests_[slot];
  const auto id = make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()});
  const bool more_to_come = message.routing.type == kTypeStatus;
  // Who asked for the answer alone is not told how it comes about.
  if (more_to_come && !waiting.stream)
    return Confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  if (!more_to_come) end(slot);
  const auto head = to_.stamper.stamp(message, id, from, {}, Stamper::key_of(message.routing), lineage);
  to_.effects.deliver(waiting.session, {.request = waiting.request,
                                        .delivery = 1,
                                        .lease = 0,
                                        .redelivered = false,
                                        .of_mailbox = false,
                                        .message = {head, message.content}});
  ++to_.counters.responses;
  return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
}

Result<Confirm> Requests::respond_elsewhere(std::uint32_t shard, std::string_view from, const IncomingMessage& message,
                                            const Lineage* lineage, bool is_owed) {
  const auto id = make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()});
  const auto head = to_.stamper.stamp(message, id, from, {}, Stamper::key_of(message.routing), lineage);
  if (!to_.effects.answer_elsewhere(shard, {head, message.content}, is_owed)) {
    return failure(ErrorCode::busy, "the shard that waits for this answer is too far behind: try again");
  }
  return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
}

void Requests::note_holder(const Entry& entry, SessionId session) {
  const auto slot = to_.transient.asked_by(static_cast<std::uint32_t>(entry.place().lsn));
  if (slot != kNoSlot && requests_.holds(slot) && requests_[slot].message == entry.key)
    requests_[slot].holder = session;
}

void Requests::due(const Timer& timer) {
  const auto slot = slots_.find(timer.id)->second;
  const auto asked = requests_[slot];
  if (asked.in_memory) tell_holder(asked);  // nobody has it: it expires in this instant
  end(slot);
  to_.replies.refuse({asked.session, asked.request}, {ErrorCode::timed_out, "no response in time"});
}

void Requests::end(std::uint32_t slot) {
  const auto asked = requests_[slot];
  if (auto* const session = to_.sessions.find(asked.session)) to_.sessions.close(*session, asked.request);
}

void Requests::close(Session&, std::uint32_t slot) {
  slots_.erase(requests_[slot].number);
  requests_.erase(slot);
}

void Requests::abandon(std::uint32_t slot, SessionId session) {
  if (requests_[slot].in_memory && requests_[slot].holder != session) withdraw(requests_[slot]);
}

void Requests::withdraw(const Waiting& asked) {
  if (asked.message == 0 || tell_holder(asked)) return;
  to_.inbox.withdraw(asked.mailbox, asked.message);
}

bool Requests::tell_holder(const Waiting& asked) {
  const auto node = asked.in_memory ? to_.run.memory_node() : to_.run.node();
  const auto id = make_uuid({.key = asked.message, .mailbox = asked.mailbox, .node = node});
  if (const auto holder = to_.inbox.holder_of(asked.message)) {
    if (holder->session != 0) to_.effects.withdrawn(holder->session, holder->lease, id);
    return true;
  }
  if (asked.holder == 0) return false;
  if (to_.sessions.find(asked.holder) != nullptr) to_.effects.withdrawn(asked.holder, 0, id);
  return true;
}

}  // namespace folkmoot
