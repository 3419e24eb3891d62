#include "message/json_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "base/utf8.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kContentFields[] = {"content", "payload", "parameters", "arguments"};
constexpr std::string_view kEventContentFields[] = {"data"};
constexpr std::string_view kMetadataFields[] = {"metadata", "headers"};
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Four hexadecimal digits, or -1.
int hex4(std::string_view digits) {
  if (digits.size() < 4) return -1;
  unsigned value = 0;
  const auto done = std::from_chars(digits.data(), digits.data() + 4, value, 16);
  return done.ec == std::errc{} && done.ptr == digits.data() + 4 ? static_cast<int>(value) : -1;
}
bool is_leading(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_trailing(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// A walk over a JSON text, which tells `Visitor` of its parts; it ends at the first byte that cannot be. Iterative: a
// text may be as deep as it is long.
//
//   key(begin, end)       a member's name, with its quotes
//   opened(at)            a value begins
//   closed(begin, end)    ... and ends; of a list or object, `begin` is where its bracket closes
//   scalar(begin, end)    it was a string, a number, true, false or null
//   is_opaque()           of the value that begins: a byte order mark may stand before it
//   half_pair(begin, end) an escape that stands for half of a surrogate pair; false: that is an error
//
// Each may be left out by deriving from NoVisitor.
struct NoVisitor {
  void key(std::size_t, std::size_t) {}
  void opened(std::size_t) {}
  void closed(std::size_t, std::size_t) {}
  void scalar(std::size_t, std::size_t) {}
  bool is_opaque() const { return false; }
  bool half_pair(std::size_t, std::size_t) { return true; }
};

template <class Visitor>
class Walk {
 public:
  Walk(std::string_view text, Visitor& visitor) : text_(text), visitor_(visitor) {}

  // False: it is no JSON, as fault() says.
  bool run() {
    if (!value()) return false;
    while (!open_.empty()) {
      if (!next()) return false;
    }
    skip_blanks();
    return at_ == text_.size() || fail("the text goes on after its value");
  }

  std::size_t fault_at() const { return fault_at_; }
  std::string_view fault() const { return fault_; }

 private:
  bool fail(std::string_view what) {
    fault_at_ = at_;
    fault_ = what;
    return false;
  }
  bool is_at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return is_at(c) && ++at_; }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  // A value, or the bracket that it opens with.
  bool value() {
    skip_blanks();
    visitor_.opened(at_);
    if (visitor_.is_opaque() && text_.substr(at_).starts_with(kByteOrderMark)) at_ += kByteOrderMark.size();
    const auto begin = at_;
    if (at_ == text_.size()) return fail("the text ends where a value should be");
    const auto c = text_[at_];
    if (c == '{' || c == '[') {
      ++at_;
      open_.push_back(c);
      skip_blanks();
      if (take(c == '{' ? '}' : ']')) return close();
      return c == '{' ? member() : value_of_list();
    }
    const bool good = c == '"' ? string() : c == '-' || is_digit(c) ? number() : word();
    if (!good) return false;
    visitor_.scalar(begin, at_);
    visitor_.closed(begin, at_);
    return true;
  }

  // Lists in lists do not call each other: next() goes on with what the innermost one needs.
  bool value_of_list() {
    pending_ = true;
    return true;
  }

  bool close() {
    open_.pop_back();
    visitor_.closed(at_ - 1, at_);
    return true;
  }

  // What follows within the innermost list or object.
  bool next() {
    if (pending_) {
      pending_ = false;
      return value();
    }
    skip_blanks();
    const bool is_object = open_.back() == '{';
    if (take(is_object ? '}' : ']')) return close();
    if (!take(',')) return fail(is_object ? "there should be a `,` or a `}`" : "there should be a `,` or a `]`");
    skip_blanks();
    return is_object ? member() : value_of_list();
  }

  bool member() {
    if (!is_at('"')) return fail("there should be a name in quotes");
    const auto begin = at_;
    if (!string()) return false;
    visitor_.key(begin, at_);
    skip_blanks();
    if (!take(':')) return fail("there should be a `:`");
    return value_of_list();
  }

  bool string() {
    ++at_;
    for (;;) {
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20)
        ++at_;
      if (at_ == text_.size()) return fail("a string does not end");
      if (take('"')) return true;
      if (text_[at_] != '\\') return fail("a control character stands in a string");
      if (!escape()) return false;
    }
  }

  bool escape() {
    const auto begin = at_++;
    if (at_ == text_.size() || std::string_view("\"\\/bfnrtu").find(text_[at_]) == std::string_view::npos)
      return fail("that is no escape");
    if (text_[at_++] != 'u') return true;
    const auto unit = hex4(text_.substr(at_));
    if (unit < 0) return fail("\\u needs four hexadecimal digits");
    at_ += 4;
    if (!is_leading(unit) && !is_trailing(unit)) return true;
    const auto rest = text_.substr(at_);
    if (is_leading(unit) && rest.starts_with("\\u") && is_trailing(hex4(rest.substr(2)))) {
      at_ += 6;
      return true;
    }
    if (visitor_.half_pair(begin, at_)) return true;
    at_ = begin;
    return fail("half of a surrogate pair is no character");
  }

  bool digits() {
    const auto begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > begin || fail("a digit is missing");
  }

  bool number() {
    take('-');
    if (take('0')) {
      if (at_ < text_.size() && is_digit(text_[at_])) return fail("a number does not begin with 0");
    } else if (!digits()) {
      return false;
    }
    if (take('.') && !digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      return digits();
    }
    return true;
  }

  bool word() {
    for (const std::string_view known : {"true", "false", "null"}) {
      if (!text_.substr(at_).starts_with(known)) continue;
      at_ += known.size();
      return true;
    }
    return fail("that is no value");
  }

  const std::string_view text_;
  Visitor& visitor_;
  std::size_t at_ = 0;
  std::string open_;      // brackets, outermost first
  bool pending_ = false;  // a value must follow
  std::size_t fault_at_ = 0;
  std::string_view fault_;
};

