#include "filter/like.hpp"

#include <string.h>

#include <algorithm>

namespace folkmoot {
namespace {

constexpr char kAny = '\xff';

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t after_code_point(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && continues(text[at]));
  return at;
}

std::size_t before_code_point(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && continues(text[at]));
  return at;
}

// Where the match of `bytes` that begins at `at` ends.
std::optional<std::size_t> match_at(std::string_view bytes, std::string_view text, std::size_t at,
                                    std::uint64_t& looked) {
  for (const char c : bytes) {
    ++looked;
    if (at >= text.size()) return std::nullopt;
    if (c == kAny) {
      at = after_code_point(text, at);
    } else if (text[at++] != c) {
      return std::nullopt;
    }
  }
  return at;
}

// Where the match of `bytes` that ends with the text begins.
std::optional<std::size_t> match_at_end(std::string_view bytes, std::string_view text) {
  auto at = text.size();
  for (auto c = bytes.rbegin(); c != bytes.rend(); ++c) {
    if (at == 0) return std::nullopt;
    if (*c == kAny) {
      at = before_code_point(text, at);
    } else if (text[--at] != *c) {
      return std::nullopt;
    }
  }
  return at;
}

bool spend(std::uint64_t& steps, std::uint64_t looked) {
  const bool enough = looked <= steps;
  steps -= std::min(looked, steps);
  return enough;
}

}  // namespace

Result<LikePattern> LikePattern::make(std::string_view pattern, std::string_view escape) {
  LikePattern made;
  made.segments_.emplace_back();
  while (!pattern.empty()) {
    auto& segment = made.segments_.back();
    if (!escape.empty() && pattern.starts_with(escape)) {
      pattern.remove_prefix(escape.size());
      const auto size = pattern.starts_with(escape) ? escape.size() : 1;
      if (size == 1 && !pattern.starts_with('%') && !pattern.starts_with('_') && !pattern.starts_with(escape)) {
        return failure(ErrorCode::invalid_filter, "the ESCAPE character stands before neither `%`, `_` nor itself");
      }
      segment.bytes.append(pattern.substr(0, size));
      pattern.remove_prefix(size);
      continue;
    }
    if (pattern[0] == '%') {
      made.segments_.emplace_back();
    } else {
      segment.has_any |= pattern[0] == '_';
      segment.bytes.push_back(pattern[0] == '_' ? kAny : pattern[0]);
    }
    pattern.remove_prefix(1);
  }
  return made;
}

std::optional<bool> LikePattern::matches(std::string_view text, std::uint64_t& steps) const {
  const auto& first = segments_.front();
  const auto& last = segments_.back();
  if (!spend(steps, first.bytes.size() + last.bytes.size())) return std::nullopt;
  std::uint64_t looked = 0;
  const auto start = match_at(first.bytes, text, 0, looked);
  if (!start) return false;
  if (segments_.size() == 1) return *start == text.size();
  const auto end = match_at_end(last.bytes, text);
  if (!end || *end < *start) return false;

  auto at = *start;
  const auto middle = text.substr(0, *end);
  for (std::size_t i = 1; i + 1 < segments_.size(); ++i) {
    const auto found = find(segments_[i], middle, at, steps);
    if (!found) return std::nullopt;
    if (*found == std::string_view::npos) return false;
    at = *found;
  }
  return true;
}

// Where the leftmost match at or after `from` ends: npos if there is none, nothing if the steps do not suffice.
std::optional<std::size_t> LikePattern::find(const Segment& segment, std::string_view text, std::size_t from,
                                             std::uint64_t& steps) const {
  if (segment.bytes.empty()) return from;
  if (!segment.has_any) {
    // memmem is linear in the worst case, which string_view::find is not.
    const auto* found = static_cast<const char*>(
        ::memmem(text.data() + from, text.size() - from, segment.bytes.data(), segment.bytes.size()));
    const auto end = found ? static_cast<std::size_t>(found - text.data()) + segment.bytes.size() : text.size();
    if (!spend(steps, end - from)) return std::nullopt;
    return found ? end : std::string_view::npos;
  }
  for (auto at = from; at < text.size(); at = after_code_point(text, at)) {
    std::uint64_t looked = 0;
    const auto end = match_at(segment.bytes, text, at, looked);
    if (!spend(steps, looked)) return std::nullopt;
    if (end) return end;
  }
  return std::string_view::npos;
}

}  // namespace folkmoot
