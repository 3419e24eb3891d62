// How connections come and go: accepting, time-outs, hosts that vanish, the first and the last words.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/strong_format.hpp"
#include "message/pack.hpp"
#include "server/reactor.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kEndingMs = 2'000;  // for a peer to take its GOODBYE
constexpr std::int64_t kAcceptRetryMs = 100;
constexpr int kAcceptsAtOnce = 64;

}  // namespace

void Reactor::end_session(Connection& connection) {
  if (connection.state == Connection::State::open) {
    --open_by_door_[static_cast<std::size_t>(connection.door)];
    if (connection.remote_sessions) router_->close(connection);
    contents_.close_session(connection.id);
    backup_reader_.close(connection.id);
    seen_.saw(engine_.agent_of(connection.id), connection.door, connection.heard_at);
    agent_watches_.close(connection.id);
    presence_.went(engine_.agent_of(connection.id), connection.door);
    engine_.close_session(connection.id);
  }
  connection.state = Connection::State::ending;
  partial_frames_.drop(connection);
  if (!connection.is_congested) return;
  if (outbox_.no_more_congested(connection) && router_) shard_links_go_on_ = true;
  if (!outbox_.has_congested()) resume_readers();
}

void Reactor::close_connection(Connection& connection) {
  end_session(connection);
  if (connection.socket >= 0) net_->close(connection.socket);
  if (connection.link) connection.link->end_by_reactor();
  outbox_.clear(connection);
  newcomers_.leave(connection.id);
  connections_.remove(connection.id);
}

void Reactor::accept_all(std::size_t index) {
  const auto listener = listeners_[index];
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const auto accepted = net_->accept(listener.socket);
    switch (accepted.what) {
      case Net::Accepted::What::no_files:
        if (!listeners_.rest()) return;
        if (files_warning_.is_due(now_))
          spdlog::warn("no file descriptors left for more than {} connections; raise `ulimit -n`", connections_.size());
        return deadlines_.look_at_listeners(now_ + kAcceptRetryMs);
      case Net::Accepted::What::nothing:
        return;
      case Net::Accepted::What::taken:
        break;
    }
    if (connections_.size() >= options_.connections_max) {
      net_->close(accepted.socket);
      continue;
    }
    auto& connection = connections_.add(accepted.socket, nullptr);
    connection.is_unix = listener.is_unix;
    listen_to(connection);
    if (const auto leaves = newcomers_.enter(connection.id, accepted.peer)) displace(*leaves);
  }
}

void Reactor::listen_to(Connection& connection) {
  connection.interest = Net::kReadable;
  net_->watch(connection.socket, token(Wake::connection, connection.id.value), Net::kReadable);
  deadlines_.set(connection, now_ + options_.login.timeout_ms);
}

// One that has not said who it is goes for a newer one.
void Reactor::displace(SessionId newcomer) {
  ++displaced_;
  if (displaced_warning_.is_due(now_)) {
    spdlog::warn(
        "connections are closed before they have said HELLO or sent a request, {} so far: there are more of them than "
        "login.connections ({}), or of one address than login.per_address ({})",
        displaced_, options_.login.connections_max, options_.login.of_address_max);
  }
  if (auto* const connection = find(newcomer)) close_connection(*connection);
}

void Reactor::update_interest(Connection& connection) {
  if (connection.socket < 0) return;
  sockets_.hear_again(connection);
  const auto wanted = (connection.is_read() ? Net::kReadable : 0u) | (connection.wants_write ? Net::kWritable : 0u);
  if (wanted == connection.interest) return;
  connection.interest = wanted;
  net_->watch_again(connection.socket, token(Wake::connection, connection.id.value), wanted);
}

void Reactor::on_deadlines() {
  while (const auto due = deadlines_.take(now_)) {
    if (due->id == 0) {
      listeners_.take_up();
      continue;
    }
    auto* const connection = find(due->id);
    if (connection == nullptr || connection->due != due->at) continue;
    connection->due = 0;
    if (const auto frame_at = partial_frames_.deadline(*connection); frame_at != 0 && frame_at <= now_) {
      on_late_frame(*connection);
    } else if (connection->deadline != 0 && connection->deadline <= now_) {
      connection->deadline = 0;
      on_deadline(*connection);
    }
    if (find(due->id) != connection) continue;
    deadlines_.look_at(*connection, connection->deadline);
    deadlines_.look_at(*connection, partial_frames_.deadline(*connection));
  }
}

