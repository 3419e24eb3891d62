// Writing: effects of the engine into the buffers of connections, buffers into sockets and links.
#include <spdlog/spdlog.h>

#include "operation/pack_codec.hpp"
#include "server/reactor.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {

namespace {

// From here on a copy into the buffer costs more than a write of its own.
constexpr std::size_t kOwnWriteBytes = 16 * 1024;
// What is read and sent stays within a core's own cache.
constexpr std::size_t kFanOutBytesMax = 128 * 1024;

}  // namespace

inline std::uint8_t* Reactor::room(Connection& connection, std::size_t bytes) {
  if (connection.in_fan_out) [[unlikely]]
    send_fan_out();
  unsent_bytes_ += bytes;
  if (!connection.is_dirty) {
    connection.is_dirty = true;
    dirty_.push_back(connection.id);
  }
  return connection.out.extend(pool_, bytes);
}

// Room for a frame's body behind its header.
std::uint8_t* Reactor::extend(Connection& connection, Opcode opcode, std::uint8_t flags, RequestNumber request,
                              std::size_t body_bytes) {
  auto* const at = room(connection, kFrameHeaderBytes + body_bytes);
  store(at, FrameHeader{static_cast<std::uint32_t>(8 + body_bytes), opcode, flags, 0, request.value});
  return at + kFrameHeaderBytes;
}

bool Reactor::deliver(SessionId session, const OutgoingDelivery& delivery) {
  auto* const connection = find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return false;
  const bool is_leased = delivery.lease != 0;
  const bool is_event = !delivery.of_mailbox;
  const auto pending = connection->unsent();
  if (is_event && pending > options_.pending_bytes_max && connection->door != DoorKind::shard) {
    overrun_.push_back(session);  // cut at the end of this turn: the engine is in the middle of its list of subscribers
    return false;
  }
  const auto& message = delivery.message;
  const auto lease_bytes = is_leased ? kLeaseBlockBytes : 0;
  const auto flags =
      static_cast<std::uint8_t>((is_leased ? kFlagLeased : 0) | (delivery.redelivered ? kFlagRedelivered : 0));
  if (sends_at_once(*connection, message.bytes())) {
    std::uint8_t head[kFrameHeaderBytes + kLeaseBlockBytes];
    store(head, FrameHeader{static_cast<std::uint32_t>(8 + lease_bytes + message.bytes()), Opcode::deliver, flags, 0,
                            delivery.request.value});
    store(head + kFrameHeaderBytes, delivery.lease);
    store(head + kFrameHeaderBytes + 8, delivery.delivery);
    const Bytes parts[] = {{head, kFrameHeaderBytes + lease_bytes}, message.head, message.rest};
    send_or_keep(*connection, parts);
    return hold_if_behind(*connection, connection->out.size(), is_event);
  }
  auto* at = extend(*connection, Opcode::deliver, flags, delivery.request, lease_bytes + message.bytes());
  if (is_leased) {
    store(at, delivery.lease);
    store(at + 8, delivery.delivery);
    at += kLeaseBlockBytes;
  }
  std::memcpy(at, message.head.data(), message.head.size());
  if (!message.rest.empty()) std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
  return pending <= options_.pending_bytes_high || hold_if_behind(*connection, pending, is_event);
}

// Deliveries to a connection that is behind are held by the engine from here on; events, by holding whoever publishes
// them.
bool Reactor::hold_if_behind(Connection& connection, std::size_t pending, bool is_event) {
  if (pending <= options_.pending_bytes_high) return true;
  connection.is_congested = true;
  if (is_event) {
    hold_readers_ = true;
    if (!std::exchange(connection.events_held, true)) {
      ++congested_;
      if (connection.door != DoorKind::shard) {  // a shard link waits for its subscribers, who are cut there
        ++congested_clients_;
        deadlines_.set(connection, now_ + options_.slow_consumer_ms);
      }
    }
  } else {
    connection.engine_held = true;
  }
  return false;
}

