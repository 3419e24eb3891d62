// Frames into commands of the engine: one handler for each opcode, in one table (docs/protocol.md, section 2).
#pragma once

#include "server/reactor.hpp"

namespace folkmoot {

/// Carries one frame out. False when the connection has been ended by it.
bool carry_out(Reactor& reactor, Connection& connection, const Frame& frame);
/// One that is this shard's, of an open connection.
bool carry_out_here(Reactor& reactor, Connection& connection, const Frame& frame);

}  // namespace folkmoot
