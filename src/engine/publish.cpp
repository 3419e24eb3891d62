// Publishing: deciding where a message goes, and the facts that make it durable.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/engine.hpp"

namespace folkmoot {
namespace {

// "@<run>.<number>", both in hex: the address a REQUEST's response is sent to.
std::string reply_address(std::uint32_t run, std::uint64_t number) { return fmt::format("@{:x}.{:x}", run, number); }

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

Result<void> Engine::check_from(const Routing& routing) const {
  if (routing.from.empty() || (routing.from.front() != '@' && routing.from.front() != '$')) return {};
  return failure(ErrorCode::invalid_name, fmt::format("`from` is {}: names that begin with @ or $ are the server's", routing.from));
}

Result<std::uint32_t> Engine::sender_of(Session& session, const Routing& routing) {
  if (routing.from.empty()) {
    if (session.party != 0) return session.party;
    return party_number("anonymous");
  }
  if (auto good = check_from(routing); !good) return std::unexpected(std::move(good.error()));
  if (const auto known = memo_party(session.last_sender, routing.from)) return known;
  return party_number(routing.from);
}

Bytes Engine::stamped(const IncomingMessage& message, const Stamp& with) {
  const auto most = message.envelope.size() + kStampBytesMax + 64;
  if (scratch_.size() < most) scratch_.resize(most);
  return {scratch_.data(), stamp(message.envelope, message.routing, with, scratch_.data())};
}

void Engine::publish(SessionId id, std::uint32_t request, bool quiet, const IncomingMessage& message) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  if (message.routing.topic.empty() && message.routing.to.front() != '@') {
    auto accepted = accept(*session, message, {});
    if (!accepted) return refuse(id, request, std::move(accepted.error()));
    pending_.push({.lsn = accepted->place.lsn,
                   .session = id,
                   .request = request,
                   .kind = Pending::Kind::accepted,
                   .quiet = quiet,
                   .place = accepted->place,
                   .fact = accepted->fact,
                   .refused = {}});
    return;
  }
  auto done = publish_now(*session, message);
  if (!done) return refuse(id, request, std::move(done.error()));
  if (!quiet) effects_.confirm(id, request, *done);
}

// What needs no disk: an event, or a response to a waiting requester.
Result<Confirm> Engine::publish_now(Session& session, const IncomingMessage& message) {
  if (message.routing.topic.empty()) return respond(session, message);
  if (message.routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`mode` is {} for topic {}: topics deliver at most once; send to a mailbox for more",
                               name(*message.routing.mode), message.routing.topic));
  }
  if (auto good = check_from(message.routing); !good) return std::unexpected(std::move(good.error()));
  return publish_event(session, message);
}

