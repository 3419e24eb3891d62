// JSON as text: where it stops to be, and contents that come out as they went in.
#include "message/json_text.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/utf8.hpp"
#include "message/json_document.hpp"
#include "message/json_mapping.hpp"

namespace folkmoot {
namespace {

std::string without_blanks_around(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
  return first == std::string::npos ? std::string() : text.substr(first, last - first + 1);
}

template <class Each>
void each_vector(Each each) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FOLKMOOT_VECTORS "/json")) {
    if (entry.path().extension() != ".json") continue;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    each(entry.path().filename().string(), text.str());
    ++count;
  }
  EXPECT_EQ(count, 130u);
}

std::string error_of(std::string_view text) {
  JsonDocument document;
  const auto parsed = document.parse(text);
  return parsed ? "none" : parsed.error().text;
}

TEST(JsonText, U3_the_texts_of_others_are_told_from_what_is_no_json) {
  each_vector([](const std::string& name, const std::string& text) {
    const bool has_mark = name == "i_structure_UTF-8_BOM_empty_object.json";
    EXPECT_EQ(is_json(text), is_utf8(text) && !has_mark) << name;
    for (std::size_t cut = 0; cut < text.size(); ++cut) (void)is_json(std::string_view(text).substr(0, cut));
  });
}

TEST(JsonText, U3_a_content_is_the_text_that_went_in) {
  each_vector([](const std::string& name, const std::string& text) {
    if (!is_utf8(text)) return;
    const auto content = without_blanks_around(text);
    const auto message =
        message_from_json(R"({"to":"a","content_type":"application/json","content":)" + text + R"(,"priority":3})");
    ASSERT_TRUE(message) << name << ": " << message.error().text;
    EXPECT_EQ(message->content, content) << name;
    const auto again = message_from_json(to_json(*message));
    ASSERT_TRUE(again) << name << ": " << again.error().text;
    EXPECT_EQ(again->content, content) << name;
  });
}

TEST(JsonText, U3_what_is_no_json_is_refused_with_its_place) {
  EXPECT_EQ(error_of(R"({"a":1,})"), "this is not JSON: line 1, column 8: there should be a name in quotes");
  EXPECT_EQ(error_of("[1,\n2,\n  x]"), "this is not JSON: line 3, column 3: that is no value");
  EXPECT_EQ(error_of(""), "this is not JSON: line 1, column 1: the text ends where a value should be");
  EXPECT_EQ(error_of(R"({"a" 1})"), "this is not JSON: line 1, column 6: there should be a `:`");
  EXPECT_EQ(error_of(R"([1 2])"), "this is not JSON: line 1, column 4: there should be a `,` or a `]`");
  EXPECT_EQ(error_of("[\"\x01\"]"), "this is not JSON: line 1, column 3: a control character stands in a string");
  EXPECT_EQ(error_of("{} {}"), "this is not JSON: line 1, column 4: the text goes on after its value");
  EXPECT_EQ(error_of(R"({"content":[01]})"), "this is not JSON: line 1, column 14: a number does not begin with 0");
  EXPECT_EQ(error_of(R"({"content":[1.]})"), "this is not JSON: line 1, column 15: a digit is missing");
  EXPECT_EQ(error_of(R"({"content":["\x"]})"), "this is not JSON: line 1, column 15: that is no escape");
  EXPECT_EQ(error_of(R"({"content":["\u12"]})"),
            "this is not JSON: line 1, column 16: \\u needs four hexadecimal digits");
  EXPECT_EQ(error_of(R"({"content":"a)"), "this is not JSON: line 1, column 14: a string does not end");
  EXPECT_EQ(error_of("{\"to\":\"\xff\"}"), "this is not JSON: line 1, column 8: that is not UTF-8");
  // What only a content may have.
  EXPECT_EQ(error_of(R"({"to":"\ud83d"})"),
            "this is not JSON: line 1, column 8: half of a surrogate pair is no character");
  EXPECT_EQ(error_of(R"({"metadata":{"x":1e400}})"),
            "line 1, column 18: a number is beyond what 64 bits of floating point hold");
}

TEST(JsonText, U3_contents_are_found_wherever_messages_stand_and_nowhere_else) {
  const auto parsed = [](std::string_view text) {
    JsonDocument document;
    const auto value = document.parse(text);
    return value ? std::pair(std::string(simdjson::minify(*value)), json_of(*value))
                 : std::pair(std::string(), std::string());
  };
  const auto [dom, text] =
      parsed(R"([{"content": -0}, {"payload": [[1 ]]}, {"content":null}, {"content":"plain"}, {"content":"\t"}])");
  EXPECT_EQ(
      dom,
      R"([{"content":["-0"]},{"payload":["[[1 ]]"]},{"content":null},{"content":"plain"},{"content":["\"\\t\""]}])");
  EXPECT_EQ(text, R"([{"content":-0},{"payload":[[1 ]]},{"content":null},{"content":"plain"},{"content":"\t"}])");
  // Within metadata it is a name like any other, within a content nobody's business.
  const std::string_view nested =
      R"({"metadata":{"content":[1]},"headers":{"a":{"payload":2}},"content":{"content":{"a": 1}}})";
  EXPECT_EQ(parsed(nested).second, nested);
  EXPECT_EQ(parsed(R"({"parameters":{"content":[1 ]}})").first, R"({"parameters":["{\"content\":[1 ]}"]})");
  EXPECT_EQ(parsed(R"({"c\u006fntent":[1]})").first, R"({"content":["[1]"]})");
}

