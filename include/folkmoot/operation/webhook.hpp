// Webhooks: endpoints that the mail of agents is posted to, message by message (docs/webhooks.md).
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kWebhookPageMax = 1'000;
constexpr std::uint64_t kWebhookUrlMost = 2'048, kWebhookSecretMost = 128, kWebhookReasonMost = 255;
constexpr std::uint64_t kWebhookErrorMost = 512;

inline constexpr std::string_view kWebhookStateWords[] = {"closed", "open", "half_open", "disabled"};

/// How an endpoint is to be treated.
struct WebhookPolicy {
  std::chrono::milliseconds timeout{0};
  std::uint32_t concurrency = 4;
  std::uint32_t rate = 0;
  std::uint32_t failures = 5;
  std::chrono::milliseconds open{30'000};
  std::chrono::milliseconds disable_after{432'000'000};

  static constexpr auto fields() {
    using P = WebhookPolicy;
    return std::array{
        field<&P::timeout>(10, "timeout_ms", "For a request and its answer; 0: as the server has it (webhooks.timeout)",
                           {.max = 300'000, .also = "timeout"}),
        field<&P::concurrency>(11, "concurrency", "Requests at a time", {.min = 1, .max = 64, .unit = "requests"}),
        field<&P::rate>(12, "rate", "Requests a minute; 0: no bound", {.max = 60'000, .unit = "requests a minute"}),
        field<&P::failures>(13, "failures", "So many in a row open its circuit breaker",
                            {.min = 1, .max = 1'000, .unit = "failures"}),
        field<&P::open>(14, "open_ms",
                        "Then nothing is posted for so long, and one message is tried; twice as long each time that "
                        "fails, up to 10 min or this, whichever is more",
                        {.min = 100, .max = 86'400'000, .also = "open"}),
        field<&P::disable_after>(15, "disable_after_ms",
                                 "Disabled after so long without one that was delivered; 0: never",
                                 {.max = 366ull * 86'400'000, .also = "disable_after"}),
    };
  }
};

struct SetWebhook {
  std::string agent{}, url{}, secret{};
  WebhookPolicy policy{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "webhook.set",
      .what = "Has the mail of an agent posted to its endpoint; in the place of what was set for it, and enabled",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "PUT /api/webhooks/{agent}",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&SetWebhook::agent>(0, "agent", "Whose mailbox is posted",
                                  {.required = true, .role = Role::shard_by_name}),
        field<&SetWebhook::url>(1, "url", "What it is posted to", {.required = true, .max = kWebhookUrlMost}),
        field<&SetWebhook::secret>(2, "secret",
                                   "What it is signed with, `whsec_` and base64, never shown; left out: what is known",
                                   {.max = kWebhookSecretMost}),
        fields_of<&SetWebhook::policy>(),
    };
  }
};

struct RemoveWebhook {
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "webhook.remove",
                                           .what = "The mail of the agent is posted no more, and waits",
                                           .right = Right::administer,
                                           .where = Where::by_field,
                                           .http = "DELETE /api/webhooks/{agent}"};
  static constexpr auto fields() {
    return std::array{
        field<&RemoveWebhook::agent>(0, "agent", "As it was set", {.required = true, .role = Role::shard_by_name})};
  }
};

struct RotateWebhook {
  std::string agent{}, secret{};
  std::chrono::milliseconds keep{86'400'000};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "webhook.rotate",
      .what = "Signs with a new secret; with those before it as well for a while, so that the endpoint can follow",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "POST /api/webhooks/{agent}/rotate"};
  static constexpr auto fields() {
    return std::array{
        field<&RotateWebhook::agent>(0, "agent", "Whose", {.required = true, .role = Role::shard_by_name}),
        field<&RotateWebhook::secret>(1, "secret", "The new one: `whsec_` and base64; never shown",
                                      {.required = true, .max = kWebhookSecretMost}),
        field<&RotateWebhook::keep>(2, "keep_ms", "How long those before it are used as well; 0: no more",
                                    {.max = 31'622'400'000, .also = "keep"}),
    };
  }
};

struct EnableWebhook {
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "webhook.enable",
      .what = "Posts again, whatever it was disabled for, and at once if its circuit breaker is open",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "POST /api/webhooks/{agent}/enable"};
  static constexpr auto fields() {
    return std::array{
        field<&EnableWebhook::agent>(0, "agent", "Whose", {.required = true, .role = Role::shard_by_name})};
  }
};

struct DisableWebhook {
  std::string agent{}, reason{};
  std::uint64_t revision = 0;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "webhook.disable",
                                           .what = "Posts nothing until it is enabled; the mail waits",
                                           .right = Right::administer,
                                           .where = Where::by_field,
                                           .http = "POST /api/webhooks/{agent}/disable"};
  static constexpr auto fields() {
    return std::array{
        field<&DisableWebhook::agent>(0, "agent", "Whose", {.required = true, .role = Role::shard_by_name}),
        field<&DisableWebhook::reason>(1, "reason", "Why", {.max = kWebhookReasonMost}),
        field<&DisableWebhook::revision>(2, "revision",
                                         "Only if it was not changed since this one; left out: whatever it is"),
    };
  }
};

/// A webhook: as it was set, but for its secrets, and how it goes.
struct WebhookStatus {
  std::string agent{}, url{};
  WebhookPolicy policy{};
  std::uint32_t secrets = 1;
  std::uint64_t revision = 0;
  std::string state = "closed";
  std::int64_t disabled_at_ms = 0;
  std::string disabled_reason{};
  std::uint64_t ready = 0;
  std::uint32_t under_way = 0;
  std::uint64_t attempts = 0, delivered = 0, failed = 0;
  std::uint32_t failures_in_row = 0;
  std::int64_t failing_since_ms = 0, next_at_ms = 0, last_at_ms = 0;
  std::uint32_t last_code = 0;
  std::string last_error{};

  static constexpr auto fields() {
    using S = WebhookStatus;
    return std::array{
        field<&S::agent>(0, "agent", "Whose mail is posted"),
        field<&S::url>(1, "url", "What it is posted to", {.max = kWebhookUrlMost}),
        fields_of<&S::policy>(),
        field<&S::secrets>(20, "secrets", "So many sign: more than one while they are rotated"),
        field<&S::revision>(21, "revision", "Grows with each change"),
        field<&S::state>(22, "state",
                         "Of its circuit breaker. closed: it is posted to; open: it failed, and is left alone until "
                         "`next_at`; half_open: one message is tried; or disabled, until somebody enables it",
                         {.words = kWebhookStateWords}),
        field<&S::disabled_at_ms>(23, "disabled_at", "Since when", {.sparse = true}),
        field<&S::disabled_reason>(24, "disabled_reason", "Why", {.sparse = true}),
        field<&S::ready>(25, "ready", "Messages that wait in the mailbox and may be posted now"),
        field<&S::under_way>(26, "under_way", "Requests under way"),
        field<&S::attempts>(27, "attempts", "Requests that have ended since the server started"),
        field<&S::delivered>(28, "delivered", "Of these, with the message settled"),
        field<&S::failed>(29, "failed", "Of these, without"),
        field<&S::failures_in_row>(30, "failures_in_row", "That count for its circuit breaker"),
        field<&S::failing_since_ms>(31, "failing_since", "Since when none was delivered", {.sparse = true}),
        field<&S::next_at_ms>(32, "next_at", "Until then it is left alone", {.sparse = true}),
        field<&S::last_at_ms>(33, "last_at", "When a request ended last", {.sparse = true}),
        field<&S::last_code>(34, "last_code", "What it answered", {.sparse = true}),
        field<&S::last_error>(35, "last_error", "Why the last one was none that delivered",
                              {.max = kWebhookErrorMost, .sparse = true}),
    };
  }
};

struct WebhookPage {
  std::vector<WebhookStatus> webhooks{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&WebhookPage::webhooks>(0, "webhooks", "By name",
                                      {.max = kWebhookPageMax, .merge = Merge::by_name, .role = Role::count}),
        field<&WebhookPage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                                  {.merge = Merge::least, .role = Role::next, .nullable = true}),
    };
  }
};

struct ListWebhooks {
  std::string match{};
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = WebhookPage;
  static constexpr OperationRow kOperation{.name = "webhook.list",
                                           .what = "Lists webhooks and how they go, by agent, a page at a time",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/webhooks",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListWebhooks::match>(0, "match", "Agents whose names it fits: `*` stands for anything; left out: all"),
        field<&ListWebhooks::limit>(1, "limit", "So many at most",
                                    {.min = 1, .max = kWebhookPageMax, .unit = "webhooks", .role = Role::limit}),
        field<&ListWebhooks::after>(2, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

struct ShowWebhook {
  std::string agent{};

  using Answer = WebhookStatus;
  static constexpr OperationRow kOperation{.name = "webhook.show",
                                           .what = "Where the mail of an agent is posted, and how that goes",
                                           .right = Right::observe,
                                           .where = Where::by_field,
                                           .http = "GET /api/webhooks/{agent}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowWebhook::agent>(0, "agent", "Whose", {.required = true, .role = Role::shard_by_name})};
  }
};

}  // namespace folkmoot
