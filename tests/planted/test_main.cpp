// Unit tests over a module with one fault of every_fault.py switched on, or none:
//   planted_MODULE_test [--fault NAME] [argument of a test...]
#include <gtest/gtest.h>

#include <cstdio>

#include "planted/switch.hpp"

int main(int argc, char** argv) {
  if (argc >= 3 && std::string_view(argv[1]) == "--fault") {
    if (folkmoot::switch_on(argv[2]).empty()) {
      std::fprintf(stderr, "planted: there is no fault '%s' in tests/planted\n", argv[2]);
      return 2;
    }
    argv[2] = argv[0];
    argc -= 2;
    argv += 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
