// How an agent is woken, in lines for people.
#pragma once

#include <string>
#include <vector>

#include "folkmoot/operations.hpp"

namespace folkmoot::cli {

/// All in one line, with the agent's name.
std::string wake_line(const WakeStatus& wake);
/// The same but for the name, and its policy in further ones.
std::vector<std::string> wake_lines(const WakeStatus& wake);

}  // namespace folkmoot::cli
