// A durable subscription: each event of its pattern that its filter holds for is also a message in a mailbox.
#pragma once

#include <string>

#include "engine/fact_log.hpp"
#include "engine/topic_index.hpp"

namespace folkmoot {

struct DurableSubscription : TopicSubscription {
  std::string name{};
  std::string mailbox{};
  std::uint64_t kept = 0;    // events since the server started
  std::uint64_t missed = 0;  // that its mailbox, or the disk, had no room for
  FactPlace fact{};
};

}  // namespace folkmoot
