// A whole server of three shards, spoken to over links as its doors do (server/shard_router.hpp,
// server/shard_links.hpp). Whatever is asked in one frame is answered in one, wherever its mailboxes are.
#include "server/shards.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "../journal/temporary_folder.hpp"
#include "link_client.hpp"
#include "message/operations.hpp"
#include "message/pack.hpp"
#include "server/server.hpp"

namespace folkmoot {
namespace {

constexpr std::uint32_t kShards = 3;
constexpr std::size_t kMailboxes = 12;  // enough for every shard to have some

class ShardsTest : public testing::Test {
 protected:
  using Client = test::LinkClient;

  ShardsTest() {
    ServerOptions options;
    options.data = folder_.path();
    options.port = 0;
    options.shards = kShards;
    auto opened = Server::open(options);
    if (!opened) throw std::runtime_error(opened.error().describe());
    server_ = std::move(*opened);
    thread_ = std::thread([this] { EXPECT_TRUE(server_->run()); });
  }
  ~ShardsTest() override {
    server_->request_stop();
    thread_.join();
  }

  static std::string box(std::size_t i) { return "box" + std::to_string(i); }
  static Message message_to(std::string to, std::string content = "x") {
    Message message;
    message.to = std::move(to);
    message.content = std::move(content);
    return message;
  }
  /// One to each mailbox, in one batch; their ids.
  std::vector<Uuid> publish_to_all(Client& client) {
    std::vector<Message> messages;
    for (std::size_t i = 0; i < kMailboxes; ++i) messages.push_back(message_to(box(i), std::to_string(i)));
    std::string frames;
    EXPECT_TRUE(append_publish_batch(frames, 2, messages, false));
    client.say(frames);
    const auto results = read_batch_results(client.next().body);
    std::vector<Uuid> ids;
    for (const auto& result : *results) ids.push_back(result->id);
    return ids;
  }
  /// Takes one from each mailbox; the leases.
  std::vector<std::uint64_t> receive_from_all(Client& client) {
    std::vector<std::uint64_t> leases;
    for (std::size_t i = 0; i < kMailboxes; ++i) {
      std::string frames;
      append_receive(frames, 3, {.mailbox = box(i), .max = 1, .wait_ms = 0, .lease_ms = 60'000});
      client.say(frames);
      const auto delivered = read_delivery(client.next());
      EXPECT_TRUE(delivered);
      if (!delivered) break;
      EXPECT_EQ(delivered->message.content, std::to_string(i));
      leases.push_back(delivered->lease);
      EXPECT_EQ(client.next().header.opcode, Opcode::ok);
    }
    return leases;
  }

  const test::TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(ShardsTest, the_mailboxes_of_the_tests_are_in_every_shard) {
  const Shards shards(kShards);
  std::set<ShardNumber> found;
  for (std::size_t i = 0; i < kMailboxes; ++i) found.insert(shards.of(box(i)));
  EXPECT_EQ(found.size(), kShards);
}

TEST_F(ShardsTest, a_batch_to_all_shards_is_answered_in_its_order) {
  Client client(server_->hub(), "ann");
  const auto ids = publish_to_all(client);
  ASSERT_EQ(ids.size(), kMailboxes);
  EXPECT_EQ(std::set<Uuid>(ids.begin(), ids.end()).size(), kMailboxes);
  EXPECT_EQ(receive_from_all(client).size(), kMailboxes);
}

TEST_F(ShardsTest, receipts_of_all_shards_stand_as_they_were_asked_for) {
  Client client(server_->hub(), "ann");
  auto ids = publish_to_all(client);
  std::reverse(ids.begin(), ids.end());
  std::string frames;
  append_receipt(frames, 4, ids);
  client.say(frames);
  const auto receipts = read_receipts(client.next().body);
  ASSERT_TRUE(receipts);
  ASSERT_EQ(receipts->size(), ids.size());
}

TEST_F(ShardsTest, leases_of_all_shards_are_settled_in_one_frame) {
  Client client(server_->hub(), "ann");
  publish_to_all(client);
  auto leases = receive_from_all(client);
  std::string frames;
  append_ack(frames, 5, std::span(leases).first(kMailboxes - 2));
  client.say(frames);
  auto settled = read_settled(client.next().body);
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->settled, kMailboxes - 2);
  EXPECT_TRUE(settled->refused.empty());

  frames.clear();
  append_ack(frames, 6, leases);
  client.say(frames);
  settled = read_settled(client.next().body);
  ASSERT_TRUE(settled);
  EXPECT_EQ(settled->settled, 2u);
  leases.resize(kMailboxes - 2);
  EXPECT_EQ(settled->refused, leases) << "in the order that they were asked in";
}

TEST_F(ShardsTest, A6_an_event_reaches_subscribers_wherever_they_are_at_home) {
  Client publisher(server_->hub(), "publisher");
  std::vector<std::unique_ptr<Client>> subscribers;
  for (std::size_t i = 0; i < kMailboxes; ++i) {
    subscribers.push_back(std::make_unique<Client>(server_->hub(), box(i)));
    std::string frames;
    append_subscribe(frames, 7, {.pattern = "news.*", .credit = 10, .echo = false, .filter = ""});
    subscribers.back()->say(frames);
    EXPECT_EQ(subscribers.back()->next().header.opcode, Opcode::ok);
  }
  Message event;
  event.topic = "news.today";
  event.content = "rain";
  std::string frames;
  ASSERT_TRUE(append_publish(frames, 8, event));
  publisher.say(frames);
  EXPECT_EQ(publisher.next().header.opcode, Opcode::confirm);
  for (const auto& subscriber : subscribers) {
    const auto delivered = read_delivery(subscriber->next());
    ASSERT_TRUE(delivered);
    EXPECT_EQ(delivered->message.content, "rain");
  }
}

TEST_F(ShardsTest, A4_a_request_is_answered_across_shards) {
  Client asker(server_->hub(), box(0)), worker(server_->hub(), box(1));
  std::string frames;
  append_consume(frames, 9, box(1), 10);
  worker.say(frames);
  EXPECT_EQ(worker.next().header.opcode, Opcode::ok);
  frames.clear();
  ASSERT_TRUE(append_request(frames, 10, message_to(box(1), "6 x 7"), 5'000));
  asker.say(frames);
  const auto asked = read_delivery(worker.next());
  ASSERT_TRUE(asked);
  auto answer = message_to(asked->message.reply_to, "42");
  answer.correlation = asked->message.correlation;
  frames.clear();
  ASSERT_TRUE(append_publish(frames, 11, answer));
  worker.say(frames);
  Frame last = asker.next();
  while (last.header.opcode != Opcode::deliver && last.header.opcode != Opcode::error) last = asker.next();
  const auto answered = read_delivery(last);
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->message.content, "42");
}

// -- contents, which the first shard stores for all

TEST(Contents, X19_one_that_any_shard_holds_is_not_removed) {
  Shards shards(kShards);
  ContentHash hash{};
  EXPECT_FALSE(shards.hold_content(ShardNumber{1}, hash)) << "nobody has stored it";
  EXPECT_TRUE(shards.remove_content(hash));
}

}  // namespace
}  // namespace folkmoot
