// What the history keeps of what it reads, as the server's settings say. It may change while it follows: what is read
// from then on goes by the new one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

constexpr std::size_t kHistoryPatternsMax = 256;
constexpr std::size_t kHistoryPatternBytesMax = 255;

struct HistoryPolicy {
  std::vector<std::string> not_kept{};  // types of messages, and of contents, in which `*` stands for anything
  std::vector<std::string> events{};    // patterns of topics

  /// Whether the content may stand in the history, as far as its type is concerned: else its hash and size do.
  bool keeps_content(const Message& message) const;
  /// Whether events of this topic stand in the history, if a stream keeps them.
  bool keeps_event(std::string_view topic) const;

  bool operator==(const HistoryPolicy&) const = default;
};

/// Errors: invalid_field, if it can be no pattern of `not_kept`.
Result<void> check_type_pattern(std::string_view pattern);
/// Errors: invalid_topic, if it is no pattern of topics.
Result<void> check_topic_pattern(std::string_view pattern);

}  // namespace folkmoot
