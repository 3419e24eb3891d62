#include "operation/merge.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

ConnectionInfo info_of(const Call& call, const Connection& connection) {
  const auto session = call.engine.session(connection.id);
  const bool is_remote = connection.door == DoorKind::remote;  // its own shard knows when it came, and what it said
  return {.id = call.reactor.connection_name(connection),
          .agent = std::string(session.agent),
          .door = std::string(name(Reactor::door_of(connection))),
          .since_ms = is_remote ? 0 : connection.opened_at,
          .last_seen_ms = is_remote ? 0 : connection.heard_at,
          .consumers = session.consumers,
          .subscriptions = session.subscriptions,
          .held = session.held,
          .held_since_ms = session.held_since.ms};
}

}  // namespace

Result<void> carry_out(const Call& call, const ListConnections& arguments) {
  // Those behind `after` that come first, found by one walk over all of them.
  std::map<std::string, const Connection*> first;
  ConnectionPage page;
  call.reactor.each_client([&](const Connection& connection) {
    if (!arguments.agent.empty() && call.engine.agent_of(connection.id) != arguments.agent) return;
    auto id = call.reactor.connection_name(connection);
    if (id <= arguments.after) return;
    first.emplace(std::move(id), &connection);
    if (first.size() > arguments.limit + 1) first.erase(std::prev(first.end()));
  });
  for (const auto& [id, connection] : first) page.connections.push_back(info_of(call, *connection));
  end_page(describe<ConnectionPage>(), &page, arguments.limit);
  return call.answer(page);
}

}  // namespace folkmoot
