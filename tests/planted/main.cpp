// The simulation of an engine with one fault of faults.py switched on, or none; with one of server_faults.py, or
// --server, that of the server:
//   planted [--fault NAME | --server] [argument of simulation or simulate_server...]
#include <cstdio>
#include <string_view>

#include "simulation/program.hpp"
#include "simulation/server/program.hpp"

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

// Where it is; empty: there is none of that name.
std::string_view switch_on(std::string_view name) {
  for (const auto& fault : kFaults) {
    if (fault.name != name) continue;
    planted = fault.number;
    return fault.room;
  }
  return {};
}

}  // namespace
}  // namespace folkmoot

int main(int argc, char** argv) {
  const std::string_view first = argc >= 2 ? argv[1] : "";
  std::string_view room = first == "--server" ? "server" : "engine";
  int used = first == "--server" ? 1 : 0;
  if (first == "--fault") {
    room = argc < 3 ? std::string_view() : folkmoot::switch_on(argv[2]);
    if (room.empty()) {
      std::fprintf(stderr, "planted: there is no fault '%s' in tests/planted\n", argc < 3 ? "" : argv[2]);
      return 2;
    }
    used = 2;
  }
  argv[used] = argv[0];
  return room == "server" ? folkmoot::simulation::server_program(argc - used, argv + used)
                          : folkmoot::simulation::program(argc - used, argv + used);
}
