// Connections as people see them.
#include <fmt/format.h>

#include "server/reactor.hpp"

namespace folkmoot {

std::string Reactor::connection_name(const Connection& connection) const {
  if (connection.door == DoorKind::relay && connection.link) return connection.link->origin.connection;
  return fmt::format("{:x}-{:x}", options_.engine.shard, connection.id);
}

DoorKind Reactor::door_of(const Connection& connection) {
  return connection.door == DoorKind::relay && connection.link ? connection.link->origin.door : connection.door;
}

void Reactor::each_client(const std::function<void(const Connection&)>& each) const {
  for (const auto& connection : connections_) {
    if (connection && connection->state == Connection::State::open && connection->door != DoorKind::trunk)
      each(*connection);
  }
}

}  // namespace folkmoot
