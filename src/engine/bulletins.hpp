// What the server says by itself, in words of JSON: the contents of its events and of what it writes to senders. The
// one place of the engine that knows of JSON.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/facts.hpp"

namespace folkmoot::bulletins {

/// The causes of a message, as its envelope has them.
struct Chain {
  std::uint32_t hops = 0;
  Bytes ids{};  // 16 bytes each, oldest first
};

/// A message that is dead. What is empty is not said.
struct Death {
  Uuid id{};
  std::string_view mailbox{}, from{};
  DeadReason reason{};
  std::string_view text{};  // why, in words
  Instant at = 0;
  std::uint32_t deliveries = 0;
  std::optional<Chain> chain{};
};
/// The event.
std::string event_of(const Death& death);
/// What its sender is told.
std::string message_of(const Death& death);

/// A message that a limit on loops stopped, and that nothing kept.
struct Stopped {
  std::string_view mailbox{}, topic{}, from{};
  std::string_view text{};
  Instant at = 0;
  Chain chain{};
};
std::string event_of(const Stopped& stopped);

/// A schedule that could not send its message.
std::string event_of_failed_schedule(std::string_view schedule, const Error& error, Instant at);

/// An event that a consumer was given so often in vain that it is passed over.
std::string event_of_skipped(std::string_view stream, std::string_view consumer, std::uint64_t sequence,
                             std::uint32_t deliveries, Instant at);
/// An agent that has come, gone, or changed.
struct AgentNews {
  std::string_view agent{}, id{}, type{}, health{}, status{};  // id empty: it is not registered
  std::span<const std::string_view> capabilities{};
  std::uint64_t revision = 0;
  Instant at = 0;
};
std::string event_of(const AgentNews& news);

}  // namespace folkmoot::bulletins
