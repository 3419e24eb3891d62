#include "server/operations/call.hpp"

namespace folkmoot {
namespace {

// Over a connection of its own that lasts, that is the better sign of life.
bool beats(const Call& call, std::string_view agent) {
  const auto* const connection = call.reactor.find(call.session);
  const bool lasts = connection != nullptr && Reactor::door_of(*connection) != DoorKind::http;
  return !lasts || call.caller.agent != agent;
}

}  // namespace

Result<void> carry_out(const Call& call, const RegisterAgent& arguments) {
  call.engine.registry().set({call.session, call.request}, arguments, beats(call, arguments.agent));
  return {};
}

Result<void> carry_out(const Call& call, const UpdateAgent& arguments) {
  call.engine.registry().update({call.session, call.request}, arguments);
  return {};
}

Result<void> carry_out(const Call& call, const ShowAgent& arguments) {
  const auto known = call.engine.registry().show(arguments.agent);
  if (!known) return std::unexpected(known.error());
  return call.answer(*known);
}

Result<void> carry_out(const Call& call, const RemoveAgent& arguments) {
  call.engine.registry().remove({call.session, call.request}, arguments.agent);
  return {};
}

// The load counts for routes of all shards.
Result<void> carry_out(const Call& call, const BeatAgent& arguments) {
  const auto beat = call.engine.registry().beat(arguments.agent, arguments.load);
  if (!beat) return std::unexpected(beat.error());
  if (arguments.load)
    call.reactor.presence().tell_load(call.engine.registry().name_of(arguments.agent), *arguments.load);
  return call.answer(*beat);
}

Result<void> carry_out(const Call& call, const QuarantineAgent& arguments) {
  call.engine.registry().quarantine({call.session, call.request}, arguments.agent, arguments.reason);
  return {};
}

Result<void> carry_out(const Call& call, const ReleaseAgent& arguments) {
  call.engine.registry().release({call.session, call.request}, arguments.agent);
  return {};
}

Result<void> carry_out(const Call& call, const DiscoverAgents& arguments) {
  const auto found = call.engine.registry().discover(arguments);
  if (!found) return std::unexpected(found.error());
  return call.answer(*found);
}

Result<void> carry_out(const Call& call, const WatchAgents& arguments) {
  const auto changes = call.engine.registry().changes(arguments.after, arguments.limit);
  if (!changes) return std::unexpected(changes.error());
  if (arguments.wait.count() == 0 || changes->reset || !changes->changes.empty()) return call.answer(*changes);
  return call.reactor.agent_watches().wait(call.later(), arguments, call.reactor.time() + arguments.wait.count());
}

}  // namespace folkmoot