std::string place_in(std::string_view text, std::size_t at) {
  const auto before = text.substr(0, at);
  const auto line_begin = before.rfind('\n');
  const auto column = line_begin == std::string_view::npos ? at : at - line_begin - 1;
  return fmt::format("line {}, column {}", std::ranges::count(before, '\n') + 1, column + 1);
}

std::unexpected<Error> not_json(std::string_view text, std::size_t at, std::string_view what) {
  return failure(ErrorCode::malformed, fmt::format("this is not JSON: {}: {}", place_in(text, at), what));
}

Result<void> check_utf8(std::string_view text) {
  if (const auto good = utf8_prefix(text); good < text.size()) return not_json(text, good, "that is not UTF-8");
  return {};
}

// A number as the DOM takes it: as it stands, or floating if it is whole and beyond 64 bits. Nothing if it is beyond
// floating ones.
std::optional<std::string> number_for_dom(std::string_view number) {
  const bool is_whole = number.find_first_of(".eE") == std::string_view::npos;
  if (is_whole && number.size() <= 18) return std::string(number);
  if (is_whole) {
    std::int64_t small = 0;
    std::uint64_t large = 0;
    const auto* const end = number.data() + number.size();
    if (std::from_chars(number.data(), end, small).ec == std::errc{}) return std::string(number);
    if (number.front() != '-' && std::from_chars(number.data(), end, large).ec == std::errc{})
      return std::string(number);
  }
  double real = 0;
  const auto done = std::from_chars(number.data(), number.data() + number.size(), real);
  // Too small is 0, and fits; from_chars() tells it from too large by nothing.
  if (done.ec == std::errc::result_out_of_range) {
    real = std::strtod(std::string(number).c_str(), nullptr);
    if (std::isinf(real)) return std::nullopt;
    return real == 0 ? (number.front() == '-' ? "-0.0" : "0.0") : fmt::format("{:e}", real);
  }
  return is_whole ? std::string(number) + ".0" : std::string(number);
}

// Copies a text piece by piece, with some pieces replaced.
class Copy {
 public:
  Copy(std::string_view text, std::string& out) : text_(text), out_(out) { out_.clear(); }
  void replace(std::size_t begin, std::size_t end, std::string_view with) {
    out_.append(text_, done_, begin - done_).append(with);
    done_ = end;
  }
  std::string_view finish() {
    if (done_ == 0) return text_;
    return out_.append(text_, done_);
  }

 private:
  const std::string_view text_;
  std::string& out_;
  std::size_t done_ = 0;
};

// `text` is JSON: of what a string must escape it has quotes, backslashes and the blanks between its parts. So it
// becomes twice as long at most, which is what the parser has room for.
std::string quote(std::string_view text) {
  constexpr std::string_view kEscaped = "\"\\\n\t\r", kBy = "\"\\ntr";
  std::string out = "\"";
  out.reserve(text.size() + 16);
  for (const auto c : text) {
    const auto known = kEscaped.find(c);
    if (known != std::string_view::npos) out += '\\';
    out += known != std::string_view::npos ? kBy[known] : c;
  }
  return out += '"';
}

