// Recursive descent, a function for each level of precedence, that writes the program as it goes. The first error is
// kept and moves the parser to the end of the text, where every rule stops by itself.
#include "filter/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "filter/lexer.hpp"
#include "filter/limits.hpp"

namespace folkmoot {
namespace {

static_assert(kFilterNodesMax <= std::numeric_limits<decltype(Instruction::operand)>::max());

// What a rule wrote.
struct Expression {
  Token token{};  // where it begins
  bool may_be_condition = false;
  bool is_priority = false;               // the field and nothing else
  std::optional<std::size_t> constant{};  // a literal and nothing else: its number
};

int stack_effect(Op op) {
  switch (op) {
    case Op::constant:
    case Op::load:
    case Op::list_begin:
      return 1;
    case Op::equal:
    case Op::not_equal:
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::and_:
    case Op::or_:
    case Op::list_item:
    case Op::list_end:
      return -1;
    case Op::between:
      return -2;
    default:
      return 0;
  }
}

std::optional<Op> comparison(TokenKind kind) {
  switch (kind) {
    case TokenKind::equal:
      return Op::equal;
    case TokenKind::not_equal:
      return Op::not_equal;
    case TokenKind::less:
      return Op::less;
    case TokenKind::less_equal:
      return Op::less_equal;
    case TokenKind::greater:
      return Op::greater;
    case TokenKind::greater_equal:
      return Op::greater_equal;
    default:
      return std::nullopt;
  }
}

bool is_one_code_point(std::string_view text) {
  return !text.empty() && std::ranges::count_if(text, [](unsigned char c) { return (c & 0xc0) != 0x80; }) == 1;
}

bool may_be_condition(const Identifier& identifier) {
  if (!identifier.path.empty()) return true;
  return identifier.field->kind == FieldKind::flag_off || identifier.field->kind == FieldKind::flag_on;
}

class Parser {
 public:
  explicit Parser(std::string_view text) {
    program_->text = text;
    program_->literals.reserve(text.size());
  }

  Result<std::shared_ptr<const Program>> run() {
    auto tokens = cut_tokens(program_->text);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    tokens_ = std::move(*tokens);
    const auto whole = parse_or();
    require_condition(whole);
    if (current().kind != TokenKind::end) expected("an operator or the end");
    if (error_) return std::unexpected(std::move(*error_));
    FOLKMOOT_ASSERT(stack_ == 1);
    return program_;
  }

 private:
  // -- conditions

  Expression parse_or() {
    return parse_chain(TokenKind::or_, Op::skip_if_true, Op::or_, [this] { return parse_and(); });
  }

  Expression parse_and() {
    return parse_chain(TokenKind::and_, Op::skip_if_false, Op::and_, [this] { return parse_not(); });
  }

  template <class ParseOperand>
  Expression parse_chain(TokenKind word, Op skip, Op combine, ParseOperand parse_operand) {
    auto left = parse_operand();
    while (accept(word)) {
      require_condition(left);
      const auto jump = emit(skip);
      require_condition(parse_operand());
      emit(combine);
      land(jump);
      left = condition(left.token);
    }
    return left;
  }

  Expression parse_not() {
    const auto token = current();
    if (!accept(TokenKind::not_)) return parse_truth_test();
    if (!enter()) return {};
    require_condition(parse_not());
    leave();
    emit(Op::not_);
    return condition(token);
  }

  // condition IS [NOT] TRUE | FALSE | UNKNOWN; of a condition, IS NULL says the last
  Expression parse_truth_test() {
    const auto tested = parse_predicate();
    if (current().kind != TokenKind::is) return tested;
    const bool negative = peek(1).kind == TokenKind::not_;
    const auto op = truth_test(peek(negative ? 2 : 1));
    next(negative ? 2 : 1);
    if (!op) return expected("NULL, TRUE, FALSE or UNKNOWN"), tested;
    next();
    require_condition(tested);
    emit_test(*op, negative);
    return condition(tested.token);
  }

  static std::optional<Op> truth_test(const Token& token) {
    if (token.kind == TokenKind::true_) return Op::is_true;
    if (token.kind == TokenKind::false_) return Op::is_false;
    if (token.kind == TokenKind::null) return Op::is_unknown;
    const auto lower = [](char c) { return static_cast<char>(c | 0x20); };
    const bool is_unknown =
        token.kind == TokenKind::name && std::ranges::equal(token.text, std::string_view("unknown"), {}, lower);
    return is_unknown ? std::optional(Op::is_unknown) : std::nullopt;
  }

