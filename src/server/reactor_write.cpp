// Writing: buffers into sockets and links, and what follows once a connection has taken enough.
#include <spdlog/spdlog.h>

#include "server/reactor.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {

void Reactor::flush_dirty() {
  outbox_.send_fan_out();
  for (const auto id : outbox_.take_overrun()) {
    auto* const connection = find(id);
    if (connection == nullptr || connection->state != Connection::State::open) continue;
    spdlog::warn("connection {} is cut: more than {} bytes waited for it", session_slot(id).value,
                 options_.pending_bytes_max);
    say_goodbye(*connection, Outbox::too_slow());
  }
  outbox_.each_dirty([this](Connection& connection) { flush(connection); });
}

void Reactor::flush(Connection& connection) {
  if (!outbox_.write(connection)) return close_connection(connection);
  update_interest(connection);
  check_pending(connection);
}

// Lets deliveries and publishers go on once a connection has read enough.
void Reactor::check_pending(Connection& connection) {
  contents_.on_drained(connection.id);
  if (connection.remote_sessions && connection.remote_sessions->is_behind && !outbox_.is_behind(connection))
    router_->on_drained(connection);
  if (!outbox_.has_drained(connection)) return;
  if (outbox_.no_more_congested(connection) && router_) shard_links_go_on_ = true;
  outbox_.watch_later(connection);
  if (std::exchange(connection.engine_held, false)) engine_.session_writable(connection.id);
  if (!outbox_.has_congested() && journal_.staged_bytes() < options_.staged_bytes_max) resume_readers();
}

}  // namespace folkmoot
