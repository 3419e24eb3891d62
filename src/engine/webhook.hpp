// A webhook: an agent's endpoint, to which the messages of its mailbox are posted. As it was set; how it goes is known
// to who posts (server/webhook_board.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "engine/endpoint.hpp"

namespace folkmoot {

constexpr std::size_t kWebhookKeysMax = 4, kWebhookReasonMax = 255;
constexpr std::uint32_t kWebhookConcurrencyMax = 64, kWebhookRateMax = 60'000, kWebhookFailuresMax = 1'000;
constexpr Duration kWebhookTimeoutMin{100}, kWebhookTimeoutMax{300'000};
constexpr Duration kWebhookOpenMin{100}, kWebhookOpenMax{86'400'000};
constexpr Duration kWebhookDisableMin{1'000}, kWebhookDisableMax{366LL * 86'400'000};

/// What requests are signed with.
struct WebhookKey {
  std::string secret{};  // whsec_ and base64
  Instant until = 0;     // of one that was replaced; 0: it is the newest

  bool operator==(const WebhookKey&) const = default;
};

struct WebhookRule {
  std::string agent{}, url{};
  std::vector<WebhookKey> secrets{};            // the newest first
  Duration timeout_ms = 0;                      // of a request and its answer; 0: as the server has it
  std::uint32_t concurrency = 4;                // requests at a time
  std::uint32_t rate = 0;                       // a minute; 0: no bound
  std::uint32_t failures = 5;                   // in a row, after which nothing is posted ...
  Duration open_ms{30'000};                     // ... for so long
  Duration disable_after_ms{5LL * 86'400'000};  // of failing; 0: never
  Instant disabled_at = 0;                      // 0: it is not
  std::string disabled_reason{};
  std::uint64_t revision = 0;  // grows with each change

  bool operator==(const WebhookRule&) const = default;
};

/// As it stands: never changed, but another one put in its place.
using SharedWebhookRule = std::shared_ptr<const WebhookRule>;

}  // namespace folkmoot
