#include "message/operations.hpp"

#include <gtest/gtest.h>

#include "message/limits.hpp"
#include "message/pack.hpp"

namespace folkmoot {
namespace {

std::string fixed(auto value) { return std::string(as_text(bytes_of(value))); }

TEST(Operations, RefuseAnEmptyAndATooLargeBatch) {
  std::string out;
  EXPECT_EQ(append_publish_batch(out, 1, {}).error().code, ErrorCode::out_of_range);
  std::vector<Message> many(kBatchMessagesMax + 1);
  for (auto& message : many) message.to = "a";
  EXPECT_EQ(append_publish_batch(out, 1, many).error().code, ErrorCode::out_of_range);
  EXPECT_TRUE(out.empty());
  many.pop_back();
  EXPECT_TRUE(append_publish_batch(out, 1, many));
}

TEST(Operations, NameTheMessageOfABatchThatIsWrong) {
  std::vector<Message> messages(3);
  for (auto& message : messages) message.to = "a";
  messages[2].to = "a\nb";
  std::string out;
  const auto done = append_publish_batch(out, 1, messages);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::invalid_name);
  EXPECT_TRUE(done.error().text.starts_with("message 2 of the batch"));
  EXPECT_TRUE(out.empty());
}

TEST(Operations, CompleteWithNoneToManyOutputs) {
  std::string out;
  ASSERT_TRUE(append_complete(out, 1, 7, {}));
  auto rest = as_bytes(out);
  EXPECT_EQ((*cut_frame(rest, 1024))->body.size(), 12u);
  out.clear();
  std::vector<Message> outputs(kOutputsMax + 1);
  for (auto& output : outputs) output.to = "a";
  EXPECT_EQ(append_complete(out, 1, 7, outputs).error().code, ErrorCode::out_of_range);
  outputs.resize(2);
  outputs[1].to = "a\nb";
  const auto done = append_complete(out, 1, 7, outputs);
  ASSERT_FALSE(done);
  EXPECT_TRUE(done.error().text.starts_with("output 1:")) << done.error().text;
  EXPECT_TRUE(out.empty());
}

// What is left out of a NACK is the retry policy's to say; 0 is said by the caller.
TEST(Operations, NackWithOrWithoutADelay) {
  const std::uint64_t leases[] = {7};
  std::string policy, at_once;
  append_nack(policy, 1, leases, std::nullopt, {});
  append_nack(at_once, 1, leases, 0, {});
  EXPECT_EQ(at_once.size(), policy.size() + 2);
}

TEST(Operations, ReadWhichMessageWasWithdrawn) {
  std::string body(24, '\1');
  body.replace(0, 8, std::string("\x63\0\0\0\0\0\0\0", 8));
  const auto withdrawn = read_withdrawn(as_bytes(body));
  ASSERT_TRUE(withdrawn);
  EXPECT_EQ(withdrawn->lease, 99u);
  EXPECT_EQ(withdrawn->id.text(), "01010101-0101-0101-0101-010101010101");
  EXPECT_FALSE(read_withdrawn(as_bytes(body).first(23)));
}

TEST(Operations, LeaveWhatStandsBeforeThem) {
  Message good, bad;
  good.to = "a";
  bad.to = "a\nb";
  std::string out = "before";
  EXPECT_FALSE(append_publish(out, 1, bad));
  EXPECT_FALSE(append_request(out, 1, bad, 5));
  EXPECT_FALSE(append_publish_batch(out, 1, std::vector{good, bad}));
  EXPECT_EQ(out, "before");
}

// One after the other in one string: each whole, with its number, and quiet where that was asked for.
TEST(Operations, AppendWholeFrames) {
  Message message;
  message.to = "a";
  message.content = "text";
  const std::vector<std::uint64_t> leases{7, 1ull << 40};
  std::string out;
  for (const bool quiet : {false, true}) {
    ASSERT_TRUE(append_publish(out, 1, message, quiet));
    ASSERT_TRUE(append_publish_batch(out, 1, {&message, 1}, quiet));
    append_ack(out, 1, leases, quiet);
    append_nack(out, 1, leases, 1ull << 33, "why", quiet);
    append_extend(out, 1, leases, 5, quiet);
  }
  append_ping(out, 1);
  auto rest = as_bytes(out);
  for (const std::uint8_t flags : {std::uint8_t{0}, kFlagQuiet}) {
    for (const auto opcode : {Opcode::publish, Opcode::publish_batch, Opcode::ack, Opcode::nack, Opcode::extend}) {
      const auto frame = cut_frame(rest, 1024);
      ASSERT_TRUE(frame && *frame);
      EXPECT_EQ((*frame)->header.opcode, opcode);
      EXPECT_EQ((*frame)->header.flags, flags);
      EXPECT_EQ((*frame)->header.request, 1u);
      if (opcode != Opcode::nack) continue;
      PackReader reader((*frame)->body);
      EXPECT_EQ(reader.map(), 3u);
      EXPECT_EQ(reader.uint(), 0u);
      EXPECT_EQ(reader.array(), 2u);
      EXPECT_EQ(reader.uint(), 7u);
      EXPECT_EQ(reader.uint(), 1ull << 40);
      EXPECT_EQ(reader.uint(), 1u);
      EXPECT_EQ(reader.uint(), 1ull << 33);
      EXPECT_EQ(reader.uint(), 2u);
      EXPECT_EQ(reader.str(), "why");
      EXPECT_TRUE(reader.ok() && reader.at_end());
    }
  }
  const auto ping = cut_frame(rest, 1024);
  ASSERT_TRUE(ping && *ping);
  EXPECT_EQ((*ping)->header.opcode, Opcode::ping);
  EXPECT_TRUE((*ping)->body.empty() && rest.empty());
}

TEST(Answers, ThatBreakOffAreRefused) {
  const std::string settled =
      fixed(std::uint32_t{1}) + fixed(std::uint32_t{2}) + fixed(std::uint64_t{5}) + fixed(std::uint64_t{6});
  for (std::size_t size = 0; size < settled.size(); ++size)
    EXPECT_FALSE(read_settled(as_bytes(settled.substr(0, size))));
  ASSERT_TRUE(read_settled(as_bytes(settled)));
  EXPECT_EQ(read_settled(as_bytes(settled))->refused, (std::vector<std::uint64_t>{5, 6}));
  EXPECT_FALSE(read_settled(as_bytes(fixed(std::uint32_t{0}) + fixed(UINT32_MAX))));

  const std::string batch =
      fixed(std::uint16_t{0}) + fixed(Confirm{}) + fixed(std::uint16_t{13}) + fixed(std::uint16_t{4}) + "full";
  for (std::size_t size = 1; size < batch.size(); ++size) {
    EXPECT_EQ(read_batch_results(as_bytes(batch.substr(0, size))).has_value(), size == 34) << size;
  }
  const auto results = read_batch_results(as_bytes(batch));
  ASSERT_TRUE(results);
  ASSERT_EQ(results->size(), 2u);
  EXPECT_TRUE((*results)[0]);
  EXPECT_EQ((*results)[1].error().text, "full");

  // A refusal that says nothing but its code.
  const auto bare = read_batch_results(as_bytes(fixed(ErrorCode::mailbox_full) + fixed(std::uint16_t{0})));
  ASSERT_TRUE(bare && bare->size() == 1) << bare.error().describe();
  EXPECT_EQ((*bare)[0].error().code, ErrorCode::mailbox_full);

  EXPECT_FALSE(read_confirm(as_bytes(std::string(31, '\0'))));
  EXPECT_FALSE(read_u32(as_bytes("abc")));
  EXPECT_FALSE(read_u32(as_bytes("abcdefg"), 4));
  EXPECT_FALSE(read_welcome(as_bytes("\x93")));
  EXPECT_FALSE(read_receipts(as_bytes("\x91\x81")));
  EXPECT_FALSE(read_receipts(as_bytes(std::string_view("\x91\x81\x00\xc4\x01x", 6))));
  EXPECT_FALSE(read_delivery({{.length = 8, .opcode = Opcode::deliver, .flags = kFlagLeased}, as_bytes("short")}));
}

Frame only_frame(const std::string& bytes) {
  auto rest = as_bytes(bytes);
  const auto frame = cut_frame(rest, 1 << 20);
  EXPECT_TRUE(frame && *frame);
  EXPECT_TRUE(rest.empty());
  return **frame;
}

TEST(Operations, RequestsOfContentAreFixedBytesInOrder) {
  ContentHash hash{};
  for (std::size_t i = 0; i < sizeof hash; ++i)
    reinterpret_cast<std::uint8_t*>(&hash)[i] = static_cast<std::uint8_t>(i);
  std::string write, finish, stat, read;
  append_content_write(write, 5, 7, 300, "abc");
  append_content_finish(finish, 6, 7, hash);
  append_content_stat(stat, 7, hash);
  append_content_read(read, 8, hash, 300, 9);
  const std::tuple<const std::string&, Opcode, std::uint32_t, std::string> expected[] = {
      {write, Opcode::content_write, 5, fixed(std::uint32_t{7}) + fixed(std::uint64_t{300}) + "abc"},
      {finish, Opcode::content_finish, 6, fixed(std::uint32_t{7}) + fixed(hash)},
      {stat, Opcode::content_stat, 7, fixed(hash)},
      {read, Opcode::content_read, 8, fixed(hash) + fixed(std::uint64_t{300}) + fixed(std::uint32_t{9})}};
  for (const auto& [bytes, opcode, request, body] : expected) {
    const auto frame = only_frame(bytes);
    EXPECT_EQ(frame.header.opcode, opcode);
    EXPECT_EQ(frame.header.request, request);
    EXPECT_EQ(frame.header.flags, 0u);
    EXPECT_EQ(as_text(frame.body), body);
  }
}

TEST(Operations, AMailboxSaysWhatIsSaidOfIt) {
  std::string all, none;
  append_mailbox(all, 3,
                 {.name = "a", .max_messages = 11, .drop_oldest = true, .default_ttl_ms = 13, .max_deliveries = 14});
  MailboxRequest bare;
  bare.name = "b";
  append_mailbox(none, 4, bare);
  const auto frame = only_frame(all);
  EXPECT_EQ(frame.header.opcode, Opcode::mailbox);
  PackReader reader(frame.body);
  ASSERT_EQ(reader.map(), 5u);
  EXPECT_EQ(reader.uint(), 0u);
  EXPECT_EQ(reader.str(), "a");
  for (const auto& [key, value] : {std::pair{1u, 11u}, {2u, 1u}, {3u, 13u}, {4u, 14u}}) {
    EXPECT_EQ(reader.uint(), key);
    EXPECT_EQ(reader.uint(), value);
  }
  EXPECT_TRUE(reader.ok());
  PackReader other(only_frame(none).body);
  EXPECT_EQ(other.map(), 1u);
}

TEST(Operations, OnlyWhatSettlesOneMessageNamesIt) {
  for (const auto opcode : {Opcode::ack, Opcode::nack, Opcode::reject, Opcode::extend, Opcode::complete}) {
    EXPECT_TRUE(names_its_message({.header = {.opcode = opcode, .flags = kFlagOfMessage}, .body = {}}));
    EXPECT_FALSE(names_its_message({.header = {.opcode = opcode}, .body = {}}));
  }
  for (const auto opcode : {Opcode::hello, Opcode::publish, Opcode::receive, Opcode::wait, Opcode::call})
    EXPECT_FALSE(names_its_message({.header = {.opcode = opcode, .flags = kFlagOfMessage}, .body = {}}));
}

}  // namespace
}  // namespace folkmoot