  Expression parse_predicate() {
    const auto left = parse_sum();
    if (const auto op = comparison(current().kind)) return parse_comparison(left, *op);
    if (current().kind == TokenKind::is) return parse_null_test(left);
    const bool negative = current().kind == TokenKind::not_;
    const auto kind = peek(negative ? 1 : 0).kind;
    if (kind != TokenKind::in && kind != TokenKind::between && kind != TokenKind::like) {
      if (negative) next(), expected("IN, BETWEEN or LIKE");
      return left;
    }
    next(negative ? 2 : 1);
    if (kind == TokenKind::in) parse_list(left);
    if (kind == TokenKind::between) parse_between(left);
    if (kind == TokenKind::like) parse_like();
    if (negative) emit(Op::not_);
    return condition(left.token);
  }

  Expression parse_comparison(const Expression& left, Op op) {
    next();
    const auto right = parse_sum();
    match_priority(left, right);
    emit(op);
    if (comparison(current().kind)) expected("AND, OR or the end: comparisons make no chain");
    return condition(left.token);
  }

  Expression parse_null_test(const Expression& left) {
    const bool negative = peek(1).kind == TokenKind::not_;
    if (peek(negative ? 2 : 1).kind != TokenKind::null) return left;
    next(negative ? 3 : 2);
    emit_test(Op::is_null, negative);
    return condition(left.token);
  }

  void parse_list(const Expression& left) {
    require(TokenKind::left_paren, "( and a list");
    emit(Op::list_begin);
    std::vector<std::size_t> jumps;
    do {
      match_priority(left, parse_sum());
      jumps.push_back(emit(Op::list_item));
    } while (accept(TokenKind::comma));
    require(TokenKind::right_paren, ", or )");
    for (const auto jump : jumps) land(jump);
    emit(Op::list_end);
  }

  void parse_between(const Expression& left) {
    match_priority(left, parse_sum());
    require(TokenKind::and_, "AND and the upper end");
    match_priority(left, parse_sum());
    emit(Op::between);
  }

  void parse_like() {
    const auto pattern = current();
    if (!require(TokenKind::text, "a pattern in single quotes")) return;
    std::string escape;
    if (accept(TokenKind::escape)) {
      escape = unquoted(current().text);
      if (current().kind != TokenKind::text || !is_one_code_point(escape)) {
        return expected("one character in single quotes");
      }
      next();
    }
    auto made = LikePattern::make(unquoted(pattern.text), escape);
    if (!made) return expected_at(pattern, "the ESCAPE character only before `%`, `_` and itself");
    program_->patterns.push_back(std::move(*made));
    emit(Op::like, program_->patterns.size() - 1);
  }

  // -- values

  Expression parse_sum() {
    auto left = parse_product();
    for (;;) {
      const auto kind = current().kind;
      if (kind != TokenKind::plus && kind != TokenKind::minus) return left;
      next();
      parse_product();
      emit(kind == TokenKind::plus ? Op::add : Op::subtract);
      left = {.token = left.token};
    }
  }

  Expression parse_product() {
    auto left = parse_signed();
    for (;;) {
      const auto kind = current().kind;
      if (kind != TokenKind::star && kind != TokenKind::slash) return left;
      next();
      parse_signed();
      emit(kind == TokenKind::star ? Op::multiply : Op::divide);
      left = {.token = left.token};
    }
  }

  Expression parse_signed() {
    const auto token = current();
    const bool minus = token.kind == TokenKind::minus;
    if (!minus && token.kind != TokenKind::plus) return parse_value();
    next();
    // The sign belongs to the number: the lowest integer has no positive counterpart.
    if (minus && current().kind == TokenKind::integer) return parse_integer(token);
    if (!enter()) return {};
    parse_signed();
    leave();
    emit(minus ? Op::negate : Op::plus);
    return {.token = token};
  }

