// FOLKMOOT_ASSERT: our own broken invariant. On in release builds too; prints what it saw and stops the program.
#pragma once

namespace folkmoot {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

#define FOLKMOOT_ASSERT(condition) \
  (__builtin_expect(!!(condition), 1) ? void(0) : ::folkmoot::assertion_failed(#condition, __FILE__, __LINE__))
