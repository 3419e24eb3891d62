// What is in the engine's tables right now, table by table: for tests that take all out of an engine and look whether
// anything has stayed behind. What is bounded and kept on purpose (names, receipts, the trail) is not counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace folkmoot {

class Census {
 public:
  /// `what`: words for whoever finds them there; nothing is noted of an empty table.
  void count(std::string_view what, std::uint64_t number) {
    if (number != 0) found_.emplace_back(what, number);
  }
  /// Of all tables that are not empty.
  const std::vector<std::pair<std::string, std::uint64_t>>& found() const { return found_; }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> found_;
};

}  // namespace folkmoot
