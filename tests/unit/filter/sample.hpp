// What the tests of filters share: a message, and the answer of a filter to it.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>
#include <string_view>

#include "filter/filter.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

/// A message whose fields all differ; its metadata is what `metadata` says as JSON.
inline Message sample(std::string_view metadata = "{}", std::string_view content = "") {
  Message message;
  message.from = "writer";
  message.to = "reviewer";
  message.type = "query";
  message.priority = high;
  message.metadata = boost::json::parse(metadata).as_object();
  message.content = content;
  return message;
}

/// As it crosses the network: envelope and content.
inline std::string bytes_of_message(const Message& message) {
  std::string bytes;
  const auto done = encode_envelope(message, bytes);
  EXPECT_TRUE(done) << done.error().text;
  return bytes + message.content;
}

/// What a condition is worth for a message: "TRUE", "FALSE", "UNKNOWN", or the error that it does not compile with.
inline std::string truth(std::string_view condition, const Message& message = sample()) {
  const auto bytes = bytes_of_message(message);
  const FilterInput input(as_bytes(bytes));
  const auto holds = [&](std::string_view before, std::string_view after) {
    const auto filter = Filter::compile(std::string(before) + std::string(condition) + std::string(after));
    return filter && filter->matches(input);
  };
  if (const auto filter = Filter::compile(condition); !filter) return filter.error().text;
  const bool is_true = holds("", ""), is_false = holds("NOT (", ")"), is_unknown = holds("(", ") IS UNKNOWN");
  EXPECT_EQ(is_true + is_false + is_unknown, 1) << condition;
  return is_true ? "TRUE" : is_false ? "FALSE" : "UNKNOWN";
}

/// The error of a condition that does not compile.
inline std::string refusal(std::string_view condition) {
  const auto filter = Filter::compile(condition);
  return filter ? "it compiles" : filter.error().text;
}

}  // namespace folkmoot
