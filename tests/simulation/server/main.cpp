#include "simulation/server/program.hpp"

int main(int argc, char** argv) { return folkmoot::simulation::server_program(argc, argv); }
