// A message's content made smaller for its way, and as it was at its end; `encoding` says which of the two it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// Compresses the content with `encoding` (gzip or zstd) if that makes it smaller and `bytes_max` at most; one that is
/// compressed already stays as it is.
void pack_content(Message& message, std::string_view encoding, std::size_t bytes_max = SIZE_MAX);

/// Decompresses the content of a message that is compressed and has it with it, to `bytes_max` at most. Errors, on
/// which the message stays as it is: those of decompress().
Result<void> unpack_content(Message& message, std::size_t bytes_max);

}  // namespace folkmoot
