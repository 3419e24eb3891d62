// What the engine and those who speak to it call connections, leases and what was asked for: types of their own, which
// are not taken for each other.
#pragma once

#include "base/strong.hpp"
#include "base/uuid.hpp"

namespace folkmoot {

/// Where something stands in a table in memory (slab.hpp): it is used again when that is gone.
using Slot = StrongPlace<struct SlotTag, std::uint32_t>;
constexpr Slot kNoSlot{~0u};

/// What a client calls something that it asked for. Not known to be free before it is looked up.
using RequestNumber = StrongPlace<struct RequestNumberTag, std::uint32_t>;

/// A connection, as server and engine name it: slot in the low 32 bits, and a serial above that is never used again.
using SessionId = Strong<struct SessionIdTag, std::uint64_t>;
constexpr SessionId session_id(std::uint32_t serial, Slot slot) {
  return SessionId{std::uint64_t{serial} << 32 | slot.value};
}
constexpr Slot session_slot(SessionId id) { return Slot{static_cast<std::uint32_t>(id.value)}; }

/// A client's connection, by the same number in each shard that it has a session in. 0 is none.
using ConnectionId = Strong<struct ConnectionIdTag, std::uint64_t>;
/// `session`: of the connection, in the shard that is its home. Two are alike only after 2^28 others in one place.
constexpr ConnectionId connection_id(ShardNumber home, SessionId session) {
  return ConnectionId{std::uint64_t{home.value} << kShardShift | (session.value & ~std::uint64_t{0} >> kShardBits)};
}

/// A delivery not yet settled. 0 is none.
using LeaseToken = Strong<struct LeaseTokenTag, std::uint64_t>;

}  // namespace folkmoot
