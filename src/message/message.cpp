#include "folkmoot/message.hpp"

#include <array>
#include <charconv>

namespace folkmoot {
namespace {

constexpr std::array<std::string_view, 3> kModes = {"at_most_once", "at_least_once", "exactly_once"};
constexpr std::array<std::string_view, 4> kBackoffs = {"fixed", "linear", "exponential", "exponential_jitter"};

struct NamedPriority {
  std::string_view name;
  Priority priority;
};
constexpr NamedPriority kPriorities[] = {
    {"critical", critical}, {"high", high}, {"normal", normal}, {"low", low}, {"background", background}};

}  // namespace

std::string_view name(DeliveryMode mode) { return kModes[static_cast<std::size_t>(mode)]; }

std::optional<DeliveryMode> parse_mode(std::string_view text) {
  for (std::size_t i = 0; i < kModes.size(); ++i) {
    if (text == kModes[i] || (text.size() == 1 && text[0] == static_cast<char>('0' + i)))
      return static_cast<DeliveryMode>(i);
  }
  return std::nullopt;
}

std::string_view name(Backoff backoff) { return kBackoffs[static_cast<std::size_t>(backoff)]; }

std::optional<Backoff> parse_backoff(std::string_view text) {
  for (std::size_t i = 0; i < kBackoffs.size(); ++i) {
    if (text == kBackoffs[i]) return static_cast<Backoff>(i);
  }
  return std::nullopt;
}

std::string priority_name(Priority priority) {
  for (const auto& known : kPriorities) {
    if (known.priority == priority) return std::string(known.name);
  }
  return std::to_string(priority);
}

std::optional<Priority> parse_priority(std::string_view text) {
  for (const auto& known : kPriorities) {
    if (known.name == text) return known.priority;
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < kPriorityMin || value > kPriorityMax) {
    return std::nullopt;
  }
  return static_cast<Priority>(value);
}

}  // namespace folkmoot
