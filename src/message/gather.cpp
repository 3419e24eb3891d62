#include "message/gather.hpp"

#include <fmt/format.h>

#include <charconv>

#include "message/json_writer.hpp"

namespace folkmoot {

Result<void> check_gather(std::size_t asked, std::size_t need) {
  if (asked == 0 || asked > kGatherMax) {
    return failure(ErrorCode::out_of_range, fmt::format("{} requests at once; 1 to {} may be", asked, kGatherMax));
  }
  if (need > asked)
    return failure(ErrorCode::out_of_range, fmt::format("{} answers are needed of {} requests", need, asked));
  return {};
}

std::optional<std::size_t> parse_need(std::string_view text) {
  if (text == "all") return 0;
  if (text == "first") return 1;
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count == 0) return std::nullopt;
  return count;
}

std::string command_content(std::string_view name, std::string_view parameters) {
  std::string out;
  JsonWriter(out).begin_object().field("command", name).key("parameters").raw(parameters).end_object();
  return out;
}

}  // namespace folkmoot
