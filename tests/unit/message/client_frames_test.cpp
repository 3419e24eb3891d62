// The frames of a client, byte by byte: opcode, flags, number and body (docs/protocol.md, 2).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "message/frame.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

class ClientFrames : public testing::Test {
 protected:
  /// What was appended since the last: opcode and flags, then the body, all in hexadecimal digits.
  std::string said() {
    auto bytes = as_bytes(out);
    const auto frame = cut_frame(bytes, 1 << 20);
    if (!frame || !*frame || !bytes.empty() || (*frame)->header.request != kNumber) return "not one whole frame";
    auto text = fmt::format("{:02x} {:02x} {:02x}", static_cast<unsigned>((*frame)->header.opcode),
                            (*frame)->header.flags, fmt::join((*frame)->body, ""));
    out.clear();
    return text;
  }

  static constexpr std::uint32_t kNumber = 7;
  std::string out;
};

TEST_F(ClientFrames, U3_that_open_and_end) {
  append_hello(out, kNumber, {.agent = "ann", .token = "t", .software = "s"});
  EXPECT_EQ(said(), "01 00 84000101a3616e6e02a17403a173");
  append_hello(out, kNumber, {.agent = "", .token = "", .software = ""});
  EXPECT_EQ(said(), "01 00 810001");
  append_ping(out, kNumber);
  EXPECT_EQ(said(), "10 00 ");
  append_cancel(out, kNumber, 258);
  EXPECT_EQ(said(), "07 00 02010000");
}

TEST_F(ClientFrames, U3_that_subscribe_and_consume) {
  append_subscribe(out, kNumber, {.pattern = "a.*", .credit = 5, .echo = true, .filter = "x = 1"});
  EXPECT_EQ(said(), "04 00 8400a3612e2a010502c303a578203d2031");
  append_subscribe(out, kNumber, {.pattern = "a"});
  EXPECT_EQ(said(), "04 00 8100a161");
  append_filter(out, kNumber, 258, "x = 2");
  EXPECT_EQ(said(), "15 00 0201000078203d2032");
  append_consume(out, kNumber, "box", 300);
  EXPECT_EQ(said(), "05 00 8200a3626f7801cd012c");
  append_credit(out, kNumber, 258, 3);
  EXPECT_EQ(said(), "06 00 0201000003000000");
  append_receive(out, kNumber, {.mailbox = "box", .max = 2, .wait_ms = 300, .lease_ms = 70'000});
  EXPECT_EQ(said(), "08 00 8400a3626f78010202cd012c03ce00011170");
  append_receive(out, kNumber, {.mailbox = "box"});
  EXPECT_EQ(said(), "08 00 8200a3626f780101");
  append_wait(out, kNumber, "box", 300);
  EXPECT_EQ(said(), "0e 00 8200a3626f7801cd012c");
  append_stats(out, kNumber, "box");
  EXPECT_EQ(said(), "0f 00 8100a3626f78");
}

TEST_F(ClientFrames, U3_that_settle) {
  const std::uint64_t leases[] = {1, 515};
  append_ack(out, kNumber, leases);
  EXPECT_EQ(said(), "09 00 01000000000000000302000000000000");
  append_ack(out, kNumber, leases, true);
  EXPECT_EQ(said(), "09 01 01000000000000000302000000000000");
  append_nack(out, kNumber, leases, 300, "busy");
  EXPECT_EQ(said(), "0a 00 83009201cd020301cd012c02a462757379");
  append_nack(out, kNumber, leases, {}, "", true);
  EXPECT_EQ(said(), "0a 01 81009201cd0203");
  append_reject(out, kNumber, leases, "no");
  EXPECT_EQ(said(), "13 00 82009201cd020302a26e6f");
  append_extend(out, kNumber, leases, 70'000);
  EXPECT_EQ(said(), "0b 00 82009201cd020301ce00011170");
  append_ack(out, kNumber, std::span(leases).first(1));
  Uuid id{};
  id.bytes[0] = 1;
  id.bytes[15] = 2;
  limit_to_message(out, id);
  EXPECT_EQ(said(), "09 04 010000000000000000000000000000020100000000000000");
}

TEST_F(ClientFrames, U3_that_ask) {
  Uuid ids[2] = {};
  ids[0].bytes[0] = 1;
  ids[1].bytes[15] = 2;
  append_receipt(out, kNumber, ids);
  EXPECT_EQ(said(), "0d 00 0100000000000000000000000000000000000000000000000000000000000002");
  append_call(out, kNumber, "stream.list", R"({"a":1})");
  EXPECT_EQ(said(), "14 00 8200ab73747265616d2e6c69737401a77b2261223a317d");
  append_call(out, kNumber, "stream.list", {}, true);
  EXPECT_EQ(said(), "14 00 8200ab73747265616d2e6c69737402c3");
  append_mailbox(out, kNumber,
                 {.name = "box", .max_messages = 9, .drop_oldest = true, .default_ttl_ms = 300, .max_deliveries = 4});
  EXPECT_EQ(said(), "11 00 8500a3626f780109020103cd012c0404");
  append_mailbox(out, kNumber,
                 {.name = "box", .max_messages = {}, .drop_oldest = {}, .default_ttl_ms = {}, .max_deliveries = {}});
  EXPECT_EQ(said(), "11 00 8100a3626f78");
}

TEST_F(ClientFrames, X19_that_carry_contents) {
  ContentHash hash{};
  hash.bytes[0] = 1;
  append_content_open(out, kNumber, 515);
  EXPECT_EQ(said(), "20 00 8100cd0203");
  append_content_open(out, kNumber, 515, hash);
  EXPECT_EQ(said(), "20 00 8200cd020301c4200100000000000000000000000000000000000000000000000000000000000000");
  append_content_write(out, kNumber, 258, 515, "abc");
  EXPECT_EQ(said(), "21 00 020100000302000000000000616263");
  append_content_finish(out, kNumber, 258, hash);
  EXPECT_EQ(said(), "22 00 020100000100000000000000000000000000000000000000000000000000000000000000");
  append_content_stat(out, kNumber, hash);
  EXPECT_EQ(said(), "23 00 0100000000000000000000000000000000000000000000000000000000000000");
  append_content_read(out, kNumber, hash, 515, 3);
  EXPECT_EQ(said(), "24 00 0100000000000000000000000000000000000000000000000000000000000000030200000000000003000000");
}

}  // namespace
}  // namespace folkmoot
