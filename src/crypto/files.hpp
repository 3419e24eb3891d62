// Files of keys and certificates: small, read whole, and those with a secret for their owner alone.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

constexpr std::size_t kKeyFileBytesMax = 1024 * 1024;  // certificate bundles of systems have 200 KiB

/// Errors: io_error, out_of_range for one that is longer than kKeyFileBytesMax.
Result<std::string> read_key_file(const std::string& path);

enum class FileFor : std::uint8_t { owner, everybody };  // mode 0600, mode 0644

/// A new file, synced. Errors: already_exists, io_error; what was begun is removed then.
Result<void> write_new_file(const std::string& path, std::string_view text, FileFor reader);
/// In the place of the file that is there, if there is one: nobody sees half of it. Errors: io_error.
Result<void> replace_file(const std::string& path, std::string_view text, FileFor reader);

}  // namespace folkmoot
