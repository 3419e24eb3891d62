// An operation that the product does not have: what one more takes is a struct and a handler, and nothing else.
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

struct Echoed {
  std::string text{};
  std::uint32_t shards = 0;

  static constexpr auto fields() {
    return std::array{field<&Echoed::text>(0, "text", "What was said"),
                      field<&Echoed::shards>(1, "shards", "So many have answered", {.merge = Merge::sum})};
  }
};

struct Echo {
  std::string text{};
  std::uint32_t times = 1;

  using Answer = Echoed;
  static constexpr OperationRow kOperation{.name = "test.echo",
                                           .what = "Says what was said",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/test/{text}"};
  static constexpr auto fields() {
    return std::array{field<&Echo::text>(0, "text", "What to say", {.required = true}),
                      field<&Echo::times>(1, "times", "How often", {.min = 1, .max = 3})};
  }
};

template <class Call>
auto carry_out(const Call& call, const Echo& echo) {
  return call.answer(Echoed{echo.text, 1});
}

}  // namespace folkmoot
#define FOLKMOOT_TEST_OPERATION_TYPES Echo
