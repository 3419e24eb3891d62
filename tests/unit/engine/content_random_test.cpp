// Contents by reference through random lives of an engine (X19): whatever messages do and whenever it crashes, a
// content with a live referrer is there, and one without is removed when its grace is over, not before.
//
// The model knows which messages it sent with which content, and asks the receipt of each where it is: a way to find
// messages that has nothing to do with the counts.
#include <random>

#include "delivery_fixture.hpp"

namespace folkmoot::test {
namespace {

constexpr std::int64_t kGrace = 10'000;
constexpr std::uint8_t kContents = 4;

class ContentRandomTest : public DeliveryTest {
 protected:
  struct File {
    std::int64_t idle_from = 0, idle_to = 0;  // when it became so, or was asked for: between these
    bool was_idle = false;

    void touch(std::int64_t at) { idle_from = idle_to = at; }
  };

  static ContentRef ref(std::uint8_t number) {
    ContentRef content{.hash = {}, .size = 1'000'000u + number};
    content.hash.bytes.fill(number);
    return content;
  }

  // Where the files are is the server's to know; the test keeps them through crashes.
  void restart(Lsn cut) {
    engine.reset();
    log.records.erase(log.records.lower_bound(cut), log.records.end());
    for (auto& [lsn, record] : log.records) record.live = false;
    engine = std::make_unique<Engine>(options, log, *this);
    for (const auto& [lsn, record] : std::map(log.records)) {
      const auto done =
          engine->recover(record.kind, {lsn, static_cast<std::uint32_t>(record.body.size())}, as_bytes(record.body));
      ASSERT_TRUE(done) << done.error().text;
    }
    for (const auto& [number, file] : files) engine->contents().stored(ref(number));
    engine->start(Instant{now}, 7, false);
    engine->open_session(kAlice, "alice");
    engine->open_session(kBob, "bob");
    for (auto& [number, file] : files) file = {.idle_from = now, .idle_to = now, .was_idle = true};
    leases.clear();
    seen = delivered.size();
    sync();
    settle_accounts();
  }

  bool is_live(const Uuid& id) {
    switch (state(id)) {
      case ReceiptState::queued:
      case ReceiptState::offered:
      case ReceiptState::retrieved:
      case ReceiptState::scheduled:
        return true;
      case ReceiptState::dead:
        return !dead({.id = id}).empty();
      default:
        return false;
    }
  }

  // After every step: takes over what the engine removed and says whether it might, and looks for what it forgot.
  void settle_accounts() {
    for (; answered < answers.size(); ++answered) {
      const auto& answer = answers[answered];
      if (answer.kind == Answer::Kind::confirm && asked.contains(answer.request))
        sent[answer.confirm.id] = asked[answer.request];
    }
    for (; taken < delivered.size(); ++taken) leases.push_back(delivered[taken].lease);
    std::map<std::uint8_t, std::size_t> live;
    for (auto at = sent.begin(); at != sent.end();) {
      if (is_live(at->first))
        ++live[at++->second];
      else
        at = sent.erase(at);
    }
    for (const auto& hash : std::exchange(removed_contents, {})) {
      const auto number = hash.bytes[0];
      ASSERT_TRUE(files.contains(number)) << "it was not stored";
      ASSERT_EQ(live[number], 0u) << "removed under a message that refers to it";
      ASSERT_TRUE(files[number].was_idle && files[number].idle_from + kGrace <= now)
          << "removed before its grace was over";
      files.erase(number);
      ++removals;
    }
    for (auto& [number, file] : files) {
      const bool is_idle = live[number] == 0;
      if (is_idle && !file.was_idle) {
        file.idle_from = accounted;
        file.idle_to = now;
      }
      file.was_idle = is_idle;
      ASSERT_FALSE(is_idle && file.idle_to + kGrace + 1 < now) << "nothing refers to it, and it stays";
    }
    ASSERT_EQ(engine->contents().totals().missing, 0u);
    ASSERT_EQ(engine->contents().totals().stored, files.size());
    accounted = now;
  }

  LeaseToken any_lease(std::mt19937& random) {
    if (leases.empty()) return 0;
    const auto at = leases.begin() + static_cast<std::ptrdiff_t>(random() % leases.size());
    const auto lease = *at;
    leases.erase(at);
    return lease;
  }

