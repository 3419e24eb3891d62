#include "server/webhook_board.hpp"

namespace folkmoot {

WebhookBoard::Rules WebhookBoard::rules() const {
  Rules all;
  const std::lock_guard guard(lock_);
  for (const auto& [shard, rules] : rules_) {
    for (const auto& rule : rules) all.emplace_back(shard, rule);
  }
  return all;
}

WebhookCounts WebhookBoard::counts() const {
  const auto ended = [this](WebhookEnd end) {
    return ends_[static_cast<std::size_t>(end)].load(std::memory_order_relaxed);
  };
  WebhookCounts counts{.ends = {.delivered = ended(WebhookEnd::delivered),
                                .refused = ended(WebhookEnd::refused),
                                .later = ended(WebhookEnd::later),
                                .gone = ended(WebhookEnd::gone),
                                .redirected = ended(WebhookEnd::redirected),
                                .client_error = ended(WebhookEnd::client_error),
                                .server_error = ended(WebhookEnd::server_error),
                                .timed_out = ended(WebhookEnd::timed_out),
                                .unreachable = ended(WebhookEnd::unreachable),
                                .forbidden = ended(WebhookEnd::forbidden),
                                .broken = ended(WebhookEnd::broken),
                                .unusable = ended(WebhookEnd::unusable)}};
  const std::lock_guard guard(lock_);
  for (const auto& [shard, rules] : rules_) {
    for (const auto& rule : rules) {
      const auto known = states_.find(rule->agent);
      const auto breaker = known == states_.end() ? WebhookState::Breaker::closed : known->second.breaker;
      if (known != states_.end()) counts.under_way += known->second.under_way;
      if (rule->disabled_at != 0) {
        ++counts.states.disabled;
      } else if (breaker == WebhookState::Breaker::closed) {
        ++counts.states.closed;
      } else if (breaker == WebhookState::Breaker::open) {
        ++counts.states.open;
      } else {
        ++counts.states.half_open;
      }
    }
  }
  return counts;
}

}  // namespace folkmoot
