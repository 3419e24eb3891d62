// The server's time: Unix milliseconds that never go back, and never run much faster or slower than time does. It goes
// by the system's clock of elapsed time (which the wall clock's jumps leave alone, and which counts while a machine
// sleeps), and finds to the wall clock from wherever that has jumped by running so much faster or slower at most.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <functional>
#include <utility>

namespace folkmoot {

class Clock {
 public:
  /// One part in so many: an hour that the wall clock has jumped by is made up for in 20 hours.
  static constexpr std::int64_t kSlew = 20;

  /// What the two clocks say; nanoseconds.
  struct Reading {
    std::int64_t elapsed = 0, wall = 0;
  };
  using Source = std::function<Reading()>;
  /// By the system's clocks, or by others.
  explicit Clock(Source source = [] { return Reading{read(CLOCK_BOOTTIME), read(CLOCK_REALTIME)}; })
      : source_(std::move(source)) {}

  std::int64_t now() {
    const auto reading = source_();
    return at(reading.elapsed, reading.wall);
  }

  /// The time when the two clocks say this; nanoseconds, `elapsed` never less than before.
  std::int64_t at(std::int64_t elapsed, std::int64_t wall) {
    if (now_ == 0) {
      now_ = wall;
    } else {
      const auto passed = elapsed - elapsed_;
      const auto most = passed / kSlew;
      now_ += passed + std::clamp(wall - (now_ + passed), -most, most);
    }
    elapsed_ = elapsed;
    ahead_ = now_ - wall;
    return now_ / kMs;
  }

  /// By how much it was ahead of the wall clock then, ms; less than 0: behind it.
  std::int64_t ahead() const { return ahead_ / kMs; }

 private:
  static constexpr std::int64_t kMs = 1'000'000;

  static std::int64_t read(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time.tv_sec * 1'000 * kMs + time.tv_nsec;
  }

  Source source_;
  std::int64_t now_ = 0;  // ns
  std::int64_t elapsed_ = 0;
  std::int64_t ahead_ = 0;
};

}  // namespace folkmoot