void Reactor::watch_later(Connection& connection) {
  if (connection.deadline != 0 || connection.is_unix || connection.socket < 0) return;
  deadlines_.set(connection, now_ + std::min(options_.host_timeout_ms / 3, kWatchMs));
}

bool Reactor::sends_at_once(const Connection& connection, std::size_t bytes) const {
  return bytes >= kOwnWriteBytes && connection.socket >= 0 && connection.out.empty() && !connection.in_fan_out;
}

// Writes past the buffer; what the socket does not take waits in it. An error shows again, and ends the connection,
// when that is flushed.
void Reactor::send_or_keep(Connection& connection, std::span<const Bytes> parts) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  watch_later(connection);
  auto done = static_cast<std::size_t>(std::max<std::ptrdiff_t>(net_->send(connection.socket, parts), 0));
  if (done == bytes) return;
  auto* at = room(connection, bytes - done);
  for (const auto& part : parts) {
    const auto skipped = std::min(done, part.size());
    done -= skipped;
    if (skipped < part.size()) std::memcpy(at, part.data() + skipped, part.size() - skipped);
    at += part.size() - skipped;
  }
}

void Reactor::deliver_event_to(const EventTarget& target, const MessageParts& message) {
  auto* const connection = find(target.session);
  if (connection == nullptr) return;
  const auto bytes = message.bytes();
  // The usual case: nothing to decide but where the bytes go.
  if (connection->state == Connection::State::open && bytes < kOwnWriteBytes &&
      connection->unsent() <= options_.pending_bytes_high) [[likely]] {
    auto* const at = extend(*connection, Opcode::deliver, 0, target.request, bytes);
    std::memcpy(at, message.head.data(), message.head.size());
    std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
    return;
  }
  deliver(target.session,
          {.request = target.request, .delivery = 1, .lease = 0, .redelivered = false, .message = message});
}

void Reactor::deliver_event(std::span<const EventTarget> targets, const MessageParts& message) {
  if (targets.size() == 1) return deliver_event_to(targets.front(), message);
  if (!fan_out_.is_for(targets)) {
    send_fan_out();
    fan_out_.begin(targets);
    for (const auto& target : targets) {
      if (auto* const connection = find(target.session)) connection->in_fan_out = true;
    }
  }
  fan_out_.add(pool_, message);
  if (fan_out_.bytes() >= kFanOutBytesMax) send_fan_out();
}

void Reactor::send_fan_out() {
  if (fan_out_.empty()) return;
  for (const auto& target : fan_out_.targets()) {
    auto* const connection = find(target.session);
    if (connection == nullptr || connection->state != Connection::State::open) continue;
    connection->in_fan_out = false;
    const auto pending = connection->unsent();
    if (pending > options_.pending_bytes_max && connection->door != DoorKind::shard) {
      overrun_.push_back(target.session);
      continue;
    }
    const auto frames = fan_out_.frames_for(target.request);
    if (sends_at_once(*connection, frames.size())) {
      send_or_keep(*connection, {&frames, 1});
    } else {
      std::memcpy(room(*connection, frames.size()), frames.data(), frames.size());
    }
    hold_if_behind(*connection, connection->unsent(), true);
  }
  fan_out_.clear(pool_);
}

// This shard's part of an answer of several. Apart from answer(), which is on the way of every message.
[[gnu::noinline]] void Reactor::answer_part(Connection& connection, Opcode opcode, RequestNumber request,
                                            std::initializer_list<Bytes> parts) {
  std::string body;
  for (const auto& part : parts) body.append(as_text(part));
  router_->on_part(connection, router_->own(), request, opcode, as_bytes(body));
}

