// The simulation of engine and journal with one fault of every_fault.py switched on, or none; with one of the server,
// or --server, that of the server:
//   planted [--fault NAME | --server] [argument of simulation or simulate_server...]
#include <cstdio>

#include "planted/switch.hpp"
#include "simulation/program.hpp"
#include "simulation/server/program.hpp"

int main(int argc, char** argv) {
  const std::string_view first = argc >= 2 ? argv[1] : "";
  std::string_view room = first == "--server" ? "server" : "engine";
  int used = first == "--server" ? 1 : 0;
  if (first == "--fault") {
    room = argc < 3 ? std::string_view() : folkmoot::switch_on(argv[2]);
    if (room.empty() || room == "filter") {  // unit tests have those of the filter
      std::fprintf(stderr, "planted: there is no fault '%s' of what is simulated in tests/planted\n",
                   argc < 3 ? "" : argv[2]);
      return 2;
    }
    used = 2;
  }
  argv[used] = argv[0];
  return room == "server" ? folkmoot::simulation::server_program(argc - used, argv + used)
                          : folkmoot::simulation::program(argc - used, argv + used);
}
