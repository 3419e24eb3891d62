#include "gateway/http/range.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/http/head.hpp"

namespace folkmoot {
namespace {

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || at != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (lower_case(header.substr(0, kUnit.size())) != kUnit) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const auto dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = header.substr(0, dash), last = header.substr(dash + 1);
  const auto from = number(first), to = number(last);
  if ((!from && !first.empty()) || (!to && !last.empty()) || (!from && !to)) return std::nullopt;
  if (!from) return ByteRange{.begin = size - std::min(*to, size), .end = size, .is_satisfiable = *to > 0};
  if (to && *to < *from) return std::nullopt;
  return ByteRange{.begin = *from, .end = to ? std::min(*to, size - 1) + 1 : size, .is_satisfiable = *from < size};
}

}  // namespace folkmoot
