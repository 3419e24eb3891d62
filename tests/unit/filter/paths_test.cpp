// Ways into metadata and JSON content.
#include "filter/path.hpp"

#include <malloc.h>

#include "message/pack.hpp"
#include "sample.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kNested =
    R"({"region": "eu", "job": {"steps": [{"name": "build", "ok": true}, {"name": "test"}], "size": 7.5},
        "x-y": 1, "a.b": 2, "from": "inside", "in": 3, "größe": 4, "": 5, "list": [[1, 2], [3]]})";

TEST(FilterPaths, LeadIntoMetadata) {
  for (const auto* text : {
           "region = 'eu'",
           "metadata.region = 'eu'",
           "headers.region = 'eu'",
           "job.size = 7.5",
           "metadata.job.steps[0].name = 'build'",
           "job.steps[1].name = 'test'",
           "job.steps[0].ok",
           "\"x-y\" = 1",
           "metadata.\"x-y\" = 1",
           "\"a.b\" = 2",
           "metadata.from = 'inside'",
           "from = 'writer'",
           "\"from\" = 'writer'",
           "metadata.in = 3",
           "\"in\" = 3",
           "größe = 4",
           "list[0][1] + list[1][0] = 5",
           "\"job\".\"steps\"[1].\"name\" = 'test'",
           "metadata IS NOT NULL",
       }) {
    EXPECT_EQ(truth(text, sample(kNested)), "TRUE") << text;
  }
}

TEST(FilterPaths, LeadIntoJsonContent) {
  const auto message = sample("{}", kNested);
  for (const auto* text : {
           "content.region = 'eu'",
           "payload.region = 'eu'",
           "content.job.steps[0].name = 'build'",
           "content.job.steps[0].ok",
           "content.job.steps[1].ok IS NULL",
           "content.\"x-y\" = 1",
           "content.from = 'inside'",
           "content.größe = 4",
           "content.list[0][1] + content.list[1][0] = 5",
           "region IS NULL",
       }) {
    EXPECT_EQ(truth(text, message), "TRUE") << text;
  }
  for (const auto* blank : {"", " ", "\t", "\r", "\n", "\r\n", " \r\n\t "}) {
    EXPECT_EQ(truth("content[1].a = 2", sample("{}", std::string(blank) + R"([0, {"a": 2}])")), "TRUE") << blank;
    EXPECT_EQ(truth("content.a = 2", sample("{}", std::string(blank) + R"({"a": 2})")), "TRUE") << blank;
  }
}

TEST(FilterPaths, ThatLeadNowhereAreNull) {
  for (const auto* root : {"metadata", "content"}) {
    for (const auto* rest : {".no", ".region.deeper", ".region[0]", ".job.steps[2]", ".job.steps.name", ".job[0]",
                             ".list[0][2]", ".list[4294967295]"}) {
      EXPECT_EQ(truth(std::string(root) + rest + " IS NULL", sample(kNested, kNested)), "TRUE") << root << rest;
    }
  }
}

TEST(FilterPaths, NamesInBothAreTheFirst) {
  std::string envelope;
  PackWriter writer(envelope);
  writer.map(2).uint(static_cast<std::uint64_t>(Field::to)).str("a");
  writer.uint(static_cast<std::uint64_t>(Field::metadata)).map(2);
  writer.str("x").uint(1).str("x").uint(2);
  const auto message = envelope + R"({"x": 1, "x": 2})";
  EXPECT_TRUE(Filter::compile("x = 1 AND content.x = 1")->matches(FilterInput(as_bytes(message))));
}

