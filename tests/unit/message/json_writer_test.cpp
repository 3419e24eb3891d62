#include "message/json_writer.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace folkmoot {
namespace {

TEST(JsonWriter, PutsCommasWhereTheyBelong) {
  std::string out = "before ";
  JsonWriter json(out);
  json.begin_object()
      .field("a", 1)
      .field("b", "x")
      .key("c")
      .begin_array()
      .value(true)
      .value(nullptr)
      .begin_object()
      .end_object();
  json.end_array()
      .key("d")
      .begin_array()
      .end_array()
      .field("e", std::uint64_t{UINT64_MAX})
      .field("f", INT64_MIN)
      .end_object();
  EXPECT_EQ(out,
            R"(before {"a":1,"b":"x","c":[true,null,{}],"d":[],"e":18446744073709551615,"f":-9223372036854775808})");
}

TEST(JsonWriter, EscapesSoThatEveryParserReadsTheSame) {
  for (int byte = 0; byte < 0x80; ++byte) {
    const std::string text = {'x', static_cast<char>(byte), 'y', '{'};
    std::string out;
    JsonWriter(out).begin_array().value(text).value(text).end_array();
    const auto back = boost::json::parse(out);
    EXPECT_EQ(back.as_array().at(0).as_string(), text);
    EXPECT_EQ(back.as_array().at(1).as_string(), text);
  }
}

TEST(JsonWriter, WritesBytesThatAreNoTextAsQuestionMarks) {
  std::string out;
  JsonWriter(out).value(std::string_view("a\xff\xc3z"));
  EXPECT_EQ(out, "\"a??z\"");
}

TEST(JsonWriter, WritesNumbersThatComeBack) {
  for (const double number : {0.1, 1.0, -0.0, 1e300, 5e-324, 123456789.125, 1e22}) {
    std::string out;
    JsonWriter(out).value(number);
    const auto back = boost::json::parse(out);
    ASSERT_TRUE(back.is_double()) << out;
    EXPECT_EQ(back.get_double(), number) << out;
  }
  std::string out;
  JsonWriter(out).begin_array().value(NAN).value(-INFINITY).end_array();
  EXPECT_EQ(out, "[null,null]");
}

TEST(JsonWriter, WritesValuesOfEveryKind) {
  const std::string text = R"({"a":[1,-2,18446744073709551615,0.5,"s",null,true,{"n":{}}]})";
  std::string out;
  JsonWriter(out).value(boost::json::parse(text));
  EXPECT_EQ(out, text);
}

}  // namespace
}  // namespace folkmoot
