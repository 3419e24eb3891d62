// An engine as one of several shards: what it gives out tells where it is from, and what other shards hand it is taken
// as it stands.
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

class ShardTest : public EngineTest {
 protected:
  static constexpr SessionId kShardLink = session_id(1, Slot{9});

  void SetUp() override {
    options.shard = ShardNumber{2};
    options.shards = 3;
    start();
    engine->open_session(kShardLink, {}, true);
  }

  /// An event of another shard, as it comes over a trunk: envelope and content in one piece.
  void forward_event(Message event) {
    event.from = "zoe";
    with(event, [&](const IncomingMessage& incoming) {
      const auto whole = std::string(as_text(incoming.envelope)) + std::string(as_text(incoming.content));
      engine->forward_event(event.topic, {as_bytes(whole), {}});
    });
  }
  /// What another shard has stamped, published here over its trunk.
  void forward(const Message& message) {
    with(message, [&](IncomingMessage incoming) {
      incoming.forwarded = true;
      engine->publish(kShardLink, ++request, false, incoming);
    });
    sync();
  }
  void traced(const SpanView& span) override { spans.push_back(span.what); }

  std::vector<SpanView::What> spans;
};

TEST_F(ShardTest, IdsAndLeasesCarryTheShard) {
  send(mail("x"));
  sync();
  EXPECT_EQ(message_address(last().confirm.id)->node & kShardMask, 2u);
  receive(kBob, 1);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].lease.value >> kShardShift, 2u);
  crash();
  receive(kBob, 1);
  EXPECT_EQ(delivered.back().lease.value >> kShardShift, 2u);
  EXPECT_NE(delivered.back().lease, delivered[0].lease);
}

TEST_F(ShardTest, A9_WhatIsForwardedTwiceIsThereOnce) {
  auto message = mail("x");
  message.id = make_uuid({.key = make_key(Instant{1'700'000'000'000}, 7), .mailbox = NameId{3}, .node = 0x10});
  message.from = "$bus";
  forward(message);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
  crash();
  engine->open_session(kShardLink, {}, true);
  forward(message);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::duplicate);
  receive(kBob, 10);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].message.from, "$bus");
  EXPECT_EQ(delivered[0].message.key, message.id.text());
}

TEST_F(ShardTest, A1_ALifeBeginsWhereTheMessageWasAccepted) {
  auto message = mail("x");
  message.id = make_uuid({.key = make_key(Instant{now}, 1), .mailbox = NameId{3}, .node = 0x10});
  message.from = "alice";
  message.timestamp = now - 900;
  message.ttl_ms = 1'000;
  forward(message);
  pass(50);
  EXPECT_NE(engine->mailboxes().receipt(last().confirm.id).state, ReceiptState::dead);
  pass(100);
  EXPECT_EQ(engine->mailboxes().receipt(last().confirm.id).state, ReceiptState::dead);
}

TEST_F(ShardTest, X13_CausesOfWhatIsForwardedAreNotCountedAgain) {
  auto message = mail("x");
  message.id = make_uuid({.key = make_key(Instant{1'700'000'000'000}, 7), .mailbox = NameId{3}, .node = 0x10});
  message.from = "alice";
  message.cause = make_uuid({.key = make_key(Instant{1'700'000'000'000}, 6), .mailbox = NameId{3}, .node = 0x10});
  message.hops = 5;
  message.chain = {message.cause};
  forward(message);
  receive(kBob, 1);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].message.hops, 5u);
  EXPECT_EQ(delivered[0].message.chain, std::vector{message.cause});
}

TEST_F(ShardTest, X13_AnotherShardIsToldWhatIsKnownOfACause) {
  auto cause = mail("ask");
  cause.expects_reply = false;
  cause.from = "alice";
  send(cause);
  sync();
  receive(kBob, 1);
  auto onward = mail("go on", "far");
  onward.cause = delivered[0].message.id;
  with(onward, [&](const IncomingMessage& incoming) {
    const auto envelope = engine->causes().with_causes(incoming);
    ASSERT_TRUE(envelope);
    const auto routing = read_routing(as_bytes(*envelope));
    ASSERT_TRUE(routing);
    EXPECT_EQ(routing->hops, 1u);
    EXPECT_EQ(routing->chain.size(), 16u);
    EXPECT_EQ(routing->to, "far");
  });
  onward.to = "alice";
  with(onward, [&](const IncomingMessage& incoming) {
    const auto refused = engine->causes().with_causes(incoming);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::no_reply_wanted);
  });
}

