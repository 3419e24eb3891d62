// A network on which nothing happens.
#pragma once

#include <atomic>

#include "server/net.hpp"

namespace folkmoot {

/// Counts how often it was woken; has no sockets.
class SilentNet : public Net {
 public:
  std::span<const Event> wait(std::int64_t) override { return {}; }
  bool wait_for(std::span<const int>, std::uint32_t, std::int64_t) override { return false; }
  void wake() override { ++wakes; }
  void watch(int, std::uint64_t, std::uint32_t) override {}
  void watch_again(int, std::uint64_t, std::uint32_t) override {}
  void forget(int) override {}
  std::ptrdiff_t receive(int, std::span<std::uint8_t>) override { return kFailed; }
  std::ptrdiff_t send(int, std::span<const Bytes>) override { return kFailed; }
  void end_sending(int) override {}
  void close(int) override {}
  Accepted accept(int) override { return {}; }
  PeerAddress peer(int) override { return {}; }
  std::optional<std::int64_t> owed_ms(int) override { return std::nullopt; }

  std::atomic<int> wakes = 0;
};

}  // namespace folkmoot
