// The tap: what happens to messages of mailboxes, kept for a moment for those who look on. It holds nobody up: what is
// overtaken is gone, and whoever asks is told how much that was. While nobody has asked for a while nothing is kept.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "base/uuid.hpp"
#include "engine/run.hpp"

namespace folkmoot {

enum class TapWhat : std::uint8_t { accepted, delivered, settled, returned, dead, cancelled };

struct TapRecord {
  Instant at = 0;
  TapWhat what{};
  Uuid id{};
  NameId mailbox = 0;  // name ids
  NameId sender = 0;
  NameId holder = 0;  // 0: nobody, or not named
  std::uint32_t deliveries = 0;
  std::string reason{};
  std::string message{};  // envelope and content, unless that is too large: then the envelope
};

class Tap {
 public:
  explicit Tap(const Run& run) : run_(run) {}

  bool is_on() const { return run_.now() < until_; }
  /// Requires: is_on().
  void note(TapRecord record);
  /// Keeps what happens from now on, for a while. The number of the last record so far.
  std::uint64_t listen();
  /// Calls `each(number, record)` for those behind `after` until it returns false. How many of them are gone already.
  std::uint64_t each_after(std::uint64_t after,
                           const std::function<bool(std::uint64_t number, const TapRecord& record)>& each) const;
  /// Forgets what nobody has asked for.
  void tidy() {
    if (!records_.empty() && !is_on()) [[unlikely]]
      forget();
  }

 private:
  static constexpr Duration kListenMs{10'000};
  static constexpr std::size_t kRecordsMax = 10'000;
  static constexpr std::size_t kBytesMax = 8 << 20;  // of their messages
  void forget();

  const Run& run_;
  Instant until_ = 0;
  std::deque<TapRecord> records_;
  std::uint64_t last_ = 0;  // number of the last one
  std::size_t bytes_ = 0;
};

}  // namespace folkmoot