std::span<const std::string_view> content_fields(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::ours ? std::span<const std::string_view>(kContentFields) : kEventContentFields;
}
bool is_content(std::string_view name, Vocabulary vocabulary) {
  const auto fields = content_fields(vocabulary);
  return std::ranges::find(fields, name) != fields.end();
}

class Exposer : public NoVisitor {
 public:
  Exposer(std::string_view text, std::string& copy, Vocabulary vocabulary)
      : text_(text), copy_(text, copy), vocabulary_(vocabulary) {}

  void key(std::size_t begin, std::size_t end) {
    if (inside_ != Inside::envelope) return;
    auto name = text_.substr(begin + 1, end - begin - 2);
    std::string unquoted;
    if (name.contains('\\')) {
      unquoted = unquote_json(text_.substr(begin, end - begin)).value_or(std::string{});
      name = unquoted;
    }
    const bool has_metadata = vocabulary_ == Vocabulary::ours && is_metadata_field(name);
    next_ = is_content(name, vocabulary_) ? Inside::content : has_metadata ? Inside::metadata : Inside::envelope;
  }

  void opened(std::size_t at) {
    ++depth_;
    if (inside_ != Inside::envelope || next_ == Inside::envelope) return;
    inside_ = std::exchange(next_, Inside::envelope);
    begin_ = at;
    began_at_ = depth_;
  }

  void closed(std::size_t, std::size_t end) {
    if (depth_-- != began_at_) return;
    const auto whole = text_.substr(begin_, end - begin_);
    // As it stands: a word, or a string that says what it says.
    const bool is_plain =
        whole == "true" || whole == "false" || whole == "null" || (whole.front() == '"' && !whole.contains('\\'));
    if (inside_ == Inside::content && !is_plain) copy_.replace(begin_, end, "[" + quote(whole) + "]");
    inside_ = Inside::envelope;
    began_at_ = 0;
  }

  void scalar(std::size_t begin, std::size_t end) {
    if (inside_ == Inside::content || (text_[begin] != '-' && !is_digit(text_[begin]))) return;
    const auto number = text_.substr(begin, end - begin);
    const auto fitting = number_for_dom(number);
    if (!fitting) {
      if (!too_large_) too_large_ = begin;
    } else if (*fitting != number) {
      copy_.replace(begin, end, *fitting);
    }
  }

  bool is_opaque() const { return inside_ == Inside::content && depth_ == began_at_; }
  bool half_pair(std::size_t, std::size_t) { return inside_ == Inside::content; }

  std::optional<std::size_t> too_large() const { return too_large_; }
  std::string_view finish() { return copy_.finish(); }

 private:
  enum class Inside : std::uint8_t { envelope, content, metadata };

  const std::string_view text_;
  Copy copy_;
  const Vocabulary vocabulary_;
  Inside inside_ = Inside::envelope, next_ = Inside::envelope;
  std::size_t begin_ = 0, depth_ = 0, began_at_ = 0;
  std::optional<std::size_t> too_large_;
};

class Reader : public NoVisitor {
 public:
  Reader(std::string_view text, std::string& copy) : text_(text), copy_(text, copy) {}

  void scalar(std::size_t begin, std::size_t end) {
    if (text_[begin] != '-' && !is_digit(text_[begin])) return;
    const auto number = text_.substr(begin, end - begin);
    const auto largest = number.front() == '-' ? "-1.7976931348623157e308" : "1.7976931348623157e308";
    const auto fitting = number_for_dom(number).value_or(largest);
    if (fitting != number) copy_.replace(begin, end, fitting);
  }
  bool half_pair(std::size_t begin, std::size_t end) {
    copy_.replace(begin, end, "\\ufffd");
    return true;
  }
  std::string_view finish() { return copy_.finish(); }

 private:
  const std::string_view text_;
  Copy copy_;
};

class NumberFinder : public NoVisitor {
 public:
  NumberFinder(std::string_view text, std::string_view name) : text_(text), name_(name) {}
  void key(std::size_t begin, std::size_t end) {
    is_next_ = depth_ == 1 && text_.substr(begin + 1, end - begin - 2) == name_;
  }
  void opened(std::size_t) { ++depth_; }
  void closed(std::size_t, std::size_t) { --depth_; }
  void scalar(std::size_t begin, std::size_t end) {
    std::uint64_t value = 0;
    if (std::exchange(is_next_, false) && depth_ == 2 &&
        std::from_chars(text_.data() + begin, text_.data() + end, value).ptr == text_.data() + end)
      number = value;
  }
  std::uint64_t number = 0;