Confirm Engine::publish_event(Session& session, const IncomingMessage& message) {
  ++counters_.events_published;
  const auto& match = topics_.match(message.routing.topic);
  const auto key = next_key();
  const auto id = make_uuid({.key = key, .mailbox = 0, .node = node_});
  Confirm confirm{.id = id, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
  if (match.empty()) return confirm;

  std::string_view from = message.routing.from;
  if (from.empty()) from = session.party != 0 ? std::string_view(parties_[session.party].name) : "anonymous";
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  OutgoingDelivery delivery{.request = 0,
                            .delivery = 1,
                            .lease = 0,
                            .redelivered = false,
                            .message = {stamped(message, {id, now_, from, {}, own_key}), message.content}};
  for (auto* const subscription : match) {
    if (subscription->session == session.id && !subscription->echo) continue;
    if (subscription->limited) {
      if (subscription->credit == 0) {
        ++subscription->skipped;
        ++counters_.events_dropped;
        continue;
      }
      --subscription->credit;
    }
    delivery.request = subscription->request;
    effects_.deliver(subscription->session, delivery);
    ++confirm.count;
  }
  counters_.events_delivered += confirm.count;
  return confirm;
}

Result<Confirm> Engine::respond(Session& session, const IncomingMessage& message) {
  std::uint32_t run = 0;
  std::uint64_t number = 0;
  const auto known = parse_reply_address(message.routing.to, run, number) && run == run_ ? request_slots_.find(number)
                                                                                         : request_slots_.end();
  if (known == request_slots_.end()) {
    return failure(ErrorCode::no_such_request, fmt::format("nobody waits at {}", message.routing.to));
  }
  const auto slot = known->second;
  const auto waiting = requests_[slot];
  const auto sender = sender_of(session, message.routing);
  if (!sender) return std::unexpected(sender.error());
  const auto id = make_uuid({.key = next_key(), .mailbox = 0, .node = node_});
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  end_request(slot);
  effects_.deliver(waiting.session,
                   {.request = waiting.request,
                    .delivery = 1,
                    .lease = 0,
                    .redelivered = false,
                    .message = {stamped(message, {id, now_, parties_[*sender].name, {}, own_key}), message.content}});
  ++counters_.responses;
  return Confirm{.id = id, .count = 1, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0};
}

// Decides on a message to a mailbox and appends its fact. On error nothing has changed.
Result<Engine::Accepted> Engine::accept(Session& session, const IncomingMessage& message, std::string_view reply_to) {
  const auto& routing = message.routing;
  auto number = memo_party(session.last_mailbox, routing.to);
  if (number == 0) {
    const auto named = mailbox_named(routing.to);
    if (!named) return std::unexpected(named.error());
    number = (*named)->number;
  }
  const auto sender = sender_of(session, routing);
  if (!sender) return std::unexpected(sender.error());
  auto& mailbox = parties_.mailbox(number);

  const auto bytes = sizeof(AcceptedFact) + message.envelope.size() + kStampBytesMax + message.content.size();
  // Room for the two names too, should the log not know them yet.
  if (!log_.has_room(FactLog::Urgency::durable, bytes + 1024)) {
    return failure(ErrorCode::disk_full, fmt::format("the disk has no room for a durable message to {}", routing.to));
  }
  if (auto room = make_room(mailbox); !room) return std::unexpected(room.error());
  journal_party(number);
  journal_party(*sender);

  const auto ttl = routing.ttl_ms != 0 ? routing.ttl_ms : limits(mailbox).default_ttl_ms;
  const AcceptedFact fact{.key = next_key(),
                          .not_before = routing.deliver_at > now_ ? routing.deliver_at : 0,
                          .expires_at = ttl != 0 ? now_ + ttl : 0,
                          .mailbox = number,
                          .sender = *sender,
                          .deliveries = 0,
                          .priority = routing.priority,
                          .mode = routing.mode.value_or(DeliveryMode::at_least_once)};
  const auto id = make_uuid({.key = fact.key, .mailbox = number, .node = node_});
  const auto own_key = routing.id.is_nil() ? std::string{} : routing.id.text();
  const auto head = stamped(message, {id, now_, parties_[*sender].name, reply_to, own_key});
  const Bytes parts[] = {bytes_of(fact), head, message.content};
  const auto place = log_.append(FactKind::message_accepted, parts, FactLog::Life::live);
  ++mailbox.pending;
  ++counters_.pending;
  ++counters_.published;
  return Accepted{fact, place};
}

// Sees to it that one message more fits into the mailbox. On error nothing has changed.
Result<void> Engine::make_room(Mailbox& mailbox) {
  const auto& bound = limits(mailbox);
  if (mailbox.load() < bound.max_messages) return {};
  // Only what is ready can be dropped: the rest is in somebody's hands, or was asked for at a later time.
  if (bound.overflow == Overflow::reject || mailbox.load() - mailbox.ready >= bound.max_messages) {
    return failure(ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)", parties_[mailbox.number].name,
                                                        mailbox.load(), bound.max_messages));
  }
  // One, unless the limit was lowered; then some with each message, so that none of them has to pay for all.
  for (std::size_t i = 0; i < kOverflowDropsMax && mailbox.load() >= bound.max_messages; ++i) drop_oldest(mailbox);
  return {};
}

void Engine::drop_oldest(Mailbox& mailbox) {
  std::optional<QueuedMessage> oldest;
  for (unsigned i = 0; i < kLanes; ++i) {
    if (!(mailbox.lanes_in_use & 1u << i)) continue;
    const auto candidate = mailbox.lanes[i]->oldest();
    if (!oldest || candidate.entry.key < oldest->entry.key) oldest = candidate;
  }
  mailbox.take(oldest->sender, oldest->entry.priority - 1u, oldest->entry.key);
  --counters_.ready;
  bury(mailbox, *oldest, DeadReason::overflow);
}