  void step(std::mt19937& random, bool may_sync = true) {
    const auto number = static_cast<std::uint8_t>(1 + random() % kContents);
    const auto lease = [&] { return any_lease(random); };
    switch (random() % 16) {
      case 0:
      case 1:
        engine->contents().stored(ref(number));
        files[number] = {
            .idle_from = now, .idle_to = now, .was_idle = files.contains(number) ? files[number].was_idle : true};
        break;
      case 2:
      case 3: {
        auto message = mail("");
        message.content_ref = ref(number);
        if (random() % 6 == 0) message.deliver_at = now + static_cast<std::int64_t>(random() % 30'000);
        if (random() % 6 == 0) message.ttl_ms = 1 + static_cast<std::int64_t>(random() % 20'000);
        if (random() % 4 == 0) message.group = "g";
        if (random() % 8 == 0) message.mode = DeliveryMode::at_most_once;
        if (files.contains(number)) files[number].touch(now);  // asked for, whether accepted or not
        asked[request + 1] = number;
        send(message);
        break;
      }
      case 4:
      case 5:
      case 6:
      case 7:
        receive(kBob, 1 + random() % 8);
        break;
      case 8:
      case 9: {
        std::vector<LeaseToken> tokens;
        for (int i = 0; i < 6; ++i) tokens.push_back(lease());
        engine->ack(kBob, ++request, false, tokens);
        break;
      }
      case 10: {
        const auto token = lease();
        engine->nack(kBob, ++request, false, {&token, 1}, Duration{static_cast<int>(random() % 3'000)}, "busy");
        break;
      }
      case 11: {
        const auto token = lease();
        engine->reject(kBob, ++request, false, {&token, 1}, "no");
        break;
      }
      case 12: {
        const auto letters = dead();
        if (letters.empty()) break;
        const auto id = letters[random() % letters.size()].id;
        if (random() % 2) {
          engine->dead().purge({kAlice, ++request}, {.id = id}, 1);
        } else {
          if (sent.contains(id)) {
            asked[request + 1] = sent[id];
            files[sent[id]].touch(now);
          }
          engine->resubmit(kAlice, ++request, id, {});
        }
        break;
      }
      case 13:
        if (!sent.empty())
          engine->settling().cancel(
              {kAlice, ++request}, std::next(sent.begin(), static_cast<std::ptrdiff_t>(random() % sent.size()))->first);
        break;
      case 14:
        now += static_cast<std::int64_t>(random() % 15'000);
        break;
      default: {
        const auto token = lease();
        if (token == 0 || !may_sync) break;
        std::vector<Message> outputs(1, mail("done", "next"));
        if (files.contains(number)) {
          outputs[0].content_ref = ref(number);
          outputs[0].content.clear();
          files[number].touch(now);
        }
        engine->complete(kBob, ++request, token, incoming(outputs));
        finish_outputs(number);
      }
    }
  }

  void finish_outputs(std::uint8_t number) {
    sync();
    for (; taken < delivered.size(); ++taken) leases.push_back(delivered[taken].lease);
    engine->receive(kBob, ++request, {.mailbox = "next", .max = 100});
    engine->dispatch();
    for (; taken < delivered.size(); ++taken) {
      const auto token = delivered[taken].lease;
      if (token != 0) engine->ack(kBob, ++request, false, {&token, 1});
    }
    if (files.contains(number)) files[number].touch(now);
  }

  std::map<std::uint8_t, File> files;
  std::map<RequestNumber, std::uint8_t> asked;  // content by request number
  std::map<Uuid, std::uint8_t> sent;            // content of the messages that were confirmed
  std::vector<LeaseToken> leases;
  std::size_t answered = 0, taken = 0, removals = 0;
  std::int64_t accounted = 0;
};

TEST_F(ContentRandomTest, X19_a_content_is_there_while_referred_to_and_goes_after_its_grace) {
  options.content_grace_ms = Duration{kGrace};
  options.dead_max = 3;
  options.mailbox.retry.attempts = 2;
  std::size_t crashes = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int i = 0; i < 400; ++i) {
      step(random);
      sync();
      pass(static_cast<std::int64_t>(random() % 300));
      sync();
      settle_accounts();
      if (HasFatalFailure()) return;
      if (random() % 40 == 0) {
        copy_forward(log.end);
        sync();
        settle_accounts();
      }
      if (random() % 50 == 0) {
        // What was asked for and is not durable may be lost: a message is then not accepted, a settlement not done.
        const auto durable = log.end;
        for (auto more = random() % 4; more > 0; --more) step(random, false);
        const bool is_cut = random() % 2;
        if (is_cut) {
          answered = answers.size();
        } else {
          sync();
          pass(0);
          sync();
          settle_accounts();
        }
        restart(is_cut ? durable : log.end);
        ++crashes;
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(crashes, 100u);
  EXPECT_GT(removals, 100u);
}

}  // namespace
}  // namespace folkmoot::test
