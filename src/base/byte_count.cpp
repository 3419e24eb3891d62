#include "base/byte_count.hpp"

#include <fmt/format.h>

#include <charconv>

namespace folkmoot {

Result<std::uint64_t> parse_byte_count(std::string_view text) {
  std::uint64_t parsed = 0;
  const auto* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, parsed);
  const std::string_view unit(at, static_cast<std::size_t>(end - at));
  const bool is_plain = unit == "B" || (unit.empty() && parsed == 0);
  const unsigned shift = unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : is_plain ? 0 : 64;
  if (error != std::errc{} || shift == 64 || (parsed << shift) >> shift != parsed) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is not a size with its unit, such as 512B, 64KiB, 8MiB or 1GiB", text));
  }
  return parsed << shift;
}

}  // namespace folkmoot