void Engine::publish_batch(SessionId id, std::uint32_t request, bool quiet, std::span<const Result<IncomingMessage>> messages) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto slot = batches_.insert({.session = id, .request = request, .body = {}});
  bool refused = false;
  Lsn last = 0;
  const auto add_error = [&](const Error& error) {
    refused = true;
    ++counters_.refused;
    const auto code = static_cast<std::uint16_t>(error.code);
    const auto text = std::string_view(error.text).substr(0, 60'000);
    const auto bytes = static_cast<std::uint16_t>(text.size());
    batches_[slot].body.append(as_text(bytes_of(code))).append(as_text(bytes_of(bytes))).append(text);
  };
  const auto add_confirm = [&](const Confirm& confirm) {
    const std::uint16_t done = 0;
    batches_[slot].body.append(as_text(bytes_of(done))).append(as_text(bytes_of(confirm)));
  };
  for (const auto& message : messages) {
    if (!message) {
      add_error(message.error());
      continue;
    }
    if (!message->routing.topic.empty() || message->routing.to.front() == '@') {
      const auto done = publish_now(*session, *message);
      done ? add_confirm(*done) : add_error(done.error());
      continue;
    }
    const auto accepted = accept(*session, *message, {});
    if (!accepted) {
      add_error(accepted.error());
      continue;
    }
    last = accepted->place.lsn;
    pending_.push({.lsn = last,
                   .session = id,
                   .request = request,
                   .kind = Pending::Kind::accepted,
                   .quiet = true,
                   .in_batch = true,
                   .batch = slot,
                   .offset = static_cast<std::uint32_t>(batches_[slot].body.size() + 2),
                   .place = accepted->place,
                   .fact = accepted->fact,
                   .refused = {}});
    add_confirm({});
  }
  const bool answer = !quiet || refused;
  if (last == 0) {  // nothing in it waits for the disk
    if (answer) effects_.done(id, request, as_bytes(batches_[slot].body));
    batches_.erase(slot);
    return;
  }
  pending_.push({.lsn = last, .session = id, .request = request, .kind = Pending::Kind::batch, .quiet = !answer, .batch = slot,
                 .place = {}, .fact = {}, .refused = {}});
}

void Engine::request(SessionId id, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto& routing = message.routing;
  ++counters_.requests;
  if (!routing.topic.empty() || routing.to.front() == '@') {
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
  const auto slot = requests_.insert({id, request, number, now_ + timeout_ms});
  if (!open_number(*session, request, {OpenKind::request, slot})) return requests_.erase(slot);
  request_slots_.emplace(number, slot);
  if (!durable) {
    request_transient(*session, request, timeout_ms, message);
  } else {
    auto accepted = accept(*session, message, reply_address(run_, number));
    if (!accepted) {
      end_request(slot);
      return refuse(id, request, std::move(accepted.error()));
    }
    pending_.push({.lsn = accepted->place.lsn, .session = id, .request = request, .kind = Pending::Kind::accepted, .quiet = true,
                   .place = accepted->place, .fact = accepted->fact, .refused = {}});
  }
  if (request_slots_.contains(number)) {
    add_timer({.at = now_ + timeout_ms, .id = number, .box = 0, .kind = TimerKind::request});
  }
}

// A request that waits in memory. With a time-out of 0 it is answered by its hand-over, and refused if nobody can take it.
void Engine::request_transient(Session& session, std::uint32_t request, std::int64_t timeout_ms, const IncomingMessage& message) {
  const auto found = session.open.find(request);
  const auto fail = [&](Error error) {
    if (timeout_ms != 0) end_request(found->second.slot);
    refuse(session.id, request, std::move(error));
  };
  const auto named = mailbox_named(message.routing.to);
  if (!named) return fail(named.error());
  auto& mailbox = **named;
  const auto sender = sender_of(session, message.routing);
  if (!sender) return fail(sender.error());
  const auto takes_messages = [&](std::uint32_t slot) { return waiters_[slot].max > 0; };
  if (timeout_ms == 0 && mailbox.consumers_ready == 0 && std::ranges::none_of(mailbox.waiters, takes_messages)) {
    return fail({ErrorCode::no_consumer, fmt::format("no consumer of {} is connected and free", message.routing.to)});
  }
  const auto& bound = limits(mailbox);
  if (mailbox.load() >= bound.max_messages) {
    return fail({ErrorCode::mailbox_full, fmt::format("mailbox {} is full ({} of {} waiting)", message.routing.to, mailbox.load(),
                                                      bound.max_messages)});
  }
  const auto key = next_key();
  const auto id = make_uuid({.key = key, .mailbox = mailbox.number, .node = node_});
  const auto address = timeout_ms != 0 ? reply_address(run_, requests_[found->second.slot].number) : std::string{};
  const auto own_key = message.routing.id.is_nil() ? std::string{} : message.routing.id.text();
  const auto head = stamped(message, {id, now_, parties_[*sender].name, address, own_key});
  if (!transient_.has_room(head.size() + message.content.size())) {
    return fail({ErrorCode::busy, "the requests that wait in memory have reached their limit"});
  }
  const auto slot = transient_.put(head, message.content);
  const auto bytes = static_cast<std::uint32_t>(head.size() + message.content.size());
  const auto ttl = timeout_ms != 0 ? timeout_ms : 5'000;
  expiries_[key] = now_ + ttl;
  add_timer({.at = now_ + ttl, .id = key, .box = mailbox.number, .kind = TimerKind::expiry});
  enter_ready(mailbox, {Entry(key, {slot, bytes}, message.routing.priority, Entry::kTransient | Entry::kOnce | Entry::kExpires), *sender},
              true);
  if (timeout_ms == 0) effects_.done(session.id, request, {});
}

}  // namespace folkmoot