void Reactor::answer(SessionId session, Opcode opcode, RequestNumber request, std::initializer_list<Bytes> parts) {
  auto* const connection = find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return;
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  if (request >= kOwnRequests && connection->remote_sessions) [[unlikely]]
    return answer_part(*connection, opcode, request, parts);
  connection->answer_bytes += bytes;
  if (connection->answer_bytes > options_.pending_bytes_max && connection->door != DoorKind::shard) [[unlikely]] {
    return overrun_.push_back(session);  // it asks, and does not read what it is told
  }
  auto* at = extend(*connection, opcode, 0, request, bytes);
  for (const auto& part : parts) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
}

void Reactor::confirm(SessionId session, RequestNumber request, const Confirm& confirm) {
  answer(session, Opcode::confirm, request, {bytes_of(confirm)});
}

void Reactor::done(SessionId session, RequestNumber request, Bytes body) {
  answer(session, Opcode::ok, request, {body});
}

void Reactor::answer(SessionId session, RequestNumber request, const Reply& reply) {
  if (const auto* const deleted = std::get_if<DeletedMailbox>(&reply)) {
    return done(session, request, as_bytes(write_numbers(describe<DeletedMailbox>(), deleted).value_or("")));
  }
  std::uint32_t numbers[2] = {};
  std::size_t count = 0;
  const auto put = [&](std::uint32_t number) { numbers[count++] = number; };
  if (const auto* const consuming = std::get_if<Consuming>(&reply)) put(consuming->ready);
  if (const auto* const received = std::get_if<Received>(&reply)) put(received->messages), put(received->ready);
  if (const auto* const ready = std::get_if<Ready>(&reply)) put(ready->messages), put(ready->priority);
  if (const auto* const purged = std::get_if<Purged>(&reply)) put(purged->purged);
  if (const auto* const resent = std::get_if<Resent>(&reply)) put(resent->sent), put(resent->refused);
  done(session, request, bytes_of(numbers).first(count * sizeof numbers[0]));
}

// For each a u16 of 0 and a Confirm, or an error's code, length and text.
void Reactor::outcomes(SessionId session, RequestNumber request, std::span<const Result<Confirm>> outcomes) {
  constexpr std::size_t kTextBytesMax = 60'000;
  std::string body;
  for (const auto& outcome : outcomes) {
    const auto code = outcome ? std::uint16_t{0} : static_cast<std::uint16_t>(outcome.error().code);
    body.append(as_text(bytes_of(code)));
    if (outcome) {
      body.append(as_text(bytes_of(*outcome)));
      continue;
    }
    auto text = joined_text(outcome.error());
    if (text.size() > kTextBytesMax) text.resize(kTextBytesMax);
    const auto bytes = static_cast<std::uint16_t>(text.size());
    body.append(as_text(bytes_of(bytes))).append(text);
  }
  done(session, request, as_bytes(body));
}

void Reactor::settled(SessionId session, RequestNumber request, std::uint32_t settled,
                      std::span<const LeaseToken> refused) {
  const std::uint32_t counts[] = {settled, static_cast<std::uint32_t>(refused.size())};
  answer(session, Opcode::settled, request,
         {bytes_of(counts), {reinterpret_cast<const std::uint8_t*>(refused.data()), refused.size_bytes()}});
}

void Reactor::refuse(SessionId session, RequestNumber request, const Error& error) {
  if (router_) router_->note_refusal();
  const auto code = static_cast<std::uint16_t>(error.code);
  answer(session, Opcode::error, request, {bytes_of(code), as_bytes(joined_text(error))});
}

void Reactor::lagged(SessionId session, RequestNumber request, std::uint32_t count) {
  answer(session, Opcode::lagged, request, {bytes_of(count)});
}

void Reactor::withdrawn(SessionId session, LeaseToken lease, const Uuid& id) {
  answer(session, Opcode::withdrawn, 0, {bytes_of(lease), bytes_of(id)});
}

