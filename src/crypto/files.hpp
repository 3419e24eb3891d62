// Files of keys and certificates: small, and those with a secret for their owner alone.
#pragma once

#include <cstddef>
#include <string>

#include "base/files.hpp"

namespace folkmoot {

constexpr std::size_t kKeyFileBytesMax = 1024 * 1024;  // certificate bundles of systems have 200 KiB

/// Errors: those of read_small_file().
Result<std::string> read_key_file(const std::string& path);

}  // namespace folkmoot
