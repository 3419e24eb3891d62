// The simulation as a program, whose engine is the one that it is linked with.
#pragma once

namespace folkmoot::simulation {

/// Arguments and exit status as those of main(): 0 if every promise held and every rule was exercised.
int program(int argc, char** argv);

}  // namespace folkmoot::simulation
