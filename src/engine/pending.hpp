// Answers and messages that wait until the facts behind them are on disk.
#pragma once

#include <vector>

#include "engine/effects.hpp"
#include "engine/fact_log.hpp"
#include "engine/facts.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

/// What waits for the disk, in the order of the log.
struct Pending {
  enum class Kind : std::uint8_t {
    started,
    accepted,
    duplicate,
    output,
    settled,
    handed_out,
    received,
    batch,
    done,
    contents,
    redrive
  };
  Lsn lsn = 0;
  SessionId session = 0;
  std::uint32_t request = 0;
  Kind kind{};
  bool quiet = false;
  bool in_batch = false;
  bool is_request = false;        // accepted: it waits for a response
  std::uint32_t batch = kNoSlot;  // slot, of a redrive too; of settled and received: count
  std::uint32_t offset = 0;       // accepted in a batch: where its confirm stands in the batch's body
  FactPlace place{};
  AcceptedFact fact{};
  FactPlace dead_place{};  // accepted as dead: of its message_dead fact
  std::vector<LeaseToken> refused{};
};

}  // namespace folkmoot
