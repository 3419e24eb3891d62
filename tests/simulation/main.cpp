// The simulation of the engine as it is.
#include "simulation/program.hpp"

int main(int argc, char** argv) { return folkmoot::simulation::program(argc, argv); }
