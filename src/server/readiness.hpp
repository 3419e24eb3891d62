// Whether the server takes all that is sent to it: of all its shards together, for probes and for the log, which says
// once that there is no room and once that there is some again, however many shards lack it. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace folkmoot {

class Readiness {
 public:
  bool is_ready() const { return is_running_ && without_room_ == 0; }

  void set_running(bool is_running) { is_running_ = is_running; }  // signal handlers too
  /// One shard has no room for durable messages, where it had some; `why` says what is lacking.
  void lose_room(std::string_view why);
  /// ... has room again.
  void regain_room();

 private:
  std::atomic<bool> is_running_ = false;
  std::atomic<std::uint32_t> without_room_ = 0;  // shards
};

}  // namespace folkmoot
