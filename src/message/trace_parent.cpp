#include "message/trace_parent.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/bytes.hpp"
#include "base/hex.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kTextBytes = 55;  // version 00: 2 + 1 + 32 + 1 + 16 + 1 + 2

// Two digits; nothing if one is none.
std::optional<std::uint8_t> read_byte(std::string_view digits) {
  std::array<char, 16> padded{};
  padded.fill('0');
  std::memcpy(padded.data() + padded.size() - 2, digits.data(), 2);
  const auto value = read_hex(padded.data());
  return value ? std::optional(static_cast<std::uint8_t>(*value)) : std::nullopt;
}

}  // namespace

std::string TraceParent::trace_id() const { return fmt::format("{:016x}{:016x}", trace_high, trace_low); }

std::string TraceParent::text() const {
  return fmt::format("00-{:016x}{:016x}-{:016x}-{:02x}", trace_high, trace_low, span, flags);
}

// version "-" trace-id "-" parent-id "-" trace-flags; of a version that is not known yet more may follow a "-".
std::optional<TraceParent> parse_trace_parent(std::string_view text) {
  if (text.size() < kTextBytes || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const auto version = read_byte(text.substr(0, 2)), flags = read_byte(text.substr(53, 2));
  const auto high = read_hex(text.data() + 3), low = read_hex(text.data() + 19), span = read_hex(text.data() + 36);
  if (!version || !flags || !high || !low || !span) return std::nullopt;
  if (*version == 0xff || (*high | *low) == 0 || *span == 0) return std::nullopt;
  if (*version == 0 && text.size() != kTextBytes) return std::nullopt;
  if (text.size() > kTextBytes && text[kTextBytes] != '-') return std::nullopt;
  return TraceParent{.trace_high = *high, .trace_low = *low, .span = *span, .flags = *flags};
}

}  // namespace folkmoot
