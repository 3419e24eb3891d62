#include "gateway/http/routes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace folkmoot {
namespace {

Target target(std::string_view text) {
  auto parsed = parse_target(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Target{};
}

TEST(Routes, AreEachReachedByTheirOwnPattern) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  ASSERT_GE(routes().size(), 8u);
  for (const auto& route : routes()) {
    EXPECT_TRUE(seen.insert({route.method, route.pattern}).second) << route.pattern << " is there twice";
    EXPECT_NE(route.handler, nullptr);
    std::string path(route.pattern);
    if (const auto brace = path.find('{'); brace != std::string::npos)
      path.replace(brace, path.find('}') - brace + 1, "some%20id");
    const auto match = match_route(route.method, target(path + "?x=1"));
    ASSERT_EQ(match.route, &route) << route.pattern;
    EXPECT_EQ(match.parameter, path == route.pattern ? "" : "some id");
    EXPECT_NE(match_route("BREW", target(path)).allowed.find(route.method), std::string::npos);
    EXPECT_EQ(match_route("BREW", target(path)).route, nullptr);
    EXPECT_TRUE(match_route(route.method, target(path + "/more/and/more")).allowed.empty());
  }
}

TEST(Routes, KnowNoOtherPath) {
  for (const auto* path : {"/", "/api", "/api/message", "/api/messages/x/state", "/Health", "/healthy"}) {
    EXPECT_TRUE(match_route("GET", target(path)).allowed.empty()) << path;
  }
}

TEST(Target, IsDecoded) {
  const auto parsed = target("/api/messages/a%2Fb?agent=gr%C3%BCn+er&wait=5s&flag&agent=second&=x");
  EXPECT_EQ(parsed.path, (std::vector<std::string>{"api", "messages", "a/b"}));
  EXPECT_EQ(parsed.parameter("agent"), "grün er");
  EXPECT_EQ(parsed.parameter("wait"), "5s");
  EXPECT_TRUE(parsed.has("flag"));
  EXPECT_EQ(parsed.parameter("flag"), "");
  EXPECT_FALSE(parsed.has("none"));
}

TEST(Target, IsRefusedWhenItIsBroken) {
  for (const auto* text : {"", "*", "http://x/", "/a%", "/a%2", "/a%zz", "/%ff", "/?a=%c3"})
    EXPECT_FALSE(parse_target(text)) << text;
  std::string many = "/?";
  for (int i = 0; i < 65; ++i) many += "a=b&";
  EXPECT_FALSE(parse_target(many));
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/a";
  EXPECT_FALSE(parse_target(deep));
}

TEST(Errors, BecomeAnswersWithTheCataloguesStatus) {
  const auto answer = error_answer({ErrorCode::mailbox_full, "full"});
  EXPECT_EQ(answer.status, 429);
  EXPECT_NE(answer.body.find(R"("code":"mailbox_full","error":"full")"), std::string::npos);
  EXPECT_EQ(error_answer({ErrorCode::unauthorized, ""}).headers.at(0).first, "WWW-Authenticate");
}

}  // namespace
}  // namespace folkmoot