  Expression parse_value() {
    const auto token = current();
    switch (token.kind) {
      case TokenKind::name:
      case TokenKind::quoted_name:
        return parse_identifier();
      case TokenKind::integer:
        return parse_integer(token);
      case TokenKind::real:
        return parse_real();
      case TokenKind::text:
        return next(), literal(token, keep(unquoted(token.text)));
      case TokenKind::true_:
        return next(), literal(token, boolean_value(true));
      case TokenKind::false_:
        return next(), literal(token, boolean_value(false));
      case TokenKind::null:
        return next(), literal(token, null_value());
      case TokenKind::left_paren:
        return parse_parentheses();
      default:
        return expected("a name, a value or ("), Expression{.token = token};
    }
  }

  Expression parse_parentheses() {
    next();
    if (!enter()) return {};
    const auto inner = parse_or();
    leave();
    require(TokenKind::right_paren, "an operator or )");
    return inner;
  }

  Expression parse_integer(const Token& first) {
    const auto token = current();
    const bool minus = first.kind == TokenKind::minus;
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    if (error != std::errc{} || number > kMost + (minus ? 1 : 0)) {
      expected("an integer of 64 bits (with a decimal point it is a floating number)");
      return {.token = first};
    }
    next();
    // Unsigned, where the negation of 2^63 is defined.
    return literal(first, integer_value(static_cast<std::int64_t>(minus ? 0 - number : number)));
  }

  Expression parse_real() {
    const auto token = current();
    double number = 0;
    const auto [stop, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
    if (error != std::errc{}) return expected("a floating number of 64 bits"), Expression{.token = token};
    next();
    return literal(token, real_value(number));
  }

  Expression literal(const Token& token, const Value& value) {
    program_->constants.push_back(value);
    const auto number = program_->constants.size() - 1;
    emit(Op::constant, number);
    return {
        .token = token, .may_be_condition = value.is_null() || value.kind == Value::Kind::boolean, .constant = number};
  }

  Value keep(std::string_view text) {
    auto& literals = program_->literals;
    FOLKMOOT_ASSERT(literals.size() + text.size() <= literals.capacity());  // growing would move what values point to
    literals.append(text);
    return text_value(std::string_view(literals).substr(literals.size() - text.size()));
  }

  // -- names

  Expression parse_identifier() {
    const auto token = current();
    Identifier identifier{.field = find_filter_field(take_name())};
    if (!identifier.field) identifier = {.field = &metadata_field(), .path = {{.name = name_of(token)}}};
    while (current().kind == TokenKind::dot || current().kind == TokenKind::left_bracket) {
      if (!identifier.field->has_parts()) {
        expected(fmt::format("an operator: `{}` has no parts", identifier.field->name));
        break;
      }
      if (identifier.path.size() == kFilterPathStepsMax) {
        exceed(fmt::format("a path of more than {} steps", kFilterPathStepsMax));
        break;
      }
      identifier.path.push_back(accept(TokenKind::dot) ? PathStep{.name = take_name()} : parse_position());
    }
    const bool is_condition = may_be_condition(identifier);
    const bool is_priority = identifier.field->kind == FieldKind::priority;
    emit(Op::load, number_of(std::move(identifier)));
    return {.token = token, .may_be_condition = is_condition, .is_priority = is_priority};
  }

  static std::string name_of(const Token& token) {
    return token.kind == TokenKind::quoted_name ? unquoted(token.text) : std::string(token.text);
  }

  // Behind a dot a keyword is a name like any other.
  std::string take_name() {
    const auto token = current();
    const bool is_keyword = token.kind >= TokenKind::and_ && token.kind <= TokenKind::false_;
    const bool is_name = token.kind == TokenKind::name || token.kind == TokenKind::quoted_name;
    if (!is_name && !is_keyword) return expected("a name"), "";
    auto name = name_of(token);
    if (name.empty()) return expected("a name that is not empty"), "";
    next();
    return name;
  }

  PathStep parse_position() {
    next();
    const auto token = current();
    std::uint32_t position = 0;
    const auto [stop, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), position);
    if (token.kind != TokenKind::integer || error != std::errc{}) {
      expected("a position in the list, from 0");
    } else {
      next();
      require(TokenKind::right_bracket, "]");
    }
    return {.name = {}, .position = position, .is_position = true};
  }

