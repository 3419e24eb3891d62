// Writing: effects of the engine into the buffers of connections, buffers into sockets and links.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/reactor.hpp"

namespace folkmoot {

// Room for a frame's body behind its header.
std::uint8_t* Reactor::extend(Connection& connection, Opcode opcode, std::uint8_t flags, std::uint32_t request, std::size_t body_bytes) {
  auto* const at = connection.out.extend(pool_, kFrameHeaderBytes + body_bytes);
  store(at, FrameHeader{static_cast<std::uint32_t>(8 + body_bytes), opcode, flags, 0, request});
  if (!connection.is_dirty) {
    connection.is_dirty = true;
    dirty_.push_back(connection.id);
  }
  return at + kFrameHeaderBytes;
}

bool Reactor::deliver(SessionId session, const OutgoingDelivery& delivery) {
  auto* const connection = find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return false;
  const auto pending = connection->out.size() + connection->link_pending;
  if (delivery.lease == 0 && pending > options_.pending_bytes_max) {
    overrun_.push_back(session);  // cut at the end of this turn: the engine is in the middle of its list of subscribers
    return false;
  }
  const auto& message = delivery.message;
  const auto lease_bytes = delivery.lease != 0 ? kLeaseBlockBytes : 0;
  const auto flags = static_cast<std::uint8_t>((delivery.lease != 0 ? kFlagLeased : 0) | (delivery.redelivered ? kFlagRedelivered : 0));
  auto* at = extend(*connection, Opcode::deliver, flags, delivery.request, lease_bytes + message.bytes());
  if (delivery.lease != 0) {
    store(at, delivery.lease);
    store(at + 8, delivery.delivery);
    at += kLeaseBlockBytes;
  }
  std::memcpy(at, message.head.data(), message.head.size());
  if (!message.rest.empty()) std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
  if (pending <= options_.pending_bytes_high) return true;
  if (!connection->is_congested) {
    connection->is_congested = true;
    connection->congested_since = now_;
    ++congested_;
    deadlines_.push({now_ + options_.slow_consumer_ms, session});
  }
  // Deliveries of mailboxes are held by the engine from here on; events, by holding whoever publishes them.
  if (delivery.lease != 0) {
    connection->engine_held = true;
  } else {
    hold_readers_ = true;
  }
  return false;
}

void Reactor::answer(SessionId session, Opcode opcode, std::uint32_t request, std::initializer_list<Bytes> parts) {
  auto* const connection = find(session);
  if (connection == nullptr || connection->state != Connection::State::open) return;
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  auto* at = extend(*connection, opcode, 0, request, bytes);
  for (const auto& part : parts) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
}

void Reactor::confirm(SessionId session, std::uint32_t request, const Confirm& confirm) {
  answer(session, Opcode::confirm, request, {bytes_of(confirm)});
}

void Reactor::done(SessionId session, std::uint32_t request, Bytes body) { answer(session, Opcode::ok, request, {body}); }

void Reactor::settled(SessionId session, std::uint32_t request, std::uint32_t settled, std::span<const LeaseToken> refused) {
  const std::uint32_t counts[] = {settled, static_cast<std::uint32_t>(refused.size())};
  answer(session, Opcode::settled, request,
         {bytes_of(counts), {reinterpret_cast<const std::uint8_t*>(refused.data()), refused.size_bytes()}});
}

void Reactor::refuse(SessionId session, std::uint32_t request, const Error& error) {
  const auto code = static_cast<std::uint16_t>(error.code);
  answer(session, Opcode::error, request, {bytes_of(code), as_bytes(error.text)});
}

void Reactor::lagged(SessionId session, std::uint32_t request, std::uint32_t count) {
  answer(session, Opcode::lagged, request, {bytes_of(count)});
}

void Reactor::withdrawn(SessionId session, LeaseToken lease, const Uuid& id) {
  answer(session, Opcode::withdrawn, 0, {bytes_of(lease), bytes_of(id)});
}

void Reactor::flush_dirty() {
  for (const auto id : std::exchange(overrun_, {})) {
    auto* const connection = find(id);
    if (connection == nullptr || connection->state != Connection::State::open) continue;
    spdlog::warn("connection {} is cut: more than {} bytes waited for it", session_slot(id), options_.pending_bytes_max);
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
    connection.link_pending = connection.link->put_outbox(as_text(connection.out.bytes()));
    connection.out.clear(pool_);
    if (connection.state == Connection::State::ending) return close_connection(connection);
    return check_pending(connection);
  }
  while (!connection.out.empty()) {
    const auto bytes = connection.out.bytes();
    const auto sent = ::send(connection.socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return close_connection(connection);
      break;
    }
    connection.out.consume(pool_, static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < bytes.size()) break;
  }
  connection.wants_write = !connection.out.empty();
  if (connection.state == Connection::State::ending && connection.out.empty()) ::shutdown(connection.socket, SHUT_WR);
  update_interest(connection);
  check_pending(connection);
}

// Lets deliveries and publishers go on once a connection has read enough.
void Reactor::check_pending(Connection& connection) {
  if (!connection.is_congested || connection.out.size() + connection.link_pending > options_.pending_bytes_high / 2) return;
  connection.is_congested = false;
  if (std::exchange(connection.engine_held, false)) engine_.session_writable(connection.id);
  if (--congested_ == 0 && journal_.staged_bytes() < options_.staged_bytes_max) resume_readers();
}

}  // namespace folkmoot
