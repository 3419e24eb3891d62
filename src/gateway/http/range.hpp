// The Range header of a request: which bytes of a content are wanted (RFC 9110, section 14).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace folkmoot {

struct ByteRange {
  std::uint64_t begin = 0;  // the first byte
  std::uint64_t end = 0;    // the one after the last
  bool is_satisfiable = true;

  bool operator==(const ByteRange&) const = default;
};

/// What `header` asks for, of `size` bytes (at least 1). Nothing: the whole, also for what is not one range of bytes,
/// as such a header is to be ignored. One that is satisfiable is not empty and within the size.
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size);

}  // namespace folkmoot
