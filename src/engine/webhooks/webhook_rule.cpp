#include "engine/webhooks/webhook_rule.hpp"

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kWebhookParts = 13;

Result<void> check_length(std::string_view field, Duration value, Duration least, Duration most) {
  if (value >= least && value <= most) return {};
  return failure(ErrorCode::out_of_range,
                 fmt::format("`{}` is {}; {} to {} is possible", field, format_duration_ms(value.ms),
                             format_duration_ms(least.ms), format_duration_ms(most.ms)));
}

Result<void> check_count(std::string_view field, std::uint32_t value, std::uint32_t least, std::uint32_t most) {
  if (value >= least && value <= most) return {};
  return failure(ErrorCode::out_of_range, fmt::format("`{}` is {}; {} to {} is possible", field, value, least, most));
}

Result<void> check_secrets(const std::vector<WebhookKey>& secrets) {
  if (secrets.empty() || secrets.size() > kWebhookKeysMax)
    return failure(ErrorCode::invalid_field, fmt::format("a webhook has 1 to {} secrets", kWebhookKeysMax));
  for (const auto& key : secrets) {
    if (auto good = check_endpoint_secret(key.secret); !good) return good;
  }
  return {};
}

}  // namespace

Result<void> check_webhook(const WebhookRule& rule) {
  if (!is_name(rule.agent) || rule.agent.front() == '@' || rule.agent.front() == '$')
    return failure(ErrorCode::invalid_name, fmt::format("`{}` is not a mailbox name", printable(rule.agent)));
  if (auto good = check_endpoint_url(rule.url); !good) return good;
  if (auto good = check_secrets(rule.secrets); !good) return good;
  if (rule.timeout_ms != 0) {
    if (auto good = check_length("timeout", rule.timeout_ms, kWebhookTimeoutMin, kWebhookTimeoutMax); !good)
      return good;
  }
  if (auto good = check_count("concurrency", rule.concurrency, 1, kWebhookConcurrencyMax); !good) return good;
  if (auto good = check_count("rate", rule.rate, 0, kWebhookRateMax); !good) return good;
  if (auto good = check_count("failures", rule.failures, 1, kWebhookFailuresMax); !good) return good;
  if (auto good = check_length("open", rule.open_ms, kWebhookOpenMin, kWebhookOpenMax); !good) return good;
  if (rule.disable_after_ms != 0)
    return check_length("disable_after", rule.disable_after_ms, kWebhookDisableMin, kWebhookDisableMax);
  return {};
}

std::string pack_webhook(const WebhookRule& rule) {
  std::string out;
  PackWriter writer(out);
  writer.array(kWebhookParts).str(rule.agent).str(rule.url).array(rule.secrets.size());
  for (const auto& key : rule.secrets) writer.array(2).str(key.secret).integer(key.until.ms);
  writer.integer(rule.timeout_ms.ms).uint(rule.concurrency).uint(rule.rate).uint(rule.failures);
  writer.integer(rule.open_ms.ms).integer(rule.disable_after_ms.ms).integer(rule.disabled_at.ms);
  writer.str(rule.disabled_reason).uint(rule.revision);
  writer.uint(0);  // for what a later version adds
  return out;
}

Result<void> unpack_webhook(Bytes body, WebhookRule& rule) {
  PackReader reader(body);
  const auto ms = [&] { return static_cast<std::int64_t>(reader.uint()); };
  const auto number = [&] { return static_cast<std::uint32_t>(reader.uint()); };
  if (reader.array() != kWebhookParts) reader.fail();
  rule.agent = reader.str();
  rule.url = reader.str();
  const auto secrets = reader.array();
  if (secrets > kWebhookKeysMax) reader.fail();
  for (std::size_t i = 0; i < secrets && reader.ok(); ++i) {
    if (reader.array() != 2) reader.fail();
    auto& key = rule.secrets.emplace_back();
    key.secret = reader.str();
    key.until = Instant{ms()};
  }
  rule.timeout_ms = Duration{ms()};
  rule.concurrency = number();
  rule.rate = number();
  rule.failures = number();
  rule.open_ms = Duration{ms()};
  rule.disable_after_ms = Duration{ms()};
  rule.disabled_at = Instant{ms()};
  rule.disabled_reason = reader.str();
  rule.revision = reader.uint();
  reader.skip();
  if (!reader.ok()) return failure(ErrorCode::damaged, "a webhook_set fact breaks off");
  if (auto good = check_webhook(rule); !good) return failure(ErrorCode::damaged, good.error().text);
  return {};
}

}  // namespace folkmoot