  std::size_t number_of(Identifier identifier) {
    auto& known = program_->identifiers;
    const auto found = std::ranges::find(known, identifier);
    const auto number = static_cast<std::size_t>(found - known.begin());
    if (found != known.end()) return number;
    if (known.size() == kFilterNamesMax) {
      exceed(fmt::format("more than {} different fields", kFilterNamesMax));
      return 0;
    }
    known.push_back(std::move(identifier));
    return number;
  }

  // A literal that is compared with the priority may be one of its names; it becomes the number.
  void match_priority(const Expression& left, const Expression& right) {
    if (left.is_priority) name_to_priority(right);
    if (right.is_priority) name_to_priority(left);
  }

  void name_to_priority(const Expression& literal) {
    if (!literal.constant) return;
    auto& value = program_->constants[*literal.constant];
    if (!value.is_text()) return;
    const auto priority = parse_priority(value.text());
    constexpr std::string_view kPriorities = "1 to 10, or one of 'critical', 'high', 'normal', 'low', 'background'";
    if (!priority) return expected_at(literal.token, kPriorities);
    value = integer_value(*priority);
  }

  // -- the program

  static Expression condition(const Token& token) { return {.token = token, .may_be_condition = true}; }

  void require_condition(const Expression& expression) {
    if (!expression.may_be_condition) expected_at(expression.token, "a condition, as in priority < 5");
  }

  /// Appends an instruction: its number.
  std::size_t emit(Op op, std::size_t operand = 0) {
    if (error_) return 0;
    if (program_->code.size() == kFilterNodesMax) {
      exceed(fmt::format("more than {} operands and operators", kFilterNodesMax));
      return 0;
    }
    stack_ += stack_effect(op);
    if (stack_ > static_cast<int>(kFilterStackMax)) {
      exceed(fmt::format("more than {} values that wait for an operator", kFilterStackMax));
      return 0;
    }
    program_->code.push_back({op, static_cast<std::uint16_t>(operand)});
    return program_->code.size() - 1;
  }

  void emit_test(Op op, bool negative) {
    emit(op);
    if (negative) emit(Op::not_);
  }

  // What jumps goes on at the instruction that is written next.
  void land(std::size_t jump) {
    if (!error_) program_->code[jump].operand = static_cast<std::uint16_t>(program_->code.size());
  }

  bool enter() {
    if (++depth_ <= kFilterDepthMax) return true;
    exceed(fmt::format("nested deeper than {}", kFilterDepthMax));
    return false;
  }
  void leave() { --depth_; }

  // -- tokens

  const Token& peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& current() const { return peek(0); }
  void next(std::size_t count = 1) { at_ = std::min(at_ + count, tokens_.size() - 1); }

  bool accept(TokenKind kind) {
    if (current().kind != kind) return false;
    next();
    return true;
  }

  bool require(TokenKind kind, std::string_view what) {
    if (accept(kind)) return true;
    expected(what);
    return false;
  }

  void expected(std::string_view what) { expected_at(current(), what); }

  void expected_at(const Token& token, std::string_view what) {
    if (error_) return;
    auto error = filter_error(program_->text, token.text, what).error();
    fail(error.code, std::move(error.text));
  }

  // A bound of limits.hpp is passed, at the token that was read last.
  void exceed(std::string_view what) {
    if (error_) return;
    const auto& at = tokens_[at_ - 1].text;
    fail(ErrorCode::invalid_filter, fmt::format("filter, column {}: {}", column_of(program_->text, at), what));
  }

  void fail(ErrorCode code, std::string text) {
    if (!error_) error_ = Error{code, std::move(text)};
    at_ = tokens_.size() - 1;
  }

  const std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int stack_ = 0;
  std::optional<Error> error_;
};

std::unexpected<Error> not_utf8(std::string_view text, std::size_t good) {
  return failure(ErrorCode::invalid_filter,
                 fmt::format("filter, column {}: found a byte that is not UTF-8, 0x{:02x}",
                             column_of(text, text.substr(good)), static_cast<unsigned char>(text[good])));
}

}  // namespace

Result<std::shared_ptr<const Program>> parse_filter(std::string_view text) {
  if (text.size() > kFilterBytesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("the filter is {} bytes; {} is the most", text.size(), kFilterBytesMax));
  }
  if (const auto good = utf8_prefix(text); good < text.size()) return not_utf8(text, good);
  return Parser(text).run();
}

}  // namespace folkmoot
