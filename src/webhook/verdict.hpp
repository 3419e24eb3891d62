// What is made of how a request ended: what becomes of the message, and what that says of the endpoint.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "server/webhook_board.hpp"
#include "webhook/poster.hpp"

namespace folkmoot {

struct Verdict {
  enum class Then : std::uint8_t {
    settle,     // it has it
    reject,     // it will not have this one, however often: a dead letter
    give_back,  // it is tried again as its retry policy says, or after `rest`
  };
  WebhookEnd end{};
  Then then{};
  bool is_failure = false;  // of the endpoint, as its circuit breaker counts
  bool disables = false;
  std::optional<std::chrono::milliseconds> rest{};  // it asked to be left alone for so long
  std::string reason{};                             // empty: it was delivered
};

constexpr std::chrono::hours kRestMax{24};  // whatever it asks for

Verdict judge(const PostOutcome& outcome);
/// Of one that was delivered, but what it answered cannot be carried out.
Verdict unusable(std::string reason);

}  // namespace folkmoot
