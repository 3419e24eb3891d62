// A subscription or consumer as the connection keeps it: what came and is not taken yet, and who waits for it. It
// outlives the socket: after a reconnect it is opened again under the same request number. Owned by the connection's
// strand, but for `missed`.
#pragma once

#include <atomic>
#include <deque>
#include <string>

#include "folkmoot/client.hpp"

namespace folkmoot::detail {

struct Flow {
  std::string frame;         // SUBSCRIBE or CONSUME, to be sent at every connection
  std::uint32_t credit = 0;  // as granted in that frame; 0: without credit
  bool consumer = false;
  std::string pattern{};  // of a subscription, from which its frame is made anew with another filter
  bool echo = false;
  std::size_t ready_max = 0;  // for flows without credit

  std::uint32_t request = 0;  // 0: not known to the connection (any more)
  std::deque<Delivery> ready;
  std::deque<Completion<Delivery>> takers;
  std::uint32_t owed = 0;  // credit that was used up and not given back yet
  std::uint32_t missed_before_next = 0;
  std::atomic<std::uint64_t> missed = 0;
  bool ended = false;
  Error why{};
};

}  // namespace folkmoot::detail
