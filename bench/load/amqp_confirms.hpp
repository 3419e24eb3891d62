// Counts what a broker of AMQP 0-9-1 has confirmed, of messages that are numbered from 1 on.
#pragma once

#include <cstdint>

namespace folkmoot::bench {

class AmqpConfirms {
 public:
  /// How many messages this basic.ack confirms that were not confirmed before. Confirms out of order are counted one by
  /// one, so the total is right as soon as nothing is in flight.
  std::uint64_t add(std::uint64_t tag, bool multiple) {
    if (multiple) {
      // Everything up to the tag.
      const std::uint64_t count = tag - below_ - alone_;
      below_ = tag;
      alone_ = 0;
      return count;
    }
    if (tag == below_ + 1 && alone_ == 0) {
      below_ = tag;
    } else {
      ++alone_;
    }
    return 1;
  }

 private:
  std::uint64_t below_ = 0;  // all up to this one are confirmed
  std::uint64_t alone_ = 0;  // confirmed beyond it
};

}  // namespace folkmoot::bench
