// What is made of how a request ended.
#include "webhook/verdict.hpp"

#include <gtest/gtest.h>

namespace folkmoot::test {
namespace {

using Then = Verdict::Then;

PostOutcome answered(long status) { return {.number = 1, .status = status}; }

TEST(Verdict, B7_two_hundreds_settle) {
  for (const auto status : {200, 201, 202, 204, 299}) {
    const auto verdict = judge(answered(status));
    EXPECT_EQ(verdict.end, WebhookEnd::delivered) << status;
    EXPECT_EQ(verdict.then, Then::settle) << status;
    EXPECT_FALSE(verdict.is_failure || verdict.disables || verdict.rest) << status;
    EXPECT_TRUE(verdict.reason.empty()) << status;
  }
}

TEST(Verdict, B7_a_message_that_is_refused_is_rejected_and_says_nothing_of_the_endpoint) {
  for (const auto status : {400, 413, 415, 422}) {
    const auto verdict = judge(answered(status));
    EXPECT_EQ(verdict.end, WebhookEnd::refused) << status;
    EXPECT_EQ(verdict.then, Then::reject) << status;
    EXPECT_FALSE(verdict.is_failure) << status;
  }
}

TEST(Verdict, B7_not_now_is_no_failure_and_other_errors_are) {
  for (const auto status : {408, 409, 425, 429}) {
    const auto verdict = judge(answered(status));
    EXPECT_EQ(verdict.end, WebhookEnd::later) << status;
    EXPECT_EQ(verdict.then, Then::give_back) << status;
    EXPECT_FALSE(verdict.is_failure) << status;
  }
  const std::pair<int, WebhookEnd> others[] = {
      {301, WebhookEnd::redirected},   {302, WebhookEnd::redirected},   {308, WebhookEnd::redirected},
      {401, WebhookEnd::client_error}, {403, WebhookEnd::client_error}, {404, WebhookEnd::client_error},
      {451, WebhookEnd::client_error}, {500, WebhookEnd::server_error}, {503, WebhookEnd::server_error},
      {599, WebhookEnd::server_error}, {101, WebhookEnd::broken},       {0, WebhookEnd::broken},
      {600, WebhookEnd::broken},       {999, WebhookEnd::broken}};
  for (const auto& [status, end] : others) {
    const auto verdict = judge(answered(status));
    EXPECT_EQ(verdict.end, end) << status;
    EXPECT_EQ(verdict.then, Then::give_back) << status;
    EXPECT_TRUE(verdict.is_failure) << status;
    EXPECT_FALSE(verdict.disables) << status;
  }
}

TEST(Verdict, B7_one_that_is_gone_is_disabled_and_its_message_comes_back) {
  const auto verdict = judge(answered(410));
  EXPECT_TRUE(verdict.disables);
  EXPECT_EQ(verdict.then, Then::give_back);
}

TEST(Verdict, B7_retry_after_is_obeyed_of_429_and_503_and_for_a_day_at_most) {
  for (const auto& [status, rests] : {std::pair(429, true), {503, true}, {500, false}, {404, false}, {200, false}}) {
    auto outcome = answered(status);
    outcome.retry_after = std::chrono::seconds(7);
    EXPECT_EQ(judge(outcome).rest.has_value(), rests) << status;
    if (!rests) continue;
    EXPECT_EQ(*judge(outcome).rest, std::chrono::seconds(7));
    outcome.retry_after = std::chrono::hours(1'000);
    EXPECT_EQ(*judge(outcome).rest, kRestMax);
  }
}

TEST(Verdict, B7_no_whole_answer_is_a_failure_even_if_it_began_well) {
  const std::pair<PostFailure, WebhookEnd> failures[] = {{PostFailure::timed_out, WebhookEnd::timed_out},
                                                         {PostFailure::unreachable, WebhookEnd::unreachable},
                                                         {PostFailure::forbidden, WebhookEnd::forbidden},
                                                         {PostFailure::broken, WebhookEnd::broken},
                                                         {PostFailure::too_long, WebhookEnd::unusable}};
  for (const auto& [failure, end] : failures) {
    const auto verdict = judge({.status = 200, .error = "half of it", .failure = failure});
    EXPECT_EQ(verdict.end, end);
    EXPECT_EQ(verdict.then, Then::give_back);
    EXPECT_TRUE(verdict.is_failure);
    EXPECT_EQ(verdict.reason, "half of it");
  }
}

}  // namespace
}  // namespace folkmoot::test
