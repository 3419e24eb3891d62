// One place of a JSON text is changed, and every other byte stays.
#include "message/json_splice.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace folkmoot {
namespace {

std::string set(std::string_view text, std::string_view path, std::string_view value) {
  const auto done = set_json_field(text, path, value);
  EXPECT_TRUE(done) << done.error().describe();
  return done.value_or(std::string());
}

std::string refused(std::string_view text, std::string_view path) {
  const auto done = set_json_field(text, path, "1");
  EXPECT_FALSE(done) << *done;
  if (done) return "";
  EXPECT_EQ(done.error().code, ErrorCode::invalid_field);
  return done.error().text;
}

TEST(JsonSplice, X18_a_field_is_set_and_the_rest_stays_as_it_stands) {
  EXPECT_EQ(set(R"({ "a" : 1.10 , "b":[ 2 ] })", "a", "5"), R"({ "a" : 5 , "b":[ 2 ] })");
  EXPECT_EQ(set(R"({ "a" : 1.10 , "b":[ 2 ] })", "b", "null"), R"({ "a" : 1.10 , "b":null })");
  for (const std::string_view old : {"7", "-1e5", "true", "null", R"("x")", R"("with \" , } ] in it")", "[]", "{}",
                                     R"([1,{"b":[2]},"]"])", R"({"deep":{"er":[{}]},"}":"{"})"}) {
    const auto text = std::string(R"({"before":[{}],"a":)").append(old).append(R"(,"behind":"x"})");
    EXPECT_EQ(set(text, "a", R"("new")"), R"({"before":[{}],"a":"new","behind":"x"})") << old;
    EXPECT_EQ(set(text, "behind", "0"), text.substr(0, text.size() - 4) + "0}") << old;
  }
}

TEST(JsonSplice, X18_a_field_of_an_inner_object_is_set) {
  const std::string_view order = R"({"id":1,"order":{"topic":"a" ,"of":{"size":2}},"size":3})";
  EXPECT_EQ(set(order, "order.topic", R"("b")"), R"({"id":1,"order":{"topic":"b" ,"of":{"size":2}},"size":3})");
  EXPECT_EQ(set(order, "order.of.size", "9"), R"({"id":1,"order":{"topic":"a" ,"of":{"size":9}},"size":3})");
  EXPECT_EQ(set(order, "size", "9"), R"({"id":1,"order":{"topic":"a" ,"of":{"size":2}},"size":9})");
}

TEST(JsonSplice, X18_a_field_that_is_not_there_is_added) {
  EXPECT_EQ(set("{}", "a", "1"), R"({"a":1})");
  EXPECT_EQ(set(" { } ", "a", "1"), R"( { "a":1} )");
  EXPECT_EQ(set(R"({"a":1})", "b", "2"), R"({"a":1,"b":2})");
  EXPECT_EQ(set(R"({"a":{}})", "a.b", "2"), R"({"a":{"b":2}})");
  EXPECT_EQ(set(R"({"a":{"b":1}})", "a.c", "2"), R"({"a":{"b":1,"c":2}})");
}

TEST(JsonSplice, X18_what_has_no_such_place_is_refused_with_its_name) {
  EXPECT_EQ(refused("[1]", "a"), "`a` is in no JSON object");
  EXPECT_EQ(refused("7", "a"), "`a` is in no JSON object");
  EXPECT_EQ(refused(R"({"a":7})", "a.b"), "`b` is in no JSON object");
  EXPECT_EQ(refused(R"({"a":1})", "b.c"), "there is no `b` in it to set `b.c` in");
  EXPECT_EQ(refused(R"({"a":{"b":1}})", "a.x.y"), "there is no `x` in it to set `x.y` in");
  EXPECT_EQ(refused(R"({"a":1)", "a"), "the content is no JSON object, so that `a` cannot be set in it");
  EXPECT_EQ(refused("", "a"), "the content is no JSON object, so that `a` cannot be set in it");
}

TEST(JsonSplice, X18_each_member_is_told_as_it_stands) {
  const auto members = [](std::string_view object) {
    std::vector<std::pair<std::string, std::string>> out;
    each_json_member(object, [&](std::string_view key, std::string_view value) { out.emplace_back(key, value); });
    return out;
  };
  using Members = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(members(R"( { "a" : 1.10, "b\"":{ "c":[2 ] } ,"d":"x\\"} )"),
            (Members{{"a", "1.10"}, {R"(b\")", R"({ "c":[2 ] })"}, {"d", R"("x\\")"}}));
  EXPECT_EQ(members("{}"), Members{});
  EXPECT_EQ(members("[1]"), Members{});
}

TEST(JsonSplice, U3_a_field_is_put_in_front) {
  EXPECT_EQ(with_json_field("id", "a \"b\"", R"({"x": 1})"), R"({"id":"a \"b\"","x": 1})");
  EXPECT_EQ(with_json_field("id", "a", "{}"), R"({"id":"a"})");
}

}  // namespace
}  // namespace folkmoot