// What the connection's state had time for is not done.
void Reactor::on_deadline(Connection& connection) {
  switch (connection.state) {
    case Connection::State::fresh:
    case Connection::State::ending:
      close_connection(connection);
      break;
    case Connection::State::greeting:
      say_goodbye(connection, {ErrorCode::timed_out,
                               fmt::format("no HELLO within {} ms (login.timeout)", options_.login.timeout_ms),
                               "say HELLO as the first thing"});
      break;
    case Connection::State::open:
      if (!connection.events_held) {  // mail waits for whoever reads it, however slowly
        watch_host(connection);
        break;
      }
      spdlog::warn("connection {} is cut: it did not read {} bytes in {} ms", session_slot(connection.id).value,
                   connection.out.size(), options_.slow_consumer_ms);
      say_goodbye(connection, {ErrorCode::slow_consumer, "too much was waiting for this connection for too long"});
      break;
  }
}

void Reactor::on_late_frame(Connection& connection) {
  if (connection.is_paused) return partial_frames_.restart(connection, now_);
  ++late_frames_;
  const auto frame_bytes = connection.in->frame_bytes();
  const auto text = fmt::format("a frame was not whole after {} ms: {} bytes of {} had come (frame.timeout)",
                                partial_frames_.time_of(frame_bytes), connection.in->bytes.size(), frame_bytes);
  if (late_line_.is_due(now_)) spdlog::info("connection {} is cut: {}", session_slot(connection.id).value, text);
  say_goodbye(connection, {ErrorCode::timed_out, text});
}

// With bytes on their way, TCP itself takes a quarter of an hour to notice that a host has vanished, and its leases
// with it. One that does not read answers at least the kernel's questions whether it does, every 120 s; the default
// forgives one lost. (Without, keep-alive notices.)
void Reactor::watch_host(Connection& connection) {
  if (connection.socket < 0 || connection.is_unix) return;
  const auto silent_ms = net_->owed_ms(connection.socket);
  const bool was_owed = std::exchange(connection.owes_ack, silent_ms.has_value());
  if (!silent_ms) return;
  // What has just been sent proves nothing.
  if (!was_owed || *silent_ms < options_.host_timeout_ms) return outbox_.watch_later(connection);
  spdlog::warn("connection {} is cut: nothing was heard of its host for {} ms", session_slot(connection.id).value,
               *silent_ms);
  close_connection(connection);
}

void Reactor::welcome(Connection& connection, RequestNumber request, std::string_view agent, ConnectionId of_connection,
                      bool is_bound) {
  connection.state = Connection::State::open;
  connection.deadline = 0;
  newcomers_.leave(connection.id);
  ++open_by_door_[static_cast<std::size_t>(connection.door)];
  connection.opened_at = connection.heard_at = now_;
  seen_.saw(agent, connection.door, now_);
  engine_.open_session(connection.id, agent, connection.door == DoorKind::shard, of_connection);
  if (is_bound || (connection.who && connection.who->is_bound())) engine_.accounts().bind(connection.id);
  presence_.came(engine_.agent_of(connection.id), connection.door);
  if (router_) router_->opened(connection, agent);
  std::string body;
  PackWriter(body)
      .map(7)
      .uint(0)
      .uint(kProtocolVersion)
      .uint(1)
      .str("folkmoot " + options_.version)
      .uint(2)
      .uint(connection.id.value);
  PackWriter(body)
      .uint(3)
      .uint(options_.frame_bytes_max)
      .uint(4)
      .uint(options_.content_bytes_max)
      .uint(5)
      .uint(engine_.node());
  PackWriter(body).uint(6).uint(options_.content.bytes_max);
  effects_.answer(connection.id, Opcode::welcome, request, {as_bytes(body)});
}

void Reactor::say_goodbye(Connection& connection, const Error& why) {
  // What was left out of its answers was so before anything else that is wrong with it by now.
  const auto error = outbox_.is_cut(connection) && why.code != ErrorCode::shutting_down ? Outbox::too_slow() : why;
  if (error.code != ErrorCode::shutting_down) goodbyes_.add(connection.door, error.code);
  const auto code = static_cast<std::uint16_t>(error.code);
  const auto joined = joined_text(error);
  const auto text = as_bytes(joined);
  auto* const at = outbox_.extend(connection, Opcode::goodbye, 0, 0, sizeof code + text.size(), error.retry_after_s);
  store(at, code);
  std::memcpy(at + sizeof code, text.data(), text.size());
  end_session(connection);
  deadlines_.set(connection, now_ + kEndingMs);
}

// -- as people see them

std::string Reactor::connection_name(const Connection& connection) const {
  if (connection.door == DoorKind::remote && connection.link) return connection.link->origin.connection;
  return fmt::format("{:x}-{:x}", options_.engine.shard, connection.id.value);
}

DoorKind Reactor::door_of(const Connection& connection) {
  return connection.door == DoorKind::remote && connection.link ? connection.link->origin.door : connection.door;
}

void Reactor::each_client(const std::function<void(const Connection&)>& each) const {
  connections_.each([&](const Connection& connection) {
    if (connection.state == Connection::State::open && connection.door != DoorKind::shard) each(connection);
  });
}

}  // namespace folkmoot
