#include "archive/history_policy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "access/patterns.hpp"
#include "base/utf8.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kUnnamedContent = "application/octet-stream";

// A type of a content is the same in small letters and large ones.
std::string in_small_letters(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// Without parameters, which say how it is written and not what it is.
std::string kind_of(std::string_view content_type) {
  auto kind = content_type.substr(0, content_type.find(';'));
  while (!kind.empty() && kind.back() == ' ') kind.remove_suffix(1);
  return in_small_letters(kind.empty() ? kUnnamedContent : kind);
}

}  // namespace

bool HistoryPolicy::keeps_content(const Message& message) const {
  if (not_kept.empty()) return true;
  const auto kind = kind_of(message.content_type);
  return std::ranges::none_of(not_kept, [&](const std::string& pattern) {
    return access::name_fits(pattern, message.type) || access::name_fits(in_small_letters(pattern), kind);
  });
}

bool HistoryPolicy::keeps_event(std::string_view topic) const {
  return std::ranges::any_of(events, [&](const std::string& pattern) { return topic_matches(pattern, topic); });
}

Result<void> check_type_pattern(std::string_view pattern) {
  if (!pattern.empty() && pattern.size() <= kHistoryPatternBytesMax && is_utf8(pattern)) return {};
  return failure(ErrorCode::invalid_field,
                 fmt::format("a type of messages or contents has 1 to {} bytes; this one has {}",
                             kHistoryPatternBytesMax, pattern.size()),
                 "write it as `medical.*` or `image/*`, with `*` for anything");
}

Result<void> check_topic_pattern(std::string_view pattern) {
  if (is_pattern(pattern)) return {};
  return failure(ErrorCode::invalid_topic, fmt::format("`{}` is no pattern of topics", printable(pattern)),
                 "words joined by dots, in which `*` is one word and a last `>` the rest, as orders.>");
}

}  // namespace folkmoot