TEST(JsonText, U3_numbers_of_the_envelope_beyond_64_bits_are_floating) {
  const auto message = message_from_json(
      R"({"to":"a","metadata":{"big":123456789012345678901234567890,"exact":18446744073709551615,
          "least":-9223372036854775808,"below":-9223372036854775809,
          "tiny":1e-400,"long":0.12345678901234567890123456789}})");
  ASSERT_TRUE(message) << message.error().text;
  EXPECT_EQ(message->metadata.at("big"), 123456789012345678901234567890.0);
  EXPECT_EQ(message->metadata.at("exact"), 18446744073709551615u);
  EXPECT_EQ(message->metadata.at("least"), INT64_MIN);
  EXPECT_EQ(message->metadata.at("below"), -9223372036854775809.0);
  EXPECT_EQ(message->metadata.at("tiny"), 0.0);
  EXPECT_EQ(message->metadata.at("long"), 0.12345678901234567890123456789);
}

TEST(JsonText, U3_a_content_can_be_looked_into_whatever_its_numbers) {
  JsonDocument document;
  const auto value =
      document.parse_content(R"({"wei":1000000000000000000000,"over":[1e400,-1e400],"half":"a\ud83db","content":[7]})");
  ASSERT_TRUE(value) << value.error().text;
  EXPECT_EQ(double((*value)["wei"]), 1e21);
  EXPECT_EQ(double((*value)["over"].at(0)), std::numeric_limits<double>::max());
  EXPECT_EQ(double((*value)["over"].at(1)), std::numeric_limits<double>::lowest());
  EXPECT_EQ(std::string_view((*value)["half"]),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(std::int64_t((*value)["content"].at(0)), 7);
}

TEST(JsonText, U3_strings_say_what_their_escapes_mean) {
  EXPECT_EQ(*unquote_json(R"("plain")"), "plain");
  EXPECT_EQ(*unquote_json(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(*unquote_json(R"("\u0041\u00e4\u20ac\ud83d\ude00\u0000")"),
            std::string("A\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\0", 11));
  // The last of so many bytes, and the first of one more.
  EXPECT_EQ(*unquote_json(R"("\u007f\u0080")"), "\x7F\xC2\x80");
  EXPECT_EQ(*unquote_json(R"("\u07ff\u0800")"), "\xDF\xBF\xE0\xA0\x80");
  EXPECT_EQ(*unquote_json(R"("\uffff\ud800\udc00")"), "\xEF\xBF\xBF\xF0\x90\x80\x80");
  EXPECT_EQ(*unquote_json(R"("\udbff\udfff")"), "\xF4\x8F\xBF\xBF");
  for (const auto* const half : {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\ud83d")"})
    EXPECT_EQ(unquote_json(half).error().code, ErrorCode::invalid_field) << half;
}

TEST(JsonText, U3_a_text_that_is_broken_still_tells_whose_it_is) {
  EXPECT_EQ(number_in_broken_json(R"({"op":"publish","request":7,"message":{"content":[1,})", "request"), 7u);
  EXPECT_EQ(number_in_broken_json(R"({"message":{"request":5},"request":7,"x":)", "request"), 7u);
  EXPECT_EQ(number_in_broken_json(R"({"message":{"request":5},"x":}, "request":7)", "request"), 0u);
  EXPECT_EQ(number_in_broken_json(R"({"request":"7","x":)", "request"), 0u);
  EXPECT_EQ(number_in_broken_json(R"({"request":-7,"x":)", "request"), 0u);
  EXPECT_EQ(number_in_broken_json("", "request"), 0u);
}

TEST(JsonText, U3_a_text_of_nothing_but_blanks_and_quotes_fits) {
  for (const std::string_view part : {"\n", "\t", "\r\n", R"("\\",)"}) {
    std::string content = "[";
    while (content.size() + part.size() + 100 < kJsonTextBytesMax) content += part;
    content += "1]";
    const auto message = message_from_json(R"({"to":"a","content":)" + content + "}");
    ASSERT_TRUE(message) << message.error().text;
    EXPECT_TRUE(message->content == content);
  }
}

TEST(JsonText, U3_a_text_as_deep_as_it_is_long_takes_no_stack) {
  const std::string deep = std::string(2'000'000, '[') + std::string(2'000'000, ']');
  EXPECT_TRUE(is_json(deep));
  EXPECT_FALSE(is_json(deep.substr(1)));
  const auto message = message_from_json(R"({"to":"a","content":)" + deep + "}");
  ASSERT_TRUE(message) << message.error().text;
  EXPECT_EQ(message->content, deep);
}

}  // namespace
}  // namespace folkmoot
