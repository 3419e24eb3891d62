// Whatever can be asked is in the documents: each route, each operation, each word.
#include <gtest/gtest.h>

#include <algorithm>

#include "gateway/asking.hpp"
#include "gateway/http/openapi.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/websocket/asyncapi.hpp"
#include "message/json_document.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

TEST(Documents, X7_OpenApiHasEachRoute) {
  JsonDocument document;
  const auto all = document.parse_content(openapi_document());
  ASSERT_TRUE(all);
  std::size_t count = 0;
  const simdjson::dom::object paths = (*all)["paths"];
  for (const auto path : paths) count += simdjson::dom::object(path.value).size();
  EXPECT_EQ(count, routes().size()) << "there is something that is no route";
  for (const auto& route : routes()) {
    JsonElement row;
    ASSERT_FALSE(paths[route.pattern][lower(route.method)].get(row)) << route.method << " " << route.pattern;
    EXPECT_FALSE(row["summary"].get_string().value().empty()) << route.pattern;
  }
}

TEST(Documents, X7_OpenApiHasEachOperationWithAPath) {
  JsonDocument document;
  const auto all = document.parse_content(openapi_document());
  ASSERT_TRUE(all);
  for (const auto& operation : operations()) {
    if (operation.http.empty()) continue;
    const auto blank = operation.http.find(' ');
    JsonElement row;
    ASSERT_FALSE((*all)["paths"][operation.http.substr(blank + 1)][lower(operation.http.substr(0, blank))].get(row));
    EXPECT_EQ(row["operationId"].get_string().value(), operation.name);
    const auto text = std::string(simdjson::minify(row));
    for (const auto name : names(*operation.arguments))
      EXPECT_TRUE(text.contains(std::string("\"").append(name).append("\""))) << operation.name << ": " << name;
  }
}

bool is_binary_only(const StructInfo& fields, std::string_view name) {
  return std::ranges::any_of(fields.fields,
                             [&](const auto& field) { return field.name == name && field.rules.binary_only; });
}

void expect_word(const JsonElement& all, std::string_view word, const StructInfo& fields) {
  JsonElement row, payload, field;
  std::string key(word);
  std::ranges::replace(key, '.', '_');
  ASSERT_FALSE(all["operations"][key].get(row)) << word;
  EXPECT_EQ(row["action"].get_string().value(), "receive") << word;
  ASSERT_FALSE(all["channels"]["websocket"]["messages"][key]["payload"].get(payload)) << word;
  EXPECT_EQ(payload["properties"]["op"]["const"].get_string().value(), word);
  for (const auto name : names(fields)) {
    const bool is_there = payload["properties"][name].get(field) == simdjson::SUCCESS;
    EXPECT_EQ(is_there, !is_binary_only(fields, name)) << word << ": " << name;
  }
}

TEST(Documents, X7_AsyncApiHasEachWord) {
  JsonDocument document;
  const auto all = document.parse_content(asyncapi_document());
  ASSERT_TRUE(all);
  for (const auto& frame : frames()) expect_word(*all, frame.word, *frame.fields);
  for (const auto& asking : asking_words()) expect_word(*all, asking.word, *asking.fields);
  for (const auto& operation : operations()) expect_word(*all, operation.name, *operation.arguments);
}

}  // namespace
}  // namespace folkmoot
