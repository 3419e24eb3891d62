// When a request to many is answered: the rule by which the client library and the doors that speak JSON gather.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

constexpr std::size_t kGatherMax = 1'000;  // requests at once

class Gather {
 public:
  /// `need`: answers that are enough; 0: one of each. Requires: check_gather(asked, need).
  Gather(std::size_t asked, std::size_t need) : left_(asked), need_(need == 0 ? asked : need) {}

  /// One of those that were asked has answered. Requires: !is_over().
  void answered(const Message& answer) {
    --left_;
    good_ += answer.type != "error";  // it could not do it: an answer, and yet none of those that are needed
  }
  /// No answer will come of one. Requires: !is_over().
  void failed() { --left_; }

  bool has_enough() const { return good_ >= need_; }
  /// Nothing more is waited for.
  bool is_over() const { return left_ == 0 || has_enough(); }

 private:
  std::size_t left_, need_, good_ = 0;
};

/// Errors: out_of_range, for none or more than kGatherMax, or fewer than are needed.
Result<void> check_gather(std::size_t asked, std::size_t need);

/// How many answers "first", "all" or a number asks for, in the words of Gather. Nothing for another text.
std::optional<std::size_t> parse_need(std::string_view text);

/// The content of a message of type `command`, JSON. Requires: `parameters` is a JSON object.
std::string command_content(std::string_view name, std::string_view parameters);

}  // namespace folkmoot
