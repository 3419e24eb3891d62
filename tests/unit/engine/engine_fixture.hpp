// The engine driven directly: each step of a test is one line.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <set>

#include "engine/engine.hpp"
#include "engine/envelope_memo.hpp"
#include "memory_log.hpp"

namespace folkmoot::test {

struct Delivered {
  SessionId session = 0;
  RequestNumber request = 0;
  std::uint32_t delivery = 0;
  LeaseToken lease = 0;
  bool redelivered = false;
  Message message;
};

struct Answer {
  enum class Kind { confirm, done, settled, refused, lagged } kind{};
  SessionId session = 0;
  RequestNumber request = 0;
  Confirm confirm{};
  Reply reply{};
  std::vector<Result<Confirm>> outcomes{};
  std::uint32_t count = 0;
  std::vector<LeaseToken> refused{};
  ErrorCode code{};
  std::string text{};
};

class EngineTest : public ::testing::Test, public Effects {
 protected:
  static constexpr SessionId kAlice = session_id(0, Slot{1}), kBob = session_id(1, Slot{2}),
                             kCarol = session_id(1, Slot{3});

  void SetUp() override { start(); }

  void start(bool clean = false) {
    engine = std::make_unique<Engine>(options, log, *this);
    for (const auto& [lsn, record] : std::map(log.records)) {
      const auto done =
          engine->recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
      ASSERT_TRUE(done) << done.error().text;
    }
    engine->start(Instant{now}, 7, clean);
    for (const auto& [id, name] : {std::pair{kAlice, "alice"}, {kBob, "bob"}, {kCarol, "carol"}})
      engine->open_session(id, name);
    sync();
  }
  /// The server is gone; what the log has from `cut` on was never written.
  void crash(Lsn cut = kLsnMax) {
    engine.reset();
    log.records.erase(log.records.lower_bound(cut), log.records.end());
    for (auto& [lsn, record] : log.records) record.live = false;
    start();
  }
  void stop_and_start() {
    engine->stop();
    engine.reset();
    for (auto& [lsn, record] : log.records) record.live = false;
    start(true);
  }
  void sync() {
    engine->on_durable(log.end);
    engine->dispatch();
  }
  void pass(std::int64_t ms) {
    now += ms;
    engine->advance(Instant{now});
    engine->dispatch();
  }
  /// As compaction does: everything live once more, at the end.
  void copy_forward(Lsn below) {
    for (const auto& [lsn, record] : std::map(log.records)) {
      if (lsn < below)
        engine->keep(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
    }
    for (auto at = log.records.begin(); at != log.records.end() && at->first < below;) {
      EXPECT_FALSE(at->second.live) << "a " << name(at->second.kind) << " fact was not copied";
      at = log.records.erase(at);
    }
  }

  void send(const Message& message, SessionId from = kAlice, bool quiet = false) {
    with(message, [&](const IncomingMessage& incoming) { engine->publish(from, ++request, quiet, incoming); });
  }
  void ask(const Message& message, std::int64_t timeout_ms, SessionId from = kAlice) {
    with(message,
         [&](const IncomingMessage& incoming) { engine->request(from, ++request, Duration{timeout_ms}, incoming); });
  }
  static Message mail(std::string content, std::string to = "box") {
    Message message;
    message.to = std::move(to);
    message.content = std::move(content);
    return message;
  }
  static Message event(std::string topic, std::string content = "e") {
    Message message;
    message.topic = std::move(topic);
    message.content = std::move(content);
    return message;
  }
  void put(std::string content) {
    send(mail(std::move(content)));
    sync();
  }
  RequestNumber consume(SessionId session, std::uint32_t credit, std::string_view box = "box") {
    engine->consume(session, ++request, box, credit);
    engine->dispatch();
    return request;
  }
  RequestNumber receive(SessionId session, std::uint32_t max, std::int64_t wait_ms = 0, std::int64_t lease_ms = 0) {
    engine->receive(session, ++request,
                    {.mailbox = "box", .max = max, .wait_ms = Duration{wait_ms}, .lease_ms = Duration{lease_ms}});
    return request;
  }
  void ack(LeaseToken lease, SessionId session = kBob) {
    engine->ack(session, ++request, false, {&lease, 1});
    sync();
  }
  void nack(LeaseToken lease, std::int64_t delay_ms = 0, SessionId session = kBob) {
    engine->nack(session, ++request, false, {&lease, 1}, Duration{delay_ms}, "busy");
    sync();
  }
  void limit(const MailboxLimits& limits) {
    engine->configure_mailbox(kAlice, ++request, {"box", limits});
    sync();
  }

  /// The contents delivered since last asked.
  std::vector<std::string> contents() {
    std::vector<std::string> contents;
    for (; seen < delivered.size(); ++seen) contents.push_back(delivered[seen].message.content);
    return contents;
  }
  const Answer& last() const { return answers.back(); }
  template <class T>
  const T& replied() const {
    return std::get<T>(last().reply);
  }
  ReceiptState state(const Uuid& id) { return engine->mailboxes().receipt(id).state; }
  MailboxStats stats() {
    MailboxStats stats;
    EXPECT_TRUE(engine->mailboxes().stats("box", stats));
    return stats;
  }

  bool deliver(SessionId session, const OutgoingDelivery& d) override {
    std::string bytes(as_text(d.message.head));
    bytes.append(as_text(d.message.rest));
    auto message = decode_message(as_bytes(bytes));
    EXPECT_TRUE(message);
    delivered.push_back({session, d.request, d.delivery, d.lease, d.redelivered, std::move(*message)});
    return writable && session != full;
  }
  void confirm(SessionId s, RequestNumber r, const Confirm& confirm) override {
    answers.push_back({.kind = Answer::Kind::confirm, .session = s, .request = r, .confirm = confirm});
  }
  void answer(SessionId s, RequestNumber r, const Reply& reply) override {
    answers.push_back({.kind = Answer::Kind::done, .session = s, .request = r, .reply = reply});
  }
  void outcomes(SessionId s, RequestNumber r, std::span<const Result<Confirm>> outcomes) override {
    answers.push_back(
        {.kind = Answer::Kind::done, .session = s, .request = r, .outcomes = {outcomes.begin(), outcomes.end()}});
  }
  void settled(SessionId s, RequestNumber r, std::uint32_t count, std::span<const LeaseToken> refused) override {
    answers.push_back({.kind = Answer::Kind::settled,
                       .session = s,
                       .request = r,
                       .count = count,
                       .refused = {refused.begin(), refused.end()}});
  }
  void refuse(SessionId s, RequestNumber r, const Error& error) override {
    answers.push_back(
        {.kind = Answer::Kind::refused, .session = s, .request = r, .code = error.code, .text = error.text});
  }
  void lagged(SessionId s, RequestNumber r, std::uint32_t count) override {
    answers.push_back({.kind = Answer::Kind::lagged, .session = s, .request = r, .count = count});
  }
  void woken(SessionId s, RequestNumber r, std::span<const WokenView> wakes) override {
    auto& all = woken_.emplace_back();
    all.session = s;
    all.request = r;
    for (const auto& each : wakes)
      all.wakes.push_back(
          {each.wake->rule.agent, each.wake->token, each.wake->count.tries + 1, each.mail.ready, each.id});
  }
  bool remove_content(const ContentHash& hash) override {
    removed_contents.push_back(hash);
    return !keeps_contents;
  }
  std::optional<std::uint64_t> stored_elsewhere(const ContentHash& hash) override {
    return elsewhere && elsewhere->hash == hash ? std::optional(elsewhere->size) : std::nullopt;
  }
  bool answer_elsewhere(ShardNumber shard, const MessageParts& message, ConnectionId, bool) override {
    answered_elsewhere.emplace_back(shard, std::string(as_text(message.rest)));
    return true;
  }
  void withdrawn(SessionId s, LeaseToken lease, const Uuid& id) override {
    withdrawals.emplace_back(s, lease);
    withdrawn_ids.push_back(id);
  }
  [[noreturn]] void unreadable(const Error& error) override { throw std::runtime_error(error.text); }

  EngineOptions options;
  MemoryLog log;
  std::unique_ptr<Engine> engine;
  std::int64_t now = 1'800'000'000'000;
  RequestNumber request{100};
  bool writable = true;
  SessionId full = 0;  // takes one delivery, and no more until it is told to be writable
  std::vector<Delivered> delivered;
  std::vector<Answer> answers;
  using Withdrawals = std::vector<std::pair<SessionId, LeaseToken>>;
  Withdrawals withdrawals;
  std::vector<Uuid> withdrawn_ids;
  struct Woken {
    SessionId session = 0;
    RequestNumber request = 0;
    struct One {
      std::string agent;
      MessageKey token = 0;
      std::uint32_t attempt = 0;
      std::uint64_t ready = 0;
      Uuid id{};
    };
    std::vector<One> wakes{};
  };
  std::vector<Woken> woken_;
  std::vector<ContentHash> removed_contents;
  bool keeps_contents = false;                                          // another shard does
  std::optional<ContentRef> elsewhere;                                  // another shard stores it
  std::vector<std::pair<ShardNumber, std::string>> answered_elsewhere;  // shard, content
  std::size_t seen = 0;

  template <class Use>
  void with(const Message& message, Use use) {
    // As the server does: an envelope that was sent just before is known again.
    std::string bytes;
    ASSERT_TRUE(encode_envelope(message, bytes));
    const auto envelope_bytes = bytes.size();
    bytes += message.content;
    if (const auto* const same = last_envelope.find(as_bytes(bytes))) return use(*same);
    const auto routing = read_routing(as_bytes(bytes));
    ASSERT_TRUE(routing);
    const IncomingMessage incoming{*routing, as_bytes(bytes).first(envelope_bytes),
                                   as_bytes(bytes).subspan(envelope_bytes)};
    last_envelope.keep(incoming.envelope);
    use(incoming);
  }

 private:
  EnvelopeMemo last_envelope;
};

using Contents = std::vector<std::string>;

}  // namespace folkmoot::test
