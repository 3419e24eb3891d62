#include "message/json_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <cmath>
#include <iterator>

#include "base/utf8.hpp"

namespace folkmoot {

// A value just written ends in a quote, a bracket, a digit or a letter, so the last character tells whether a comma is
// due.
void JsonWriter::separate() {
  if (out_.size() == start_) return;
  const char last = out_.back();
  if (last != '{' && last != '[' && last != ':') out_.push_back(',');
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_.push_back(bracket);
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_.push_back(bracket);
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(name);
  out_.push_back(':');
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_string(text);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_.append(json);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  separate();
  const fmt::format_int digits(number);
  out_.append(digits.data(), digits.size());
  return *this;
}

JsonWriter& JsonWriter::natural(std::uint64_t number) {
  separate();
  const fmt::format_int digits(number);
  out_.append(digits.data(), digits.size());
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return raw("null");
  separate();
  const auto from = out_.size();
  fmt::format_to(std::back_inserter(out_), "{}", number);
  // A whole number stays a floating one for the reader.
  if (out_.find_first_of(".e", from) == std::string::npos) out_.append(".0");
  return *this;
}

JsonWriter& JsonWriter::value(const boost::json::value& any) {
  namespace json = boost::json;
  switch (any.kind()) {
    case json::kind::null:
      return raw("null");
    case json::kind::bool_:
      return value(any.get_bool());
    case json::kind::int64:
      return integer(any.get_int64());
    case json::kind::uint64:
      return natural(any.get_uint64());
    case json::kind::double_:
      return value(any.get_double());
    case json::kind::string:
      return value(std::string_view(any.get_string()));
    case json::kind::array:
      begin_array();
      for (const auto& element : any.get_array()) value(element);
      return end_array();
    case json::kind::object:
      return value(any.get_object());
  }
  return *this;
}

JsonWriter& JsonWriter::value(const boost::json::object& map) {
  begin_object();
  for (const auto& [name, element] : map) key(std::string_view(name)).value(element);
  return end_object();
}

void JsonWriter::append_string(std::string_view text) {
  // The usual case: nothing of it has to be looked at twice.
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, is_plain)) {
    out_.push_back('"');
    out_.append(text);
    out_.push_back('"');
    return;
  }
  const bool is_text = is_utf8(text);
  const auto stands_for_itself = [is_text](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 ? is_text : byte >= 0x20 && c != '"' && c != '\\';
  };
  out_.push_back('"');
  for (auto rest = text; !rest.empty();) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(rest, stands_for_itself) - rest.begin());
    out_.append(rest.substr(0, plain));
    if (plain == rest.size()) break;
    append_escaped(rest[plain]);
    rest.remove_prefix(plain + 1);
  }
  out_.push_back('"');
}

void JsonWriter::append_escaped(char c) {
  switch (c) {
    case '"':
      out_.append("\\\"");
      break;
    case '\\':
      out_.append("\\\\");
      break;
    case '\n':
      out_.append("\\n");
      break;
    case '\r':
      out_.append("\\r");
      break;
    case '\t':
      out_.append("\\t");
      break;
    default: {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20) {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", byte);
      } else {
        out_.push_back('?');  // of bytes that are no UTF-8
      }
    }
  }
}

}  // namespace folkmoot
