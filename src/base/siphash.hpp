// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: SipHash, a fast short-input PRF): a hash that nobody who
// does not know its key can find two inputs for.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.hpp"

namespace folkmoot {

struct Hash128 {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};

using SipKey = std::array<std::uint64_t, 2>;

Hash128 siphash128(const SipKey& key, Bytes bytes);

}  // namespace folkmoot
