// Numbers that are given once in a run: of requests, waiters and redrives. They say which shard gave them.
#pragma once

#include "engine/options.hpp"
#include "message/limits.hpp"

namespace folkmoot {

class Serials {
 public:
  void start(std::uint32_t shard) { next_ = std::uint64_t{shard} << kShardShift | 1; }
  std::uint64_t next() { return next_++; }

 private:
  std::uint64_t next_ = 1;
};

}  // namespace folkmoot
