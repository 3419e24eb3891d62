// The words of a filter. They are views of its text; quotes are still around them and doubled quotes still doubled.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

enum class TokenKind : std::uint8_t {
  end,
  name,
  quoted_name,
  text,
  integer,
  real,
  and_,
  or_,
  not_,
  in,
  between,
  like,
  escape,
  is,
  null,
  true_,
  false_,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  plus,
  minus,
  star,
  slash,
  left_paren,
  right_paren,
  left_bracket,
  right_bracket,
  comma,
  dot,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // empty at the end, where it still says the place
};

/// The tokens of `text` and an `end` behind them. Errors: invalid_filter, which tells the column.
Result<std::vector<Token>> cut_tokens(std::string_view text);

/// A quoted token without its quotes, doubled ones single.
std::string unquoted(std::string_view quoted);

/// Where `at`, a part of `text`, begins: code points count, the first is 1.
std::size_t column_of(std::string_view text, std::string_view at);

/// invalid_filter: "filter, column 7: found `x`, expected a value". `at` is a part of `text`.
std::unexpected<Error> filter_error(std::string_view text, std::string_view at, std::string_view expected);

}  // namespace folkmoot
