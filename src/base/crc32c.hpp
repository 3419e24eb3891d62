// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it has one.
#pragma once

#include "base/bytes.hpp"

namespace folkmoot {

/// Continues `crc` (0 to begin) over `bytes`.
std::uint32_t crc32c(std::uint32_t crc, Bytes bytes);

}  // namespace folkmoot
