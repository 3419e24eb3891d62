// A filter and a message, both as they come: what compiles has exactly one truth, says the same each time, and reads
// nothing beyond the message. LIKE agrees with a reference that tries everything.
//
// input := condition 0 message
#include <algorithm>
#include <cstdlib>
#include <string>

#include "filter/filter.hpp"
#include "filter/like.hpp"

namespace {

using namespace folkmoot;

void check_truth(std::string_view condition, const FilterInput& input) {
  const auto filter = Filter::compile(condition);
  if (!filter) {
    if (filter.error().text.empty()) std::abort();
    return;
  }
  if (filter->text() != condition) std::abort();
  const bool is_true = filter->matches(input);
  if (filter->matches(input) != is_true) std::abort();
  // Those that the words around make too long or too deep are left out.
  const auto is_false = Filter::compile("NOT(" + std::string(condition) + ")");
  const auto is_unknown = Filter::compile("(" + std::string(condition) + ")IS UNKNOWN");
  if (!is_false || !is_unknown) return;
  if (is_true + is_false->matches(input) + is_unknown->matches(input) != 1) std::abort();
}

// Row by row: whether the first p of the pattern match the first t of the text.
bool like_reference(std::string_view text, std::string_view pattern) {
  std::string row(text.size() + 1, 0);
  row[0] = 1;
  for (const char c : pattern) {
    std::string next(row.size(), 0);
    next[0] = c == '%' && row[0];
    for (std::size_t t = 1; t < row.size(); ++t) {
      next[t] = c == '%' ? row[t] || next[t - 1] : row[t - 1] && (c == '_' || c == text[t - 1]);
    }
    row = next;
  }
  return row.back();
}

void check_like(std::string_view text, std::string_view pattern) {
  constexpr std::size_t kMost = 200;
  text = text.substr(0, kMost);
  pattern = pattern.substr(0, kMost);
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (!std::ranges::all_of(text, is_ascii) || !std::ranges::all_of(pattern, is_ascii)) return;
  std::uint64_t steps = 1'000'000;
  const auto made = LikePattern::make(pattern, "");
  if (!made || made->matches(text, steps) != like_reference(text, pattern)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  const auto condition = text.substr(0, text.find('\0'));
  const auto message = as_bytes(text.substr(std::min(text.size(), condition.size() + 1)));
  check_truth(condition, FilterInput(message));
  // A message as routing lets it through: {to: "a", metadata: {"a": [1, true]}}, with the rest as its content.
  static constexpr std::uint8_t kEnvelope[] = {0x82, 3, 0xa1, 'a', 15, 0x81, 0xa1, 'a', 0x92, 1, 0xc3};
  check_truth(condition, FilterInput(kEnvelope, message));
  check_like(as_text(message), condition);
  return 0;
}