TEST_F(ShardTest, A2_AnotherShardGetsAnEventOnceAndItsEventsStayHere) {
  engine->subscribe(kShardLink, RequestNumber{100}, "a.*", 0, true);
  engine->subscribe(kShardLink, RequestNumber{101}, "a.>", 0, true);
  engine->subscribe(kBob, RequestNumber{102}, "a.b", 0, false);
  EXPECT_EQ(engine->subscriptions(), 1u);  // of clients
  send(event("a.b"));
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_EQ(std::set({delivered[0].session, delivered[1].session}), std::set({kShardLink, kBob}));

  delivered.clear();
  forward_event(event("a.b", "from afar"));
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].session, kBob);
  EXPECT_EQ(delivered[0].message.content, "from afar");
}

TEST_F(ShardTest, A2_AFilterLooksIntoAnEventOfAnotherShard) {
  engine->subscribe(kBob, RequestNumber{102}, "a.b", 0, false, "content = 'yes'");
  for (const auto* const content : {"no", "yes"}) {
    auto foreign = event("a.b", content);
    foreign.content_type = "text/plain";
    forward_event(foreign);
  }
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].message.content, "yes");
}

TEST_F(ShardTest, A4_AnAnswerGoesToTheShardThatItsAddressNames) {
  ask(mail("?"), 1'000);
  engine->dispatch();
  receive(kBob, 1);
  ASSERT_EQ(delivered.size(), 1u);
  const auto own = delivered[0].message.reply_to;
  EXPECT_EQ(own.size(), 33u);
  EXPECT_EQ(own[1], '2');  // the shard's number
  auto foreign = own;
  foreign[1] = '1';
  send(mail("answer", foreign), kBob);
  ASSERT_EQ(answered_elsewhere.size(), 1u);
  EXPECT_EQ(answered_elsewhere[0], std::pair(ShardNumber{1}, std::string("answer")));
  foreign[1] = '7';  // there is no such shard
  send(mail("answer", foreign), kBob);
  EXPECT_EQ(last().code, ErrorCode::no_such_request);
  send(mail("answer", own), kBob);
  EXPECT_EQ(delivered.back().message.content, "answer");
}

TEST_F(ShardTest, WhatWaitsForAnotherShardIsNotOfferedToAConsumer) {
  engine->consume(kShardLink, RequestNumber{100}, "far", 10);
  send(mail("x", "far"));
  sync();
  EXPECT_EQ(answers.back().confirm.outcome, PublishOutcome::queued);
  std::vector<std::string> made;
  engine->mailboxes().each_new_mailbox([&](std::string_view name) { made.emplace_back(name); });
  EXPECT_EQ(made, std::vector<std::string>{"far"});
  EXPECT_EQ(engine->consumers(), 0u);
}

TEST_F(ShardTest, IdsCarryTheShardOfTwo) {
  options.shard = ShardNumber{1};
  options.shards = 2;
  crash();
  send(mail("x"));
  sync();
  EXPECT_EQ(message_address(last().confirm.id)->node & kShardMask, 1u);
}

TEST_F(ShardTest, A11_WhereAForwardedMessageCameFromIsInItsGroup) {
  auto message = mail("x");
  message.id = make_uuid({.key = make_key(Instant{1'700'000'000'000}, 7), .mailbox = NameId{3}, .node = 0x10});
  message.from = "zoe";
  pass(kKeysAheadMs.ms - 500);  // the next id reserves more of them, within the group
  forward(message);
  EXPECT_EQ(last().confirm.outcome, PublishOutcome::queued);
  std::set<std::size_t> groups;
  for (const auto& [lsn, record] : log.records) {
    if (record.kind == FactKind::message_accepted || record.kind == FactKind::message_linked)
      groups.insert(record.group);
  }
  EXPECT_EQ(groups, (std::set<std::size_t>{log.groups}));
}

TEST_F(ShardTest, A20_WhatIsCarriedOnIsProcessedWhereItGoes) {
  engine->tracing().turn(true);
  engine->consume(kShardLink, RequestNumber{100}, "far", 10);
  auto message = mail("x", "far");
  message.metadata["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  send(message);
  sync();
  ASSERT_EQ(delivered.size(), 1u);
  ack(delivered[0].lease, kShardLink);
  EXPECT_EQ(spans, std::vector{SpanView::What::publish});
}

}  // namespace
}  // namespace folkmoot::test
