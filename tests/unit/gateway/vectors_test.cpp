// The frames of the vectors, through the JSON side of a WebSocket in both directions.
#include <algorithm>
#include <boost/json/serialize.hpp>

#include "gateway/json_frames.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "unit/message/vectors.hpp"

namespace folkmoot {
namespace {

using testing::hex;
using testing::read_vectors;
using testing::text_of;
using testing::unhex;

void set_request(std::string& frame, std::uint32_t request) { store(frame.data() + 8, request); }

Frame frame_of(std::string_view text) {
  auto bytes = as_bytes(text);
  auto frame = cut_frame(bytes, kFrameBytesDefault);
  EXPECT_TRUE(frame && *frame);
  return **frame;
}

// An operation that is answered in the way `after` is.
std::string any_operation(const std::string& after, std::int64_t request) {
  boost::json::object op = {{"op", after},
                            {"request", request},
                            {"mailbox", "m"},
                            {"pattern", "p"},
                            {"leases", {"7"}},
                            {"lease", "7"},
                            {"size", 3},
                            {"sha256", std::string(64, 'a')},
                            {"name", "dead.purge"},
                            {"message", {{"to", "a"}}},
                            {"messages", {{{"to", "a"}}}},
                            {"ids", {"0193f2c4-a1b2-7def-8123-456789abcdef"}}};
  // The fields that it has, of all these.
  const auto known = names(*find_frame(std::string_view(after))->fields);
  for (auto field = op.begin(); field != op.end();) {
    const bool is_its = field->key() == "op" || field->key() == "request" ||
                        std::ranges::find(known, std::string_view(field->key())) != known.end();
    field = is_its ? field + 1 : op.erase(field);
  }
  return boost::json::serialize(op);
}

TEST(FrameVectors, ThatClientsSendAreMadeFromTheirJson) {
  int checked = 0;
  const auto vectors = read_vectors("frames.json");
  for (const auto& row : vectors.at("frames").as_array()) {
    if (row.as_object().contains("after")) continue;
    TextSession session("", "");
    auto asked = session.ask(boost::json::serialize(row.at("json")));
    EXPECT_EQ(asked.answer, "") << text_of(row, "name");
    ASSERT_GE(asked.frames.size(), kFrameHeaderBytes);
    set_request(asked.frames, static_cast<std::uint32_t>(row.at("json").at("request").as_int64()));
    EXPECT_EQ(hex(asked.frames), text_of(row, "hex")) << text_of(row, "name");
    ++checked;
  }
  EXPECT_GE(checked, 15);
}

TEST(FrameVectors, ThatServersSendBecomeTheirJson) {
  int checked = 0;
  const auto vectors = read_vectors("frames.json");
  for (const auto& row : vectors.at("frames").as_array()) {
    if (!row.as_object().contains("after")) continue;
    TextSession session("", "");
    const auto asked = session.ask(any_operation(text_of(row, "after"), row.at("json").at("request").as_int64()));
    ASSERT_FALSE(asked.frames.empty()) << asked.answer;
    auto answer = unhex(text_of(row, "hex"));
    set_request(answer, frame_of(asked.frames).header.request);
    const auto told = session.tell(frame_of(answer));
    EXPECT_TRUE(told.is_mine);
    auto said = boost::json::parse(told.text);
    said.as_object().erase("advice");
    if (auto* results = said.as_object().if_contains("results")) {
      for (auto& result : results->as_array()) result.as_object().erase("advice");
    }
    EXPECT_EQ(said, row.at("json")) << text_of(row, "name") << ": " << told.text;
    ++checked;
  }
  EXPECT_GE(checked, 15);
}

TEST(FrameVectors, WithNumbersOfOtherRequestsAreMade) {
  const auto vectors = read_vectors("frames.json");
  for (const auto& row : vectors.at("binary").as_array()) {
    const auto bytes = unhex(text_of(row, "hex"));
    const auto frame = frame_of(bytes);
    const auto* target = row.as_object().if_contains("target");
    if (frame.header.opcode == Opcode::goodbye) {
      const auto said = boost::json::parse(TextSession("", "").goodbye(frame));
      EXPECT_EQ(said.at("op"), "goodbye");
      EXPECT_EQ(said.at("code"), row.at("code"));
      EXPECT_EQ(said.at("error"), row.at("error"));
      continue;
    }
    if (frame.header.opcode == Opcode::withdrawn) {
      const auto withdrawn = read_withdrawn(frame.body);
      ASSERT_TRUE(withdrawn);
      EXPECT_EQ(std::to_string(withdrawn->lease), text_of(row, "lease"));
      EXPECT_EQ(withdrawn->id.text(), text_of(row, "id"));
      continue;
    }
    ASSERT_TRUE(target);
    EXPECT_EQ(load<std::uint32_t>(frame.body.data()), target->as_int64());
  }
}

}  // namespace
}  // namespace folkmoot
