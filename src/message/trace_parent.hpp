// `traceparent`: which trace something belongs to, and the span of it that caused it.
//   source   W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/), sections 3.2 and 4.3
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace folkmoot {

/// Its name, as a header and in metadata.
inline constexpr std::string_view kTraceParent = "traceparent";

struct TraceParent {
  std::uint64_t trace_high = 0, trace_low = 0;  // of 128 bits, not both 0
  std::uint64_t span = 0;                       // not 0
  std::uint8_t flags = 0;

  /// Whoever began the trace wants it kept.
  bool is_sampled() const { return (flags & 1) != 0; }
  /// 32 digits.
  std::string trace_id() const;
  /// As version 00 has it.
  std::string text() const;

  bool operator==(const TraceParent&) const = default;
};

/// Nothing if it is not valid. A higher version than 00 is taken for what of it is known.
std::optional<TraceParent> parse_trace_parent(std::string_view text);

}  // namespace folkmoot
