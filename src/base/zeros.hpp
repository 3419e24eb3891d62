// Whether bytes say nothing: what a file has behind its records.
#pragma once

#include <cstring>

#include "base/bytes.hpp"

namespace folkmoot {

inline bool all_zero(Bytes bytes) {
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace folkmoot
