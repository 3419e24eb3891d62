// How the numbers of strong.hpp and time.hpp are written where people read them: as numbers.
#pragma once

#include <fmt/core.h>

#include "base/strong.hpp"
#include "base/time.hpp"

template <class Tag, class Rep>
struct fmt::formatter<folkmoot::Strong<Tag, Rep>> : fmt::formatter<Rep> {
  auto format(folkmoot::Strong<Tag, Rep> strong, fmt::format_context& context) const {
    return fmt::formatter<Rep>::format(strong.value, context);
  }
};

template <class Tag, class Rep>
struct fmt::formatter<folkmoot::StrongPlace<Tag, Rep>> : fmt::formatter<folkmoot::Strong<Tag, Rep>> {};

template <>
struct fmt::formatter<folkmoot::Duration> : fmt::formatter<std::int64_t> {
  auto format(folkmoot::Duration length, fmt::format_context& context) const {
    return fmt::formatter<std::int64_t>::format(length.ms, context);
  }
};

template <>
struct fmt::formatter<folkmoot::Instant> : fmt::formatter<std::int64_t> {
  auto format(folkmoot::Instant at, fmt::format_context& context) const {
    return fmt::formatter<std::int64_t>::format(at.ms, context);
  }
};
