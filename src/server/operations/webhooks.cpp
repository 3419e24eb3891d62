#include <fmt/format.h>

#include "base/utf8.hpp"
#include "operation/merge.hpp"
#include "server/durations.hpp"
#include "server/operations/call.hpp"
#include "server/operations/name_pattern.hpp"

namespace folkmoot {
namespace {

static_assert(kWebhookUrlMost == kEndpointUrlMax && kWebhookSecretMost == kEndpointSecretMax &&
              kWebhookReasonMost == kWebhookReasonMax);

Asker asker_of(const Call& call) { return {call.session, call.request}; }

WebhookStatus webhook_status(const Call& call, const WebhookRule& rule) {
  const auto now = call.engine.now();
  WebhookStatus status{.agent = rule.agent,
                       .url = rule.url,
                       .policy = {.timeout = in_ms(rule.timeout_ms),
                                  .concurrency = rule.concurrency,
                                  .rate = rule.rate,
                                  .failures = rule.failures,
                                  .open = in_ms(rule.open_ms),
                                  .disable_after = in_ms(rule.disable_after_ms)},
                       .revision = rule.revision,
                       .disabled_at_ms = rule.disabled_at.ms,
                       .disabled_reason = rule.disabled_reason};
  status.secrets = static_cast<std::uint32_t>(
      std::ranges::count_if(rule.secrets, [&](const WebhookKey& key) { return key.until == 0 || key.until > now; }));
  if (MailboxStats stats; call.engine.mailboxes().stats(rule.agent, stats)) status.ready = stats.ready;
  const auto* const board = call.reactor.webhooks().board();
  if (const auto state = board != nullptr ? board->state(rule.agent) : std::nullopt) {
    status.state = kWebhookStateWords[static_cast<std::size_t>(state->breaker)];
    status.under_way = state->under_way;
    status.attempts = state->attempts;
    status.delivered = state->delivered;
    status.failed = state->failed;
    status.failures_in_row = state->failures;
    status.failing_since_ms = state->failing_since;
    status.next_at_ms = state->next_at > now.ms ? state->next_at : 0;
    status.last_at_ms = state->last_at;
    status.last_code = state->last_code;
    status.last_error = state->last_error;
  }
  if (rule.disabled_at != 0) status.state = "disabled";
  return status;
}

}  // namespace

Result<void> carry_out(const Call& call, const SetWebhook& arguments) {
  if (has_c1(arguments.agent))
    return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
  const auto& policy = arguments.policy;
  WebhookRule rule{.agent = arguments.agent,
                   .url = arguments.url,
                   .timeout_ms = in_ms(policy.timeout),
                   .concurrency = policy.concurrency,
                   .rate = policy.rate,
                   .failures = policy.failures,
                   .open_ms = in_ms(policy.open),
                   .disable_after_ms = in_ms(policy.disable_after)};
  if (!arguments.secret.empty()) rule.secrets.push_back({.secret = arguments.secret});
  call.engine.webhooks().set(asker_of(call), std::move(rule));
  return {};
}

Result<void> carry_out(const Call& call, const RemoveWebhook& arguments) {
  call.engine.webhooks().remove(asker_of(call), arguments.agent);
  return {};
}

Result<void> carry_out(const Call& call, const RotateWebhook& arguments) {
  call.engine.webhooks().rotate(asker_of(call), arguments.agent, arguments.secret, in_ms(arguments.keep));
  return {};
}

Result<void> carry_out(const Call& call, const EnableWebhook& arguments) {
  call.engine.webhooks().enable(asker_of(call), arguments.agent);
  return {};
}

Result<void> carry_out(const Call& call, const DisableWebhook& arguments) {
  call.engine.webhooks().disable(asker_of(call), arguments.agent, arguments.revision, arguments.reason);
  return {};
}

Result<void> carry_out(const Call& call, const ListWebhooks& arguments) {
  const auto match = NamePattern::make(arguments.match);
  if (!match) return std::unexpected(match.error());
  WebhookPage page;
  call.engine.webhooks().each([&](const SharedWebhookRule& rule) {
    if (page.webhooks.size() > arguments.limit || rule->agent <= arguments.after) return;
    if (match->fits(rule->agent)) page.webhooks.push_back(webhook_status(call, *rule));
  });
  end_page(describe<WebhookPage>(), &page, arguments.limit);
  return call.answer(page);
}

Result<void> carry_out(const Call& call, const ShowWebhook& arguments) {
  const auto* const rule = call.engine.webhooks().find(arguments.agent);
  if (rule == nullptr) {
    return failure(ErrorCode::not_found, fmt::format("no webhook is set for {}", printable(arguments.agent)),
                   "`folkmoot webhook list` names those that are");
  }
  return call.answer(webhook_status(call, *rule));
}

}  // namespace folkmoot
