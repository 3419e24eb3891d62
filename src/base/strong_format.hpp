// How the numbers of strong.hpp are written where people read them: as numbers.
#pragma once

#include <fmt/core.h>

#include "base/strong.hpp"

template <class Tag, class Rep>
struct fmt::formatter<folkmoot::Strong<Tag, Rep>> : fmt::formatter<Rep> {
  auto format(folkmoot::Strong<Tag, Rep> strong, fmt::format_context& context) const {
    return fmt::formatter<Rep>::format(strong.value, context);
  }
};

template <class Tag, class Rep>
struct fmt::formatter<folkmoot::StrongPlace<Tag, Rep>> : fmt::formatter<folkmoot::Strong<Tag, Rep>> {};
