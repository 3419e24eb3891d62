// The figures of docs/protocol.md that no list of operations has: its tables of bounds say what the headers say.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "gateway/gateway.hpp"
#include "gateway/limits.hpp"
#include "message/json_document.hpp"
#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "server/options.hpp"
#include "server/partial_frames.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

std::string page() {
  std::ifstream file(FOLKMOOT_PROTOCOL_PAGE);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string size(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

std::string time(std::chrono::milliseconds time) {
  if (time % 1min == 0ms) return fmt::format("{} min", time / 1min);
  return fmt::format("{} s", time / 1s);
}

std::string ms(std::int64_t count) { return time(std::chrono::milliseconds(count)); }

struct Bound {
  std::string of, most, beyond;
};

std::string table(const std::vector<Bound>& bounds) {
  std::string out = "| what | bound | beyond it |\n|---|---|---|\n";
  for (const auto& bound : bounds) out += fmt::format("| {} | {} | {} |\n", bound.of, bound.most, bound.beyond);
  return out;
}

void expect_on_page(const std::string& text) {
  EXPECT_NE(page().find(text), std::string::npos) << "docs/protocol.md must have this:\n" << text;
}

TEST(ProtocolPage, says_how_large_a_message_may_be) {
  expect_on_page(table({
      {"a name: `from`, `to`, `type` as a word, `content_type`, `conversation`, `correlation`, `reply_to`, `key`, "
       "`group`",
       fmt::format("1 to {} bytes of UTF-8 without control characters (U+0000-001F, U+007F-009F)", kNameBytesMax),
       "`invalid_name`"},
      {"`topic`", fmt::format("the same; words joined by `.`, none of them empty, with a space in it, `*` or `>`"),
       "`invalid_topic`"},
      {"`metadata`", fmt::format("{}, {} levels below its own", size(kMetadataBytesMax), kMetadataDepthMax),
       "`out_of_range`"},
      {"the envelope", size(kEnvelopeBytesMax), "`malformed`"},
      {"the content", fmt::format("{} (`max_content_bytes`, WELCOME)", size(kContentBytesDefault)),
       "`content_too_large`"},
      {"`content_ref`", fmt::format("a content of 1 byte to {}", size(kStoredBytesMax)), "`out_of_range`"},
      {"`timestamp`, `deliver_at`, `expires_at`", "44 bits: up to the year 2527", "`out_of_range`"},
      {"`ttl`, `delay`, the waits of `retry`", fmt::format("ten years ({} ms)", kDurationMsMax), "`out_of_range`"},
      {"`retry`", fmt::format("{} attempts", kAttemptsMax), "`out_of_range`"},
      {"`hops`; `chain`", fmt::format("{}; {} ids", kHopsMax, kChainMax), "`out_of_range`; `invalid_field`"},
      {"a batch", fmt::format("1 to {} messages, within `max_frame_bytes`", kBatchMessagesMax), "`out_of_range`"},
      {"the outputs of COMPLETE", fmt::format("{}", kOutputsMax), "`out_of_range`"},
      {"the leases of one ACK, NACK, REJECT or EXTEND", fmt::format("1 to {}", kSettleLeasesMax),
       "`malformed` (ACK), `out_of_range`"},
      {"the ids of one RECEIPT", fmt::format("1 to {}", kReceiptIdsMax), "`malformed`"},
  }));
}

TEST(ProtocolPage, says_what_is_bounded_where_a_table_says_nothing) {
  expect_on_page(fmt::format("a text has {} bytes at most, a list {} elements, a duration is ten years at most",
                             kNameBytesMax, kListMax));
}

TEST(ProtocolPage, says_what_connections_may_take_of_time_and_memory) {
  const ServerOptions options;
  expect_on_page(fmt::format("within {} (`login.timeout`)", ms(options.login.timeout_ms)));
  expect_on_page(fmt::format("HELLO, of at most {}", size(kHelloBytesMax)));
  expect_on_page(fmt::format("A token has {} at most", size(kTokenBytesMax)));
  expect_on_page(fmt::format("(WELCOME; {} by", size(kFrameBytesDefault)));
  expect_on_page(fmt::format("whole within {} and a second for each\n{} of it (`frame.timeout`)",
                             ms(options.partial_frames.timeout_ms), size(PartialFrames::kPaceBytes)));
}

TEST(ProtocolPage, says_what_a_websocket_may_take) {
  const GatewayOptions options;
  ASSERT_EQ(options.hello_timeout.count(), LoginOptions().timeout_ms);
  const auto closes = [](int code, std::string_view why) { return fmt::format("closed: {} `{}`", code, why); };
  expect_on_page(table({
      {"a message, as it comes out of compression", size(options.frame_bytes_max), closes(1009, "frame_too_large")},
      {"... of who is not welcome yet", size(kHelloBytesMax), closes(1009, "frame_too_large")},
      {"to be welcome, if the upgrade had no token", time(options.hello_timeout) + " (`login.timeout`)",
       closes(1008, "timed_out")},
      {"from the first bytes of what a message holds to its last", time(options.read_timeout) + " (`http.timeout`)",
       closes(1008, "timed_out")},
      {"messages that are not whole, and requests over HTTP", "as in section 13", closes(1013, "busy")},
      {"silence, pongs aside", time(options.idle_timeout) + " (`http.idle`)",
       "pinged after half of it, then cut without a close"},
      {"operations in JSON that are not answered, subscriptions and consumers too", fmt::format("{}", kTextInFlightMax),
       "error `limit_reached`"},
      {"request numbers of binary messages", fmt::format("below {}", kTextRequestMin), closes(1002, "malformed")},
      {"for the answers before a mistake to come", time(kAnswersTimeout), "closed without them"},
      {"for the client to answer a close", time(kCloseTimeout), "cut"},
  }));
  expect_on_page(fmt::format("windows of {} where", size(std::size_t{1} << kWindowBits)));
  expect_on_page(fmt::format("Answers of less than {}", size(kCompressedBytesMin)));
}

TEST(ProtocolPage, says_what_a_request_may_take) {
  const GatewayOptions options;
  const std::string silently = "closed without an answer";
  expect_on_page(table({
      {"the request line and the header", size(options.header_bytes_max),
       "431; 414 if the request line alone is longer"},
      {"fields of the header", fmt::format("{}", kHeaderFieldsMax), "431"},
      {"empty lines before a request", fmt::format("{}", kEmptyLinesMax), "400"},
      {"for the header to be whole", time(options.hello_timeout) + " (`login.timeout`)", silently},
      {"a body", size(options.body_bytes_max), "413 `content_too_large`"},
      {"extensions and trailers of its chunks", size(kChunkExtrasMax), "400"},
      {"for it to be whole", time(options.read_timeout) + " (`http.timeout`)", silently},
      {"a content's body (`POST /api/content`)", "`content.max_bytes`", "413 `content_too_large`"},
      {"from one part of it to the next", time(options.read_timeout) + " (`http.timeout`)", silently},
      {"how slow it may come", size(options.content_pace_bytes) + " a second (`content.pace`), once those are used up",
       silently},
      {"for the client to take an answer", time(options.read_timeout) + " (`http.timeout`)", "cut"},
      {"between two requests", time(options.idle_timeout) + " (`http.idle`)", silently},
      {"... of a client whose token is not known yet", time(options.hello_timeout) + " (`login.timeout`)", silently},
      {"`wait`", ms(kWaitMsMax), "400 `out_of_range`"},
      {"the messages of one answer", size(kAnswerBytesMax), "the others are given back, `more` is said"},
      {"requests and messages that are not whole, or not answered",
       fmt::format("{} in all, {} of one address (`http.unfinished_bytes`); {} of each connection are free",
                   size(options.unfinished_bytes_max), size(options.unfinished_bytes_by_address_max),
                   size(kFreeUnfinishedBytes)),
       "503 `busy`"},
      {"connections that have shown no token yet",
       fmt::format("{} in all, {} of one address (`http.strangers`)", options.strangers_max,
                   options.strangers_by_address_max),
       "503, without a body"},
      {"connections", fmt::format("{}", options.connections_max), "503, without a body"},
  }));
  expect_on_page(fmt::format("a comment every {}", time(kStillThere)));
  expect_on_page(fmt::format("`lease` defaults to {}s", kLeaseMsDefault / 1000));
  expect_on_page(fmt::format("`limit` to {}", kReceiveDefault));
}

TEST(ProtocolPage, says_how_json_is_bounded) {
  expect_on_page(
      fmt::format("has {} at most and is at most {} deep, contents aside", size(kJsonTextBytesMax), kJsonDepthMax));
  expect_on_page(
      fmt::format("would be larger than {} then (or than {} in all", size(kUnpackedBytesMax), size(kUnpackedInAllMax)));
  expect_on_page(fmt::format("All contents together may have {}; `timeout_ms` is 1 ms to {} h", size(kAskedBytesMax),
                             kAskTimeoutMsMax / 3'600'000));
}

}  // namespace
}  // namespace folkmoot