// The first shard stores them: it lets go of one when the others have.
bool Reactor::remove_content(const ContentHash& hash) {
  if (router_ && router_->own() != 0) {
    shards_->let_go_of_content(router_->own(), hash);
  } else if (backup_.phase() != Backup::Phase::none) {
    return false;  // it may belong to the backup
  } else if (router_ && !shards_->remove_content(hash)) {
    return false;
  } else {
    contents_.remove(hash);
  }
  return true;
}

std::optional<std::uint64_t> Reactor::stored_elsewhere(const ContentHash& hash) {
  return router_ ? shards_->hold_content(router_->own(), hash) : std::nullopt;
}

bool Reactor::answer_elsewhere(ShardNumber shard, const MessageParts& message, ConnectionId answerer, bool is_owed) {
  return !router_ || router_->shard_links().answer(shard, message, answerer, is_owed);
}

void Reactor::pass_on(Connection& connection, const Frame& frame) {
  auto* const at = extend(connection, frame.header.opcode, frame.header.flags, RequestNumber{frame.header.request},
                          frame.body.size());
  if (!frame.body.empty()) std::memcpy(at, frame.body.data(), frame.body.size());
}

void Reactor::tell_of_content(const ContentRef& ref) {
  if (shards_ != nullptr) shards_->tell_of_content(ref);
}

void Reactor::flush_dirty() {
  send_fan_out();
  unsent_bytes_ = 0;
  for (const auto id : std::exchange(overrun_, {})) {
    auto* const connection = find(id);
    if (connection == nullptr || connection->state != Connection::State::open) continue;
    spdlog::warn("connection {} is cut: more than {} bytes waited for it", session_slot(id).value,
                 options_.pending_bytes_max);
    say_goodbye(*connection, {ErrorCode::slow_consumer, "too much was waiting for this connection"});
  }
  // Flushing may end connections, which may make others dirty: until none is.
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (auto* const connection = find(dirty_[i])) {
      connection->is_dirty = false;
      if (!connection->wants_write) flush(*connection);
    }
  }
  dirty_.clear();
}

void Reactor::flush(Connection& connection) {
  if (connection.link) {
    connection.link->pending = connection.link->put_outbox(as_text(connection.out.bytes()));
    connection.out.clear(pool_);
    if (connection.state == Connection::State::ending) return close_connection(connection);
    return check_pending(connection);
  }
  while (!connection.out.empty()) {
    const auto bytes = connection.out.bytes();
    const auto sent = net_->send(connection.socket, {&bytes, 1});
    if (sent == Net::kNothing) break;
    if (sent < 0) return close_connection(connection);
    connection.out.consume(pool_, static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < bytes.size()) break;
  }
  watch_later(connection);
  connection.wants_write = !connection.out.empty();
  if (connection.state == Connection::State::ending && connection.out.empty()) net_->end_sending(connection.socket);
  update_interest(connection);
  check_pending(connection);
}

void Reactor::no_more_congested(Connection& connection) {
  connection.is_congested = false;
  if (!std::exchange(connection.events_held, false)) return;
  connection.deadline = 0;
  --congested_;
  if (connection.door != DoorKind::shard && --congested_clients_ == 0 && router_) shard_links_go_on_ = true;
}

// Lets deliveries and publishers go on once a connection has read enough.
void Reactor::check_pending(Connection& connection) {
  contents_.on_drained(connection.id);
  if (connection.remote_sessions && connection.remote_sessions->is_behind && !is_behind(connection))
    router_->on_drained(connection);
  connection.answer_bytes = std::min(connection.answer_bytes, connection.unsent());
  if (!connection.is_congested || connection.unsent() > options_.pending_bytes_high / 2) return;
  no_more_congested(connection);
  watch_later(connection);
  if (std::exchange(connection.engine_held, false)) engine_.session_writable(connection.id);
  if (congested_ == 0 && journal_.staged_bytes() < options_.staged_bytes_max) resume_readers();
}

}  // namespace folkmoot
