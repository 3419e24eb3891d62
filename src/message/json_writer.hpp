// Appends one JSON value to a string, piece by piece; commas come by themselves.
//
//   JsonWriter(out).begin_object().field("op", "confirm").field("request", 7u).end_object();
//
// Boost.JSON builds values in memory; the doors write text straight away, since most of it (content that is JSON
// already, statistics) exists as text. Numbers are written so that every JSON reader takes them: no NaN, no infinity.
#pragma once

#include <boost/json/fwd.hpp>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace folkmoot {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out), start_(out.size()) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  /// Bytes that are not UTF-8 become `?`: what is written is always JSON.
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::same_as<bool> auto flag) { return raw(flag ? "true" : "false"); }
  JsonWriter& value(std::signed_integral auto number) { return integer(static_cast<std::int64_t>(number)); }
  JsonWriter& value(std::unsigned_integral auto number)
    requires(!std::same_as<decltype(number), bool>)
  {
    return natural(static_cast<std::uint64_t>(number));
  }
  JsonWriter& value(double number);
  JsonWriter& value(std::nullptr_t) { return raw("null"); }
  JsonWriter& value(const boost::json::value& any);
  JsonWriter& value(const boost::json::object& map);
  /// Requires: `json` is one JSON value.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& of) {
    return key(name).value(of);
  }
  /// Left out when it is empty.
  JsonWriter& optional_field(std::string_view name, std::string_view text) {
    return text.empty() ? *this : key(name).value(text);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t number);
  JsonWriter& natural(std::uint64_t number);
  void separate();
  void append_string(std::string_view text);
  void append_escaped(char c);

  std::string& out_;
  const std::size_t start_;
};

}  // namespace folkmoot
