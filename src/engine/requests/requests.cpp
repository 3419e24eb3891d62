#include "engine/requests/requests.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/hex.hpp"
#include "engine/capability_address.hpp"
#include "engine/checks.hpp"
#include "engine/lifetime.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

constexpr Duration kHandOverMs{5'000};  // how long one without a time-out may wait for its hand-over

Result<void> check_transient(const Routing& routing) {
  const auto kept = promise_of_the_log(routing);
  if (kept.empty()) return {};
  return failure(ErrorCode::invalid_field,
                 fmt::format("`{}` is of no use to a request that waits in memory: give `mode` at_least_once, "
                             "or exactly_once with a key",
                             kept));
}

std::unexpected<Error> not_its_to_answer(std::string_view address) {
  return failure(ErrorCode::not_permitted,
                 fmt::format("the request that waits at {} is not in this connection's hands: only who has it may "
                             "answer, or who has a message that hands it on and is named as `cause`",
                             address));
}

constexpr std::size_t kAddressBytes = 1 + 32;

}  // namespace

// -- addresses: "@" and 32 hex digits

std::string Requests::Address::text() const {
  std::string text(kAddressBytes, '@');
  write_hex(number, text.data() + 1);
  write_hex(proof, text.data() + 17);
  return text;
}

std::optional<Requests::Address> Requests::Address::parse(std::string_view text) {
  if (text.size() != kAddressBytes || text.front() != '@') return std::nullopt;
  const auto number = read_hex(text.data() + 1), proof = read_hex(text.data() + 17);
  if (!number || !proof) return std::nullopt;
  return Address{.number = *number, .proof = *proof};
}

Requests::Address Requests::next_address() {
  for (;;) {
    const std::uint64_t counted[] = {to_.run.number(), to_.serials.next()};
    const auto hash = siphash128(options_.secret, bytes_of(counted));
    const auto number = std::uint64_t{options_.shard.value} << kShardShift | hash.low >> kShardBits;
    if (!slots_.contains(number)) return {number, hash.high};
  }
}

Slot Requests::find(const std::optional<Address>& address) const {
  if (!address) return kNoSlot;
  const auto known = slots_.find(address->number);
  return known != slots_.end() && requests_[known->second].address.proof == address->proof ? known->second : kNoSlot;
}

// -- asking

void Requests::ask(Session& session, RequestNumber request, Duration timeout_ms, const IncomingMessage& message,
                   bool stream) {
  // A copy is known by its key and where it was sent, so that one with a key is placed when that was looked at.
  const auto& routing = message.routing;
  const bool is_keyed = !routing.key.empty() || !routing.id.is_nil();
  if (!is_capability_address(routing.to) || is_keyed) [[likely]]
    return ask_mailbox(session, request, timeout_ms, message, stream);
  const Asker caller{session.id, request};
  Prepared placed{.message = &message};
  if (auto done = to_.placer.place(placed); !done) return to_.replies.refuse(caller, done.error());
  const bool durable = routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
  if (!placed.rewritten && !durable) {
    return to_.replies.refuse(caller,
                              {ErrorCode::no_consumer, fmt::format("no agent is there that {} would find", routing.to),
                               "`folkmoot agents discover` shows who is; with `mode` at_least_once it waits for one"});
  }
  ask_mailbox(session, request, timeout_ms, *placed.message, stream);
}

void Requests::ask_mailbox(Session& session, RequestNumber request, Duration timeout_ms, const IncomingMessage& message,
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
  const auto address = next_address();
  const auto slot = requests_.insert({.session = session.id, .request = request, .address = address, .stream = stream});
  if (!Sessions::open(session, request, {OpenKind::request, slot})) {
    requests_.erase(slot);
    return to_.replies.refuse(caller, in_use(request));
  }
  slots_.emplace(address.number, slot);
  if (!durable) {
    if (auto done = ask_in_memory(session, slot, timeout_ms, message); !done) {
      end(slot);
      return to_.replies.refuse(caller, done.error());
    }
  } else {
    const auto done =
        to_.post.accept(session, message, address.text(), {.caller = caller, .quiet = true, .is_request = true});
    if (!done || *done == 0) end(slot);
    if (!done) return to_.replies.refuse(caller, done.error());
    if (*done == 0) return;                        // a duplicate, and told so: the response is the first one's
    if (!slots_.contains(address.number)) return;  // it was dead when it came, and is answered already
    requests_[slot].message = *done;
    requests_[slot].mailbox = to_.names.find(routing.to);
    waited_for_.emplace(*done, slot);
  }
  to_.agenda.add({.at = to_.run.now() + timeout_ms, .id = address.number, .place = 0, .kind = TimerKind::request});
}

Result<void> Requests::ask_in_memory(Session& session, Slot slot, Duration timeout_ms, const IncomingMessage& message) {
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
  const auto address = slot != kNoSlot ? requests_[slot].address.text() : std::string{};
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
                   .refers = refers,
                   .traced = to_.tracing.is_traced(*prepared->message)});
  return {};
}

Result<Confirm> Requests::publish(Session& session, const IncomingMessage& message) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  const auto prepared = to_.causality.with_lineage(message);
  if (!prepared) return std::unexpected(prepared.error());
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return std::unexpected(sender.error());
  const auto answerer = message.answerer.value_or(session.connection);
  auto done = respond(to_.names[*sender], *prepared->message, prepared->lineage.get(), answerer, false);
  if (done && !message.forwarded && Causality::has_costs(message)) to_.causality.sum_costs(message);
  return done;
}

