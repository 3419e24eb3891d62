#include "filter/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace folkmoot {
namespace {

using enum TokenKind;

constexpr std::pair<std::string_view, TokenKind> kKeywords[] = {
    {"AND", and_},      {"OR", or_}, {"NOT", not_},  {"IN", in},      {"BETWEEN", between}, {"LIKE", like},
    {"ESCAPE", escape}, {"IS", is},  {"NULL", null}, {"TRUE", true_}, {"FALSE", false_}};

// Longer ones first.
constexpr std::pair<std::string_view, TokenKind> kSymbols[] = {
    {"<>", not_equal}, {"!=", not_equal}, {"<=", less_equal}, {">=", greater_equal}, {"=", equal},
    {"<", less},       {">", greater},    {"+", plus},        {"-", minus},          {"*", star},
    {"/", slash},      {"(", left_paren}, {")", right_paren}, {"[", left_bracket},   {"]", right_bracket},
    {",", comma},      {".", dot}};

// The C library's functions ask the locale.
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool begins_name(char c) {
  return (upper(c) >= 'A' && upper(c) <= 'Z') || c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) { return begins_name(c) || is_digit(c); }

TokenKind word_kind(std::string_view word) {
  const auto same = [&](std::string_view keyword) { return std::ranges::equal(word, keyword, {}, upper); };
  const auto* found = std::ranges::find_if(kKeywords, same, &std::pair<std::string_view, TokenKind>::first);
  return found == std::end(kKeywords) ? name : found->second;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    for (;;) {
      while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
      auto token = next();
      if (!token) return std::unexpected(std::move(token.error()));
      tokens.push_back(*token);
      if (token->kind == end) return tokens;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  std::string_view since(std::size_t begin) const { return text_.substr(begin, at_ - begin); }

  Result<Token> next() {
    if (at_ == text_.size()) return Token{end, text_.substr(at_)};
    if (peek() == '\'') return quoted(text, "a closing '");
    if (peek() == '"') return quoted(quoted_name, "a closing \"");
    if (is_digit(peek()) || (peek() == '.' && is_digit(peek(1)))) return number();
    if (begins_name(peek())) {
      const auto begin = at_;
      skip_while(continues_name);
      return Token{word_kind(since(begin)), since(begin)};
    }
    for (const auto& [symbol, kind] : kSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        at_ += symbol.size();
        return Token{kind, text_.substr(at_ - symbol.size(), symbol.size())};
      }
    }
    return filter_error(text_, text_.substr(at_, 1), "a name, a value or an operator");
  }

  Result<Token> quoted(TokenKind kind, std::string_view closing) {
    const auto begin = at_;
    const char quote = peek();
    for (++at_; at_ < text_.size(); ++at_) {
      if (peek() != quote) continue;
      if (peek(1) != quote) return ++at_, Token{kind, since(begin)};
      ++at_;
    }
    return filter_error(text_, since(begin), closing);
  }

  Result<Token> number() {
    const auto begin = at_;
    skip_while(is_digit);
    TokenKind kind = integer;
    if (peek() == '.') {
      kind = real;
      ++at_;
      skip_while(is_digit);
    }
    if (upper(peek()) == 'E') {
      kind = real;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) return filter_error(text_, since(begin), "digits after the E");
      skip_while(is_digit);
    }
    if (continues_name(peek())) {
      skip_while(continues_name);
      return filter_error(text_, since(begin), "a number, or a name in double quotes");
    }
    return Token{kind, since(begin)};
  }

  template <class Is>
  void skip_while(Is is) {
    while (at_ < text_.size() && is(text_[at_])) ++at_;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Cut to what fits in an error message, and printable.
std::string shown(std::string_view at) {
  constexpr std::size_t kShownBytes = 40;
  if (at.empty()) return "the end";
  auto size = std::min(at.size(), kShownBytes);
  while (size < at.size() && continues_code_point(at[size])) --size;
  std::string text(at.substr(0, size));
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return fmt::format("`{}{}`", text, size < at.size() ? "..." : "");
}

}  // namespace

Result<std::vector<Token>> cut_tokens(std::string_view text) { return Lexer(text).run(); }

std::string unquoted(std::string_view quoted) {
  std::string out;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    out.push_back(quoted[i]);
    if (quoted[i] == quoted[0]) ++i;
  }
  return out;
}

std::size_t column_of(std::string_view text, std::string_view at) {
  const auto before = text.substr(0, static_cast<std::size_t>(at.data() - text.data()));
  return 1 + static_cast<std::size_t>(std::ranges::count_if(before, [](char c) { return !continues_code_point(c); }));
}

std::unexpected<Error> filter_error(std::string_view text, std::string_view at, std::string_view expected) {
  return failure(ErrorCode::invalid_filter,
                 fmt::format("filter, column {}: found {}, expected {}", column_of(text, at), shown(at), expected));
}

}  // namespace folkmoot
