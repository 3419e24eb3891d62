// A bounded pool of what is costly to make and can be used again, such as connections to one address. It makes nothing
// and reads no clock: it gives an idle item or says that there is room for a new one, and closes what is idle for long.
//
//   const auto grant = pool.acquire(now_ms);
//   if (!grant) ...                              // all in use: wait, or pass the error on
//   auto connection = *grant ? std::move(**grant) : open();
//   ... pool.release(std::move(connection), now_ms), or pool.forget() if it broke or open() failed
//
// Invariants: in_use() + idle() <= items_max; idle ones are in the order of their release, the oldest in front.
// Not for several threads at a time.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/assert.hpp"
#include "base/error.hpp"

namespace folkmoot {

inline constexpr std::size_t kPoolItemsMax = 65'536;
inline constexpr std::int64_t kPoolIdleMsMax = 86'400'000;

struct PoolOptions {
  std::size_t items_max = 16;     // idle and in use, 1 to kPoolItemsMax
  std::int64_t idle_ms = 60'000;  // 1 to kPoolIdleMsMax
};

/// Errors: out_of_range, naming the option, its value and its limits.
inline Result<void> check(const PoolOptions& options) {
  const auto refuse = [](const char* option, auto value, auto max) {
    return failure(ErrorCode::out_of_range, fmt::format("pool: {} is {}; it may be 1 to {}", option, value, max));
  };
  if (options.items_max < 1 || options.items_max > kPoolItemsMax) {
    return refuse("items_max", options.items_max, kPoolItemsMax);
  }
  if (options.idle_ms < 1 || options.idle_ms > kPoolIdleMsMax) {
    return refuse("idle_ms", options.idle_ms, kPoolIdleMsMax);
  }
  return {};
}

/// `Item` is movable, and closed by its destructor. `now_ms` is milliseconds of one clock that never goes back.
template <class Item>
class Pool {
 public:
  /// Requires: `check(options)` holds.
  explicit Pool(const PoolOptions& options = {}) : options_(options) { FOLKMOOT_ASSERT(check(options)); }

  /// The idle item that was released last (so that what is not needed stays idle), or an empty optional: make one, its
  /// place is held. Either way it is in use until `release` or `forget`. Idle ones past their time are closed first.
  /// Errors: limit_reached if all are in use.
  Result<std::optional<Item>> acquire(std::int64_t now_ms) {
    close_idle(now_ms);
    std::optional<Item> item;
    if (!idle_.empty()) {
      item.emplace(std::move(idle_.back().item));
      idle_.pop_back();
    } else if (in_use_ == options_.items_max) {
      return failure(ErrorCode::limit_reached, fmt::format("all {} of the pool are in use", options_.items_max));
    }
    ++in_use_;
    return item;
  }

  /// Gives back one that is in use and can be used again. Requires: in_use() > 0.
  void release(Item item, std::int64_t now_ms) {
    forget();
    idle_.push_back({std::move(item), now_ms});
  }

  /// One that was in use is gone: it broke, or could not be made. Requires: in_use() > 0.
  void forget() {
    FOLKMOOT_ASSERT(in_use_ > 0);
    --in_use_;
  }

  /// Closes what has been idle for `idle_ms` or longer, and says how many that were.
  std::size_t close_idle(std::int64_t now_ms) {
    std::size_t closed = 0;
    for (; !idle_.empty() && now_ms - idle_.front().since_ms >= options_.idle_ms; ++closed) idle_.pop_front();
    return closed;
  }

  /// When `close_idle` will have something to do; nothing if none is idle.
  std::optional<std::int64_t> next_close_ms() const {
    if (idle_.empty()) return std::nullopt;
    return idle_.front().since_ms + options_.idle_ms;
  }

  std::size_t in_use() const { return in_use_; }
  std::size_t idle() const { return idle_.size(); }

 private:
  struct Idle {
    Item item;
    std::int64_t since_ms;
  };

  PoolOptions options_;
  std::deque<Idle> idle_;
  std::size_t in_use_ = 0;
};

}  // namespace folkmoot