 private:
  const std::string_view text_, name_;
  std::size_t depth_ = 0;
  bool is_next_ = false;
};

// Whether the DOM of the text says all there is to say: no content in it is anything but a plain string or a word. One
// look at each quote, since every message that comes in JSON goes through here.
bool needs_no_exposing(std::string_view text, Vocabulary vocabulary) {
  const auto fields = content_fields(vocabulary);
  if (text.contains('\\')) return false;
  for (auto at = text.find('"'); at != std::string_view::npos; at = text.find('"', at + 1)) {
    auto rest = text.substr(at + 1);
    const auto begins = [&](std::string_view name) {
      return rest.size() > name.size() && rest[0] == name[0] && rest[name.size()] == '"' && rest.starts_with(name);
    };
    const auto name = std::ranges::find_if(fields, begins);
    if (name == fields.end()) continue;
    rest.remove_prefix(name->size() + 1);
    while (!rest.empty() && (is_blank(rest[0]) || rest[0] == ':')) rest.remove_prefix(1);
    if (!rest.empty() && std::string_view("{[-0123456789").contains(rest[0])) return false;
    if (rest.starts_with(kByteOrderMark)) return false;
  }
  return true;
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
            static_cast<char>(0x80 | (code & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
            static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
  }
}

}  // namespace

bool is_json(std::string_view text) {
  NoVisitor nobody;
  return is_utf8(text) && Walk(text, nobody).run();
}

bool is_content_field(std::string_view name) { return is_content(name, Vocabulary::ours); }
bool is_metadata_field(std::string_view name) {
  return std::ranges::find(kMetadataFields, name) != std::end(kMetadataFields);
}

Result<std::string_view> expose_contents(std::string_view text, std::string& copy, bool is_doubted,
                                         Vocabulary vocabulary) {
  if (!is_doubted && needs_no_exposing(text, vocabulary)) return text;
  if (auto good = check_utf8(text); !good) return std::unexpected(std::move(good.error()));
  Exposer exposer(text, copy, vocabulary);
  Walk walk(text, exposer);
  if (!walk.run()) return not_json(text, walk.fault_at(), walk.fault());
  if (const auto at = exposer.too_large()) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{}: a number is beyond what 64 bits of floating point hold", place_in(text, *at)));
  }
  return exposer.finish();
}

Result<std::string_view> readable_json(std::string_view text, std::string& copy) {
  if (auto good = check_utf8(text); !good) return std::unexpected(std::move(good.error()));
  Reader reader(text, copy);
  Walk walk(text, reader);
  if (!walk.run()) return not_json(text, walk.fault_at(), walk.fault());
  return reader.finish();
}

Result<std::string> unquote_json(std::string_view quoted) {
  std::string out;
  auto left = quoted.substr(1, quoted.size() - 2);
  while (!left.empty()) {
    const auto plain = std::min(left.find('\\'), left.size());
    out.append(left.substr(0, plain));
    left.remove_prefix(plain);
    if (left.empty()) break;
    const auto escape = left[1];
    left.remove_prefix(2);
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (const auto known = kEscapes.find(escape); known != std::string_view::npos) {
      out += kMeanings[known];
      continue;
    }
    const auto unit = hex4(left);
    left.remove_prefix(4);
    auto code = static_cast<unsigned>(unit);
    if (is_leading(unit) && left.starts_with("\\u") && is_trailing(hex4(left.substr(2)))) {
      code = 0x10000 + ((code & 0x3FF) << 10) + (static_cast<unsigned>(hex4(left.substr(2))) & 0x3FF);
      left.remove_prefix(6);
    } else if (is_leading(unit) || is_trailing(unit)) {
      return failure(ErrorCode::invalid_field,
                     fmt::format("\\u{:04x} is half of a surrogate pair, and no character", code));
    }
    append_utf8(out, code);
  }
  return out;
}

std::uint64_t number_in_broken_json(std::string_view text, std::string_view name) {
  NumberFinder finder(text, name);
  Walk(text, finder).run();
  return finder.number;
}

std::string on_one_line(std::string json) {
  std::ranges::replace_if(json, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return json;
}

}  // namespace folkmoot
