// What agents publish, in the simulation's words.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "folkmoot/message.hpp"
#include "simulation/guards.hpp"

namespace folkmoot::simulation {

/// A message as its sender asked for it. Content begins with its number.
struct Published {
  std::size_t mailbox = 0, sender = 0;  // indices of World::names
  Priority priority = normal;
  bool once = false, transient = false;
  std::optional<std::int64_t> ttl_ms{};       // 0: for ever; none: as its mailbox says
  std::int64_t deliver_at = 0, delay_ms = 0;  // one of them at most
  std::int64_t expires_at = 0;                // only without ttl_ms
  std::uint64_t key = 0;                      // 0: none
  std::uint32_t group = 0;                    // 0: none
  std::uint32_t content = 0;                  // stored by reference; 0: it is in the message
  std::optional<RetryPolicy> retry{};
  bool bounce = false;
  bool silent = false;             // expects no reply
  std::uint32_t conversation = 0;  // 0: none
  std::uint32_t tokens = 0;        // what it reports to have cost; 0: nothing
  std::optional<std::size_t> reply_to{};
  std::string handed_on{};  // the reply address of a request that its answers are for
  std::optional<Caused> caused{};
  bool changed = false;    // sent again by who has changed it: whose it was is not said any more
  bool scheduled = false;  // a schedule sends copies of it
  std::optional<std::set<std::size_t>>
      routed{};  // names no recipient; the mailboxes it may go to, none if no route fits
};

}  // namespace folkmoot::simulation
