// What causes a message, and what the messages of one command count for each other.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <string>

#include "base/uuid.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

/// The causes that stand before a message.
struct Lineage {
  Uuid cause{};               // nil: nothing caused it
  std::uint32_t hops = 0;     // how many there are
  std::string chain{};        // the last kChainMax of them, 16 bytes each, oldest first
  std::string traceparent{};  // of the cause, to be handed on
  std::string silent_for{};   // the sender of the cause, if it expects no reply
  std::string reply_to{};     // of the cause, if that is a reply address and the cause is leased
};

/// What the messages of one command count for each other, which are decided on before any of them is published.
struct CommandTally {
  struct KeyUser {
    std::size_t place = 0;  // among the command's messages
    NameId mailbox = 0;
  };
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> of_pairs, of_conversations;
  boost::unordered_flat_map<std::uint64_t, KeyUser> keys;  // by the lower half of the key's hash
};

}  // namespace folkmoot
