// Small files, read whole and written whole; folders that are their owner's alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Errors: io_error (also what is no regular file), out_of_range for one that is longer.
Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max);

enum class FileFor : std::uint8_t { owner, everybody };  // mode 0600, mode 0644

/// A new file, synced. Errors: already_exists, io_error; what was begun is removed then.
Result<void> write_new_file(const std::string& path, std::string_view text, FileFor reader);
/// In the place of the file that is there, if there is one: nobody sees half of it. Errors: io_error.
Result<void> replace_file(const std::string& path, std::string_view text, FileFor reader);

/// A folder of mode 0700, and what is missing above it as the system makes folders; one that is there stays as it is.
/// Errors: io_error.
Result<void> make_private_folder(const std::string& path);

}  // namespace folkmoot
