// A line of the log that anybody could cause as often as they like.
#pragma once

#include <cstdint>
#include <utility>

namespace folkmoot {

class RareLine {
 public:
  /// True once a minute, at most.
  bool is_due(std::int64_t now) {
    if (now < next_) return false;
    next_ = now + 60'000;
    return true;
  }

 private:
  std::int64_t next_ = 0;
};

}  // namespace folkmoot
