// Contents made smaller: gzip (RFC 1952) and zstd (RFC 8878), as a message's field `encoding` names them.
//
// What comes from outside may lie about its size and may be made to explode. So the output grows with what is really
// decompressed, never by what a header claims, and stops at a bound; a zstd frame's window, which has to be in memory,
// has one too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace folkmoot {

constexpr std::string_view kGzip = "gzip", kZstd = "zstd";
constexpr int kZstdWindowLogMax = 23;  // 8 MiB, what RFC 8878 asks every decoder for
constexpr std::size_t kDecompressedBytesMax = std::size_t{1} << 30;

/// `content` compressed. Errors: invalid_field (an encoding other than gzip and zstd), io_error (the library refused).
Result<std::string> compress(std::string_view encoding, Bytes content);

/// What `compressed` holds: one gzip member or zstd frame, or several after each other.
///   bytes_max  of the output, at most kDecompressedBytesMax
///   errors     invalid_field (the encoding), malformed (damaged, cut short, something behind the end),
///   content_too_large
Result<std::string> decompress(std::string_view encoding, Bytes compressed, std::size_t bytes_max);

}  // namespace folkmoot
