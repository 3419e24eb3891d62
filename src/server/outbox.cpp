#include "server/outbox.hpp"

#include <algorithm>

namespace folkmoot {

namespace {

// What is read and sent stays within a core's own cache.
constexpr std::size_t kFanOutBytesMax = 128 * 1024;
// Between looks at whether a host to which bytes are on their way is there, at most.
constexpr std::int64_t kWatchMs = 60'000;

}  // namespace

void Outbox::add_dirty(Connection& connection) {
  connection.is_dirty = true;
  dirty_.push_back(connection.id);
}

void Outbox::send_or_keep(Connection& connection, std::span<const Bytes> parts) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  watch_later(connection);
  auto done = static_cast<std::size_t>(std::max<std::ptrdiff_t>(sockets_.send(connection, parts), 0));
  if (connection.tls && connection.tls->has_unsent()) list_dirty(connection);
  if (done == bytes) return;
  auto* at = room(connection, bytes - done);
  for (const auto& part : parts) {
    const auto skipped = std::min(done, part.size());
    done -= skipped;
    if (skipped < part.size()) std::memcpy(at, part.data() + skipped, part.size() - skipped);
    at += part.size() - skipped;
  }
}

void Outbox::fan_out(std::span<const EventTarget> targets, const MessageParts& message) {
  if (!fan_out_.is_for(targets)) {
    send_fan_out();
    fan_out_.begin(targets);
    for (const auto& target : targets) {
      if (auto* const connection = connections_.find(target.session)) connection->in_fan_out = true;
    }
  }
  fan_out_.add(pool_, message);
  if (fan_out_.bytes() >= kFanOutBytesMax) send_fan_out();
}

void Outbox::send_fan_out() {
  if (fan_out_.empty()) return;
  for (const auto& target : fan_out_.targets()) {
    auto* const connection = connections_.find(target.session);
    if (connection == nullptr || connection->state != Connection::State::open) continue;
    connection->in_fan_out = false;
    if (is_overrun(*connection, connection->unsent())) continue;
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

bool Outbox::write(Connection& connection) {
  if (connection.link) {
    connection.link->pending = connection.link->put_outbox(as_text(connection.out.bytes()));
    connection.out.clear(pool_);
    return connection.state != Connection::State::ending;
  }
  if (connection.tls && !sockets_.flush(connection)) return false;
  while (!connection.out.empty()) {
    const auto bytes = connection.out.bytes();
    const auto sent = sockets_.send(connection, {&bytes, 1});
    if (sent == Net::kNothing) break;
    if (sent < 0) return false;
    connection.out.consume(pool_, static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < bytes.size()) break;
  }
  watch_later(connection);
  connection.wants_write = connection.has_unsent();
  if (connection.state == Connection::State::ending && !connection.wants_write) sockets_.end_sending(connection);
  return true;
}

void Outbox::watch_later(Connection& connection) {
  if (connection.deadline != 0 || connection.is_unix || connection.socket < 0) return;
  deadlines_.set(connection, now_ + std::min(options_.host_timeout_ms / 3, kWatchMs));
}

bool Outbox::overrun(Connection& connection) {
  if (connection.door == DoorKind::shard) return false;
  if (connection.answer_bytes < kNoAnswerMore) overrun_.push_back(connection.id);
  connection.answer_bytes = kNoAnswerMore;  // what comes after what was left out would tell of it as if it had come
  return true;
}

bool Outbox::hold(Connection& connection, bool is_event) {
  connection.is_congested = true;
  if (is_event) {
    holds_readers_ = true;
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

bool Outbox::no_more_congested(Connection& connection) {
  connection.is_congested = false;
  if (!std::exchange(connection.events_held, false)) return false;
  connection.deadline = 0;
  --congested_;
  return connection.door != DoorKind::shard && --congested_clients_ == 0;
}

}  // namespace folkmoot
