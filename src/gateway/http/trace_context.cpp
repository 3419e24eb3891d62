#include "gateway/http/trace_context.hpp"

#include <algorithm>
#include <vector>

#include "message/trace_parent.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kParent = kTraceParent, kState = "tracestate";
constexpr std::size_t kMembersMax = 32, kKeyBytesMax = 256, kValueBytesMax = 256;
constexpr std::size_t kTenantBytesMax = 241, kSystemBytesMax = 14;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_key_part(std::string_view text, std::size_t most, bool may_begin_with_digit) {
  if (text.empty() || text.size() > most) return false;
  if (!is_lower(text.front()) && !(may_begin_with_digit && is_digit(text.front()))) return false;
  return std::ranges::all_of(
      text, [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '*' || c == '/'; });
}

bool is_key(std::string_view key) {
  const auto at = key.find('@');
  if (at == std::string_view::npos) return is_key_part(key, kKeyBytesMax, false);
  return is_key_part(key.substr(0, at), kTenantBytesMax, true) &&
         is_key_part(key.substr(at + 1), kSystemBytesMax, false);
}

bool is_value(std::string_view value) {
  if (value.empty() || value.size() > kValueBytesMax || value.back() == ' ') return false;
  return std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

// A list may be several fields; members may be empty.
std::string valid_state(const RequestHead& head) {
  std::string out;
  std::vector<std::string_view> keys;
  for (const auto& [name, field] : head.fields) {
    if (name != kState) continue;
    for (std::string_view rest = field; !rest.empty();) {
      const auto comma = std::min(rest.find(','), rest.size());
      const auto member = trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      if (member.empty()) continue;
      const auto equals = member.find('=');
      if (equals == std::string_view::npos) return {};
      const auto key = member.substr(0, equals);
      if (!is_key(key) || !is_value(member.substr(equals + 1))) return {};
      if (std::ranges::find(keys, key) != keys.end() || keys.size() == kMembersMax) return {};
      keys.push_back(key);
      out.append(out.empty() ? "" : ",").append(member);
    }
  }
  return out;
}

}  // namespace

std::optional<TraceContext> trace_context(const RequestHead& head) {
  if (head.count(kParent) != 1) return std::nullopt;  // of two nobody knows which
  const auto parent = parse_trace_parent(trimmed(head.field(kParent)));
  if (!parent) return std::nullopt;
  return TraceContext{parent->text(), valid_state(head)};
}

void give_trace(const RequestHead& head, std::span<Message> messages) {
  const auto trace = trace_context(head);
  if (!trace) return;
  for (auto& message : messages) {
    if (message.metadata.contains(kParent)) continue;
    message.metadata[kParent] = trace->traceparent;
    if (!trace->tracestate.empty() && !message.metadata.contains(kState)) message.metadata[kState] = trace->tracestate;
  }
}

}  // namespace folkmoot
