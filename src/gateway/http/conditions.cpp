#include "gateway/http/conditions.hpp"

#include <algorithm>

namespace folkmoot {
namespace {

constexpr std::string_view kWeak = "W/";

// Whether `*` or a list of entity tags has this one (RFC 9110, section 8.8.3). `is_weak`: tags marked as weak count
// too.
bool names_etag(std::string_view list, std::string_view etag, bool is_weak) {
  if (list == "*") return true;
  for (std::size_t at = 0; at < list.size();) {
    const auto begin = list.find_first_not_of(" \t,", at);
    if (begin == std::string_view::npos) break;
    const bool marked = list.substr(begin).starts_with(kWeak);
    const auto quote = begin + (marked ? kWeak.size() : 0);
    const auto end = list.find('"', quote + 1);
    if (quote >= list.size() || list[quote] != '"' || end == std::string_view::npos) break;
    if ((is_weak || !marked) && list.substr(quote, end + 1 - quote) == etag) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

Condition check_conditions(const RequestHead& head, std::string_view etag) {
  if (head.count("if-match") > 0 && !names_etag(head.field("if-match"), etag, false)) return Condition::failed;
  if (head.count("if-none-match") > 0 && names_etag(head.field("if-none-match"), etag, true))
    return Condition::not_modified;
  return Condition::holds;
}

bool may_answer_range(const RequestHead& head, std::string_view etag) {
  return head.method == "GET" && (head.count("if-range") == 0 || head.field("if-range") == etag);
}

}  // namespace folkmoot
