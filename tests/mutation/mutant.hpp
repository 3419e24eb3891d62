// A mutant's switch: which mistake is on, of all that the copies of tests/mutation have in them.
#pragma once

#include <cstdint>

namespace folkmoot {
namespace mutation {

/// From FOLKMOOT_MUTANT, before main(): the number of the mutant that is on, or 0.
extern std::uint32_t on;
/// From FOLKMOOT_MUTANT_REACHED, a file: every switch that is asked is written down.
extern bool recording;
void reach(std::uint32_t number) noexcept;

/// What was reached until now is forgotten, or written down under this name with the seconds that it took.
void begin();
void end(const char* name, double seconds);

}  // namespace mutation

/// Whether the mistake of that number is made. Never while compiling.
constexpr bool mutant(std::uint32_t number) noexcept {
  if consteval {
    return false;
  } else {
    if (mutation::recording) mutation::reach(number);
    return mutation::on == number;
  }
}

}  // namespace folkmoot
