#include "planted/switch.hpp"

namespace folkmoot {

unsigned planted = 0;

namespace {

struct Fault {
  std::string_view name;
  unsigned number;
  std::string_view room;
};
constexpr Fault kFaults[] = {
#include "planted.inc"
};

}  // namespace

std::string_view switch_on(std::string_view name) {
  for (const auto& fault : kFaults) {
    if (fault.name != name) continue;
    planted = fault.number;
    return fault.room;
  }
  return {};
}

}  // namespace folkmoot
