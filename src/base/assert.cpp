#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace folkmoot {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr,
               "folkmoot: assertion failed: %s (%s:%d). This is a defect of folkmoot; the journal is unharmed.\n",
               condition, file, line);
  std::abort();
}

}  // namespace folkmoot
