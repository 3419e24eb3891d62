// Numbers that are given once in a run: of requests, waiters and redrives.
#pragma once

#include <cstdint>

namespace folkmoot {

class Serials {
 public:
  std::uint64_t next() { return next_++; }

 private:
  std::uint64_t next_ = 1;
};

}  // namespace folkmoot
