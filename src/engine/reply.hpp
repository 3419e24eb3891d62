// The engine's answers that are no confirmation, settlement or refusal, as values: whoever has the connection writes
// them down.
#pragma once

#include <cstdint>
#include <variant>

#include "folkmoot/operation/dead.hpp"
#include "folkmoot/operation/mailbox.hpp"
#include "folkmoot/operation/registry.hpp"

namespace folkmoot {

/// A consumer is there; so many messages were ready then.
struct Consuming {
  std::uint32_t ready = 0;
};
/// A RECEIVE got all that it will get.
struct Received {
  std::uint32_t messages = 0;
  std::uint32_t ready = 0;  // so many more may be taken now
};
/// So many dead letters were sent again, and so many could not be and stay.
struct Resent {
  std::uint32_t sent = 0, refused = 0;
};
/// What a WAIT waited for: so many are ready, the first of them with this priority.
struct Ready {
  std::uint32_t messages = 0;
  std::uint32_t priority = 0;
};

using Reply =
    std::variant<Nothing, Consuming, Received, Ready, Purged, Resent, DeletedMailbox, RegisteredAgent, SettledMessage>;

}  // namespace folkmoot
