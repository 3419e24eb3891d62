// The simulation with one fault of every_fault.py switched on, or none:
//   planted [--fault NAME] [argument of simulation...]
#include <cstdio>
#include <string_view>

#include "simulation/program.hpp"

namespace folkmoot {

unsigned planted = 0;

namespace {

struct Fault {
  std::string_view name;
  unsigned number;
};
constexpr Fault kFaults[] = {
#include "planted.inc"
};

bool switch_on(std::string_view name) {
  for (const auto& fault : kFaults) {
    if (fault.name == name) planted = fault.number;
  }
  return planted != 0;
}

}  // namespace
}  // namespace folkmoot

int main(int argc, char** argv) {
  if (argc >= 2 && std::string_view(argv[1]) == "--fault") {
    if (argc < 3 || !folkmoot::switch_on(argv[2])) {
      std::fprintf(stderr, "planted: there is no fault '%s' in tests/planted\n", argc < 3 ? "" : argv[2]);
      return 2;
    }
    argv[2] = argv[0];
    argc -= 2;
    argv += 2;
  }
  return folkmoot::simulation::program(argc, argv);
}
