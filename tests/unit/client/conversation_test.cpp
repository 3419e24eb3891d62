// Requests and what surrounds them: causes, statuses, commands, cancelling, asking many.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/use_future.hpp>

#include "client_fixture.hpp"

namespace folkmoot {
namespace {

Delivery asked_by(std::string from) {
  Delivery out;
  out.message.id = *Uuid::parse("0193f2c4-0000-7000-8000-000000000009");
  out.message.from = std::move(from);
  out.message.hops = 4;
  out.message.chain = {*Uuid::parse("0193f2c4-0000-7000-8000-000000000001")};
  out.message.conversation = "talk";
  return out;
}

TEST_F(ClientTest, X13_a_reply_and_a_forward_name_their_cause) {
  auto delivery = asked_by("alice");
  delivery.message.content = "the work";
  const auto reply = make_reply(delivery, "done");
  EXPECT_EQ(reply.to, "alice");
  EXPECT_EQ(reply.correlation, delivery.message.id.text());
  const auto forward = make_forward(delivery, "bob");
  EXPECT_EQ(forward.to, "bob");
  EXPECT_EQ(forward.content, "the work");
  for (const auto& made : {reply, forward}) {
    EXPECT_EQ(made.cause, delivery.message.id);
    EXPECT_EQ(made.hops, 4u);
    EXPECT_EQ(made.chain, delivery.message.chain);
    EXPECT_EQ(made.conversation, "talk");
  }
}

TEST_F(ClientTest, X13_a_message_that_expects_no_reply_gets_none) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  auto delivery = asked_by("alice");
  delivery.message.expects_reply = false;
  const auto refused = client.reply(delivery, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_reply_wanted);
  EXPECT_EQ(client.status(delivery, "50 %").error().code, ErrorCode::no_reply_wanted);
  EXPECT_EQ(server.publishes, 0);
}

TEST_F(ClientTest, A5_a_command_shows_its_statuses_before_its_result) {
  SyncClient client(options()), worker(options());
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(worker.connect());
  auto inbox = worker.consume("deployer");
  std::vector<std::string> seen;
  auto result = std::async(std::launch::async, [&] {
    return client.send_command("deployer", {"deploy", {{"change", 12}}}, 10s,
                               [&](const Message& status) { seen.push_back(status.content); });
  });
  const auto task = value(inbox->next());
  const auto command = read_command(task.message);
  ASSERT_TRUE(command);
  EXPECT_EQ(command->name, "deploy");
  EXPECT_EQ(command->parameters.at("change").as_int64(), 12);
  EXPECT_EQ(server.streams, 1);
  ASSERT_TRUE(worker.status(task, "fetching"));
  ASSERT_TRUE(worker.status(task, "starting"));
  ASSERT_TRUE(worker.reply(task, message("", "deployed")));
  EXPECT_EQ(value(result.get()).content, "deployed");
  EXPECT_EQ(seen, (std::vector<std::string>{"fetching", "starting"}));
}

TEST_F(ClientTest, A5_what_is_no_command_is_told_why) {
  EXPECT_EQ(read_command(message("a", "go")).error().code, ErrorCode::malformed);
  EXPECT_EQ(read_command(message("a", "[]")).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(read_command(message("a", R"({"command":7})")).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(read_command(message("a", R"({"command":"go","parameters":[]})")).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(read_command(message("a", R"({"command":"go"})"))->parameters.size(), 0u);
}

TEST_F(ClientTest, A4_a_request_that_is_cancelled_is_taken_back_at_the_server) {
  with_client([&](Client& bus) -> asio::awaitable<void> {
    auto inbox = value(co_await bus.consume("slow"));
    asio::cancellation_signal signal;
    std::optional<Result<Message>> answer;
    bus.request(message("slow", "x"), 10s,
                asio::bind_cancellation_slot(signal.slot(), [&](Result<Message> got) { answer = std::move(got); }));
    value(co_await inbox.next());
    signal.emit(asio::cancellation_type::total);
    value(co_await bus.ping());
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer ? answer->error().code : ErrorCode{}, ErrorCode::cancelled);
    EXPECT_EQ(server.cancels, 1);
  });
}

TEST_F(ClientTest, A4_a_stop_token_ends_a_request_that_waits) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  std::stop_source stop;
  auto answer =
      std::async(std::launch::async, [&] { return client.request(message("nobody", "x"), 10s, {}, stop.get_token()); });
  ASSERT_TRUE(eventually([&] { return server.waiting("nobody") == 1; }));
  stop.request_stop();
  EXPECT_EQ(answer.get().error().code, ErrorCode::cancelled);
}

class GatherTest : public ClientTest {
 protected:
  /// Agents a, b and c, who are asked; each answers when it is told to.
  Gathered ask(Need need, std::vector<std::string> answering, std::string type = {}) {
    SyncClient client(options()), agents(options());
    EXPECT_TRUE(client.connect() && agents.connect());
    std::map<std::string, SyncStream> inboxes;
    for (const auto* name : {"a", "b", "c"}) inboxes.emplace(name, value(agents.consume(name)));
    auto gathered = std::async(std::launch::async, [&] {
      return client.request_all(to_each(message("", "vote"), {"a", "b", "c"}), {.need = need, .timeout = 10s});
    });
    for (const auto& name : answering) {
      const auto task = value(inboxes.at(name).next());
      auto answer = message("", "from " + name);
      answer.type = type;
      EXPECT_TRUE(agents.reply(task, answer));
    }
    return value(gathered.get());
  }
};

TEST_F(GatherTest, A4_the_first_answer_is_enough_and_the_others_are_cancelled) {
  const auto got = ask(Need::first(), {"b"});
  EXPECT_TRUE(got.enough);
  ASSERT_EQ(got.answers.size(), 1u);
  EXPECT_EQ(got.answers[0].index, 1u);
  EXPECT_EQ(got.answers[0].message.content, "from b");
  ASSERT_EQ(got.missing.size(), 2u);
  EXPECT_EQ(got.missing[0].recipient, "a");
  EXPECT_EQ(got.missing[1].recipient, "c");
  EXPECT_EQ(got.missing[0].why.code, ErrorCode::cancelled);
}

TEST_F(GatherTest, A4_a_quorum_is_in_the_order_in_which_the_answers_came) {
  const auto got = ask(Need::quorum(2), {"c", "a"});
  EXPECT_TRUE(got.enough);
  ASSERT_EQ(got.answers.size(), 2u);
  EXPECT_EQ(got.answers[0].message.content, "from c");
  EXPECT_EQ(got.answers[1].message.content, "from a");
}

TEST_F(GatherTest, A4_all_of_them_are_waited_for) {
  const auto got = ask(Need::all(), {"a", "b", "c"});
  EXPECT_TRUE(got.enough);
  EXPECT_EQ(got.answers.size(), 3u);
  EXPECT_TRUE(got.missing.empty());
}

TEST_F(GatherTest, A4_an_error_is_an_answer_that_does_not_count) {
  const auto got = ask(Need::first(), {"a", "b", "c"}, "error");
  EXPECT_FALSE(got.enough);
  EXPECT_EQ(got.answers.size(), 3u);
}

TEST_F(ClientTest, A4_more_answers_than_requests_or_none_are_refused) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  EXPECT_EQ(client.request_all({}).error().code, ErrorCode::out_of_range);
  EXPECT_EQ(client.request_all({message("a", "x")}, {.need = Need::quorum(2)}).error().code, ErrorCode::out_of_range);
}

TEST_F(ClientTest, A4_who_cannot_be_asked_is_missing_with_the_reason) {
  SyncClient client(options());
  ASSERT_TRUE(client.connect());
  const auto got = value(client.request_all({message("full", "x")}));
  EXPECT_FALSE(got.enough);
  ASSERT_EQ(got.missing.size(), 1u);
  EXPECT_EQ(got.missing[0].recipient, "full");
  EXPECT_EQ(got.missing[0].why.code, ErrorCode::mailbox_full);
}

}  // namespace
}  // namespace folkmoot