// -- who may answer

bool Requests::is_held_by(const Holder& holder, ConnectionId connection, std::string_view agent) const {
  if (holder.connection == 0) return false;
  if (holder.connection == connection) return true;
  if (holder.bound && to_.sessions.find(holder.session) != nullptr) return false;
  return agent == to_.names[holder.mailbox] || (holder.agent != 0 && agent == to_.names[holder.agent]);
}

bool Requests::may_answer(const Waiting& asked, ConnectionId connection, std::string_view agent) const {
  const auto leased = asked.in_memory ? std::nullopt : to_.inbox.holder_of(asked.message);
  return is_held_by(leased ? *leased : asked.holder, connection, agent);
}

bool Requests::holds_cause(const IncomingMessage& message, ConnectionId connection, std::string_view agent) const {
  const auto cause = message_address(message.routing.cause);
  if (!cause || cause->node != to_.run.node()) return false;
  const auto holder = to_.inbox.holder_of(cause->key);
  if (!holder || !is_held_by(*holder, connection, agent)) return false;
  return to_.inbox.answers_of(cause->key) == message.routing.to;
}

bool Requests::holds_cause(Session& session, const IncomingMessage& message) {
  const auto sender = sender_of(to_.names, session, message);
  return sender && holds_cause(message, session.connection, to_.names[*sender]);
}

Result<ConnectionId> Requests::check_output(Session& session, const IncomingMessage& message, const Lineage& caused) {
  const auto& to = message.routing.to;
  if (caused.reply_to == to) return ConnectionId{};
  const auto asked = find(Address::parse(to));
  if (asked == kNoSlot) return session.connection;  // nobody waits, or in another shard
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return std::unexpected(sender.error());
  if (may_answer(requests_[asked], session.connection, to_.names[*sender])) return ConnectionId{};
  return not_its_to_answer(to);
}

// -- answering

Result<Confirm> Requests::respond(std::string_view from, const IncomingMessage& message, const Lineage* lineage,
                                  ConnectionId answerer, bool is_owed) {
  const auto& to = message.routing.to;
  const auto address = Address::parse(to);
  const auto shard = address ? ShardNumber{static_cast<std::uint32_t>(address->number >> kShardShift)} : options_.shard;
  if (shard != options_.shard && shard.value < options_.shards) {
    return respond_elsewhere(shard, from, message, lineage, answerer, is_owed);
  }
  const auto slot = find(address);
  if (slot == kNoSlot) return failure(ErrorCode::no_such_request, fmt::format("nobody waits at {}", to));
  const auto waiting = requests_[slot];
  if (answerer != 0 && !may_answer(waiting, answerer, from) && !holds_cause(message, answerer, from))
    return not_its_to_answer(to);
  const auto id = make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()});
  const bool more_to_come = message.routing.type == kTypeStatus;
  // Who asked for the answer alone is not told how it comes about.
  if (more_to_come && !waiting.stream)
    return Confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  to_.tracing.answered(waiting.message, message, id, from);
  if (!more_to_come) {
    to_.tracing.end(waiting.message, {});
    end(slot);
  }
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

Result<Confirm> Requests::respond_elsewhere(ShardNumber shard, std::string_view from, const IncomingMessage& message,
                                            const Lineage* lineage, ConnectionId answerer, bool is_owed) {
  if (answerer != 0 && holds_cause(message, answerer, from)) answerer = 0;
  const auto id = make_uuid({.key = to_.run.next_key(), .mailbox = 0, .node = to_.run.memory_node()});
  const auto head = to_.stamper.stamp(message, id, from, {}, Stamper::key_of(message.routing), lineage);
  if (!to_.effects.answer_elsewhere(shard, {head, message.content}, answerer, is_owed)) {
    return failure(ErrorCode::busy, "the shard that waits for this answer is too far behind: try again");
  }
  return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
}

void Requests::note_holder(const Entry& entry, const Holder& holder) {
  const auto slot = to_.transient.asked_by(entry.stored());
  if (slot != kNoSlot && requests_.holds(slot) && requests_[slot].message == entry.key) requests_[slot].holder = holder;
}

void Requests::due(const Timer& timer) {
  const auto slot = slots_.find(timer.id)->second;
  const auto asked = requests_[slot];
  if (asked.in_memory) tell_holder(asked);  // nobody has it: it expires in this instant
  to_.tracing.end(asked.message, name(ErrorCode::timed_out));
  end(slot);
  to_.replies.refuse({asked.session, asked.request},
                     {ErrorCode::timed_out, "no response in time",
                      "see with `folkmoot stats` whether somebody reads that mailbox, or wait longer"});
}

void Requests::end(Slot slot) {
  const auto asked = requests_[slot];
  if (auto* const session = to_.sessions.find(asked.session)) to_.sessions.close(*session, asked.request);
}

void Requests::close(Session&, Slot slot) {
  to_.tracing.end(requests_[slot].message, name(ErrorCode::cancelled));
  slots_.erase(requests_[slot].address.number);
  waited_for_.erase(requests_[slot].message);
  requests_.erase(slot);
}

void Requests::abandon(Slot slot, SessionId session) {
  if (requests_[slot].in_memory && requests_[slot].holder.session != session) withdraw(requests_[slot]);
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
  if (!asked.in_memory || asked.holder.connection == 0) return false;
  if (to_.sessions.find(asked.holder.session) != nullptr) to_.effects.withdrawn(asked.holder.session, 0, id);
  return true;
}

}  // namespace folkmoot
