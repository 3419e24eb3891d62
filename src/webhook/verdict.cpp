#include "webhook/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot {
namespace {

WebhookEnd end_of(PostFailure failure) {
  switch (failure) {
    case PostFailure::timed_out:
      return WebhookEnd::timed_out;
    case PostFailure::unreachable:
      return WebhookEnd::unreachable;
    case PostFailure::forbidden:
      return WebhookEnd::forbidden;
    case PostFailure::too_long:
      return WebhookEnd::unusable;
    default:
      return WebhookEnd::broken;
  }
}

WebhookEnd end_of(long status) {
  switch (status) {
    case 400:  // what stands in the message is wrong, too much, or of a kind that it does not know
    case 413:
    case 415:
    case 422:
      return WebhookEnd::refused;
    case 408:
    case 409:
    case 425:
    case 429:
      return WebhookEnd::later;
    case 410:
      return WebhookEnd::gone;
    default:
      break;
  }
  if (status >= 200 && status <= 299) return WebhookEnd::delivered;
  if (status >= 300 && status <= 399) return WebhookEnd::redirected;
  // Others of 4xx say that the endpoint is set up wrongly (401, 403, 404): another try may find it mended.
  if (status >= 400 && status <= 499) return WebhookEnd::client_error;
  return status >= 500 && status <= 599 ? WebhookEnd::server_error : WebhookEnd::broken;
}

}  // namespace

Verdict judge(const PostOutcome& outcome) {
  if (outcome.failure != PostFailure::none || !outcome.error.empty()) {
    return {.end = end_of(outcome.failure),
            .then = Verdict::Then::give_back,
            .is_failure = true,
            .reason = outcome.error.empty() ? "there was no answer" : outcome.error};
  }
  Verdict verdict{.end = end_of(outcome.status), .then = Verdict::Then::give_back};
  if (verdict.end == WebhookEnd::delivered) {
    verdict.then = Verdict::Then::settle;
    return verdict;
  }
  verdict.reason = fmt::format("it answered {}", outcome.status);
  if (verdict.end == WebhookEnd::refused) verdict.then = Verdict::Then::reject;
  verdict.disables = verdict.end == WebhookEnd::gone;
  const bool is_heard = verdict.end == WebhookEnd::refused || verdict.end == WebhookEnd::later;
  verdict.is_failure = !is_heard && !verdict.disables;
  const bool may_ask = outcome.status == 429 || outcome.status == 503;
  if (may_ask && outcome.retry_after)
    verdict.rest = std::min<std::chrono::milliseconds>(*outcome.retry_after, kRestMax);
  return verdict;
}

Verdict unusable(std::string reason) {
  return {.end = WebhookEnd::unusable, .then = Verdict::Then::give_back, .reason = std::move(reason)};
}

}  // namespace folkmoot
