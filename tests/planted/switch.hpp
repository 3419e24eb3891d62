// Which of the faults of every_fault.py is switched on.
#pragma once

#include <string_view>

namespace folkmoot {

extern unsigned planted;  // its number; 0: none

/// Switches a fault on. The room of src that it is in; empty: there is none of that name.
std::string_view switch_on(std::string_view name);

}  // namespace folkmoot
