#include "traces/otlp.hpp"

#include <gtest/gtest.h>

namespace folkmoot {
namespace {

const TraceResource kResource{.service = "bus", .version = "0.1.0", .host = "127.0.0.1", .port = 7470};

KeptSpan span(std::string_view destination, std::string_view error = {}) {
  return KeptSpan({.what = SpanView::What::process,
                   .trace_high = 0x4bf92f3577b34da6,
                   .trace_low = 1,
                   .span = 2,
                   .parent = 3,
                   .began = Instant{1'800'000'000'000},
                   .ended = Instant{1'800'000'000'005},
                   .destination = destination,
                   .agent = "bob",
                   .content_bytes = 4,
                   .delivery = 1,
                   .error = error});
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Otlp, A20_X7_IdsAreHexadecimalNumbersOf64BitsStringsAndKindsNumbers) {
  const KeptSpan spans[] = {span("box")};
  const auto text = otlp_request(kResource, spans);
  EXPECT_TRUE(has(text, R"("traceId":"4bf92f3577b34da60000000000000001","spanId":"0000000000000002")"));
  EXPECT_TRUE(has(text, R"("parentSpanId":"0000000000000003","name":"process box","kind":5)"));
  EXPECT_TRUE(has(text, R"("startTimeUnixNano":"1800000000000000000","endTimeUnixNano":"1800000000005000000")"));
  EXPECT_TRUE(has(text, R"({"key":"messaging.message.body.size","value":{"intValue":"4"}})"));
  EXPECT_TRUE(has(text, R"({"key":"service.name","value":{"stringValue":"bus"}})"));
  EXPECT_TRUE(has(text, R"("status":{})"));
}

TEST(Otlp, A20_AnErrorIsAWordAndItsWords) {
  const KeptSpan spans[] = {span("box", "nacked: \"busy\": now")};
  const auto text = otlp_request(kResource, spans);
  EXPECT_TRUE(has(text, R"({"key":"error.type","value":{"stringValue":"nacked"}})"));
  EXPECT_TRUE(has(text, R"("status":{"code":2,"message":"nacked: \"busy\": now"})"));
}

TEST(Otlp, A20_AnAnswerHasNoNameAndNoSpansAreARequestToo) {
  const KeptSpan spans[] = {span("")};
  EXPECT_TRUE(has(otlp_request(kResource, spans), R"("messaging.destination.temporary","value":{"boolValue":true})"));
  EXPECT_TRUE(has(otlp_request(kResource, {}), R"("spans":[])"));
}

TEST(Otlp, A20_WhatIsNotUtf8IsJsonAllTheSame) {
  const KeptSpan spans[] = {span("a\xff\x01\"b")};
  const auto text = otlp_request(kResource, spans);
  EXPECT_FALSE(has(text, "\xff"));
  EXPECT_FALSE(has(text, "\x01"));
}

}  // namespace
}  // namespace folkmoot