TEST(FilterPaths, ContentThatIsNotJsonHasNone) {
  for (const auto* content :
       {"", "plain text", "{broken", "{\"a\":1} and more", "\"a\"", "5", "[1,]", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(truth("content.a IS NULL AND content[0] IS NULL", sample("{}", content)), "TRUE") << content;
  }
}

TEST(FilterPaths, BareContentIsItsText) {
  EXPECT_EQ(truth("content = 'hello'", sample("{}", "hello")), "TRUE");
  EXPECT_EQ(truth("content LIKE '%urgent%'", sample("{}", "an urgent thing")), "TRUE");
  EXPECT_EQ(truth("content = '{\"a\":1}' AND content.a = 1", sample("{}", "{\"a\":1}")), "TRUE");
  EXPECT_EQ(truth("content = ''", sample()), "TRUE");
  EXPECT_EQ(truth("content IS NULL", sample("{}", "\xff\xfe")), "TRUE");
}

TEST(FilterPaths, CompressedContentIsNotLookedInto) {
  auto message = sample("{}", R"({"a": 1})");
  message.encoding = "gzip";
  EXPECT_EQ(truth("content IS NULL AND content.a IS NULL AND encoding = 'gzip'", message), "TRUE");
}

TEST(FilterPaths, AnInputGoesFromMessageToMessage) {
  const auto json = bytes_of_message(sample(R"({"n": 1})", R"({"a": 1})"));
  const auto text = bytes_of_message(sample(R"({"n": 2})", "words"));
  const auto large = bytes_of_message(sample("{}", R"({"a": 1, "b": ")" + std::string(500'000, 'x') + "\"}"));
  const auto filter = *Filter::compile("content.a = 1");
  FilterInput input;
  EXPECT_FALSE(filter.matches(input));
  for (int round = 0; round < 2; ++round) {
    for (const auto& [bytes, expected] : {std::pair(&json, true), {&text, false}, {&large, true}, {&json, true}}) {
      input.reset(as_bytes(*bytes));
      EXPECT_EQ(filter.matches(input), expected);
      EXPECT_EQ(filter.matches(input), expected);
    }
  }
}

TEST(FilterPaths, WhatALargeContentTookIsGivenBackWithTheNextMessage) {
  const auto small = bytes_of_message(sample("{}", R"({"a": 1})"));
  const auto large = bytes_of_message(sample("{}", R"({"a": 1, "b": ")" + std::string(2'000'000, 'x') + "\"}"));
  const auto filter = *Filter::compile("content.a = 1");
  FilterInput input(as_bytes(small));
  const auto taken = [] {
    const auto memory = ::mallinfo2();
    return memory.uordblks + memory.hblkhd;
  };
  EXPECT_TRUE(filter.matches(input));
  const auto before = taken();
  input.reset(as_bytes(large));
  EXPECT_TRUE(filter.matches(input));
  input.reset(as_bytes(small));
  EXPECT_TRUE(filter.matches(input));
  EXPECT_LE(taken(), before + 100'000);
}

TEST(FilterPaths, EnvelopeAndContentMayLieApart) {
  const auto envelope = bytes_of_message(sample());
  const std::string content = R"({"a": 1})";
  const FilterInput input(as_bytes(envelope), as_bytes(content));
  EXPECT_TRUE(Filter::compile("content.a = 1 AND from = 'writer'")->matches(input));
}

TEST(FieldPath, IsTheNameOfOneFieldAndReadsItAsText) {
  const auto bytes = bytes_of_message(
      sample(R"({"n": 7, "half": 0.5, "yes": true, "no": false, "list": [1]})", R"({"a": {"b": ["x", "y"]}})"));
  const FilterInput input(as_bytes(bytes));
  constexpr std::pair<std::string_view, std::string_view> kRead[] = {
      {"from", "writer"}, {"content.a.b[1]", "y"}, {"metadata.n", "7"},
      {"half", "0.5"},    {"yes", "true"},         {"no", "false"},
      {"list", ""},       {"absent", ""},          {"conversation", ""}};
  for (const auto& [name, value] : kRead) {
    const auto path = FieldPath::parse(name);
    ASSERT_TRUE(path) << name;
    EXPECT_EQ(path->text(), name);
    EXPECT_EQ(path->read(input), value) << name;
  }
  for (const auto* text : {"", "1", "a + b", "a IS NULL OR b", "NOT a", "a.", "'text'", "a = 1 AND b", "a, b"}) {
    const auto path = FieldPath::parse(text);
    ASSERT_FALSE(path) << text;
    EXPECT_EQ(path.error().code, ErrorCode::invalid_filter) << text;
  }
}

}  // namespace
}  // namespace folkmoot
