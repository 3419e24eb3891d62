#pragma once

namespace folkmoot::simulation {

/// The simulation of the server as a program: main() of it, and of the server with faults planted in it.
int server_program(int argc, char** argv);

}  // namespace folkmoot::simulation
