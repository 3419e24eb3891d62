// Wakes: when they are due, who has them, and what a restart leaves of that.
#include "base/duration.hpp"
#include "engine_fixture.hpp"

namespace folkmoot::test {
namespace {

constexpr std::string_view kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";

class WakeTest : public EngineTest {
 protected:
  static WakeRule rule(WakeHow how = WakeHow::process) { return {.agent = "box", .how = how}; }

  void set(const WakeRule& wanted) {
    engine->wakes().set({kAlice, ++request}, wanted);
    sync();
  }
  /// Waits for wakes; what comes at once.
  std::vector<Woken::One> take(SessionId session = kBob, std::int64_t wait_ms = 0, std::int64_t lease_ms = 0,
                               std::string agent = {}) {
    const auto before = woken_.size();
    engine->wakes().take({session, ++request},
                         {.fits = [agent](std::string_view name) { return agent.empty() || name == agent; },
                          .how = [](WakeHow) { return true; },
                          .limit = 8,
                          .wait_ms = Duration{wait_ms},
                          .lease_ms = Duration{lease_ms},
                          .watcher = "watcher",
                          .agent = agent});
    sync();
    return woken_.size() > before ? woken_.back().wakes : std::vector<Woken::One>();
  }
  void end(MessageKey token, WakeEnd how = WakeEnd::done, SessionId session = kBob) {
    engine->wakes().done({session, ++request}, "box", token, how, "why");
    sync();
  }
  /// Bob reads a message and settles it.
  void read_one() {
    receive(kBob, 1);
    sync();
    ASSERT_FALSE(delivered.empty());
    ack(delivered.back().lease);
  }
  const Wake& wake() { return *engine->wakes().find("box"); }
  void be_at(const std::string& time) {
    const auto ms = parse_time_ms(time).value() - now;
    ASSERT_GE(ms, 0);
    pass(ms);
    sync();
  }
};

TEST_F(WakeTest, X11_mail_makes_a_wake_due_and_one_watcher_gets_it) {
  set(rule());
  EXPECT_TRUE(take().empty());
  put("a");
  const auto mine = take();
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_EQ(mine[0].agent, "box");
  EXPECT_EQ(mine[0].attempt, 1u);
  EXPECT_EQ(mine[0].ready, 1u);
  EXPECT_TRUE(take(kCarol).empty());
  put("b");
  EXPECT_TRUE(take(kCarol).empty()) << "it is awake";
  take(kCarol, 0, 0, "box");
  EXPECT_EQ(last().code, ErrorCode::already_exists);
  read_one();
  read_one();
  end(mine[0].token);
  EXPECT_TRUE(take().empty());
  put("c");
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_who_waits_is_told_as_soon_as_it_is_due_and_only_when_the_log_has_counted_it) {
  set(rule());
  take(kBob, 60'000);
  take(kCarol, 60'000);
  send(mail("a"));
  sync();
  EXPECT_TRUE(woken_.empty()) << "its count is not durable";
  sync();
  ASSERT_EQ(woken_.size(), 1u);
  EXPECT_EQ(woken_[0].session, kBob);
  EXPECT_EQ(woken_[0].wakes.size(), 1u);
  pass(60'000);
  ASSERT_EQ(woken_.size(), 2u) << "nothing came for carol";
  EXPECT_EQ(woken_[1].session, kCarol);
  EXPECT_TRUE(woken_[1].wakes.empty());
}

TEST_F(WakeTest, X11_a_wake_that_is_waited_for_can_be_called_off) {
  set(rule());
  take(kBob, 60'000);
  engine->cancel(kBob, RequestNumber{request.value + 1}, request);
  ASSERT_EQ(woken_.size(), 1u);
  EXPECT_TRUE(woken_[0].wakes.empty());
  put("a");
  sync();
  EXPECT_EQ(woken_.size(), 1u);
  EXPECT_EQ(take(kCarol).size(), 1u);
}

TEST_F(WakeTest, X11_one_that_brought_nobody_comes_again_later_and_later_under_one_id) {
  set(rule());
  put("a");
  auto mine = take();
  const auto id = mine.at(0).id;
  std::int64_t wait = 1'000;
  for (std::uint32_t attempt = 2; attempt < 14; ++attempt) {
    end(mine[0].token);
    EXPECT_EQ(wake().count.tries, attempt - 1);
    pass(wait - 1);
    EXPECT_TRUE(take().empty());
    pass(1);
    mine = take();
    ASSERT_EQ(mine.size(), 1u) << attempt;
    EXPECT_EQ(mine[0].attempt, attempt);
    EXPECT_EQ(mine[0].id, id);
    wait = std::min<std::int64_t>(2 * wait, 600'000);
  }
  read_one();
  end(mine[0].token);
  EXPECT_EQ(wake().count.tries, 0u);
  put("b");
  mine = take();
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_NE(mine[0].id, id);
}

TEST_F(WakeTest, X11_one_that_failed_or_whose_watcher_is_gone_comes_again_though_mail_was_read) {
  set(rule());
  put("a");
  put("b");
  auto mine = take();
  read_one();
  end(mine.at(0).token, WakeEnd::failed);
  EXPECT_TRUE(take().empty());
  pass(1'000);
  mine = take(kCarol);
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_EQ(mine[0].attempt, 2u);
  engine->close_session(kCarol);
  sync();
  EXPECT_EQ(wake().end, WakeEnd::lost);
  pass(2'000);
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_a_hook_that_was_done_leaves_who_it_tells_time_to_come) {
  set(rule(WakeHow::hook));
  put("a");
  end(take().at(0).token);
  pass(29'999);
  EXPECT_TRUE(take().empty());
  read_one();  // it came, after a while
  put("b");
  EXPECT_EQ(take().size(), 1u);
  EXPECT_EQ(wake().count.tries, 0u);
}

TEST_F(WakeTest, X11_a_lease_with_a_time_ends_with_it_and_not_with_the_connection) {
  set(rule());
  put("a");
  const auto mine = take(kCarol, 0, 5'000);
  engine->close_session(kCarol);
  sync();
  EXPECT_TRUE(wake().is_taken());
  pass(5'000);
  EXPECT_FALSE(wake().is_taken());
  end(mine.at(0).token);
  EXPECT_EQ(last().code, ErrorCode::lease_lost);
  pass(1'000);
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_whoever_consumes_is_awake_and_sleeps_when_it_is_gone) {
  set(rule());
  const auto consumer = consume(kBob, 1);
  put("a");
  put("b");
  EXPECT_TRUE(take(kCarol).empty());
  engine->cancel(kBob, ++request, consumer);
  engine->dispatch();
  EXPECT_EQ(take(kCarol).size(), 1u);
}

TEST_F(WakeTest, X11_batches_wait_for_so_many_messages_or_so_long) {
  auto batches = rule();
  batches.batch = 3;
  batches.batch_wait = Duration{10'000};
  set(batches);
  put("a");
  put("b");
  EXPECT_TRUE(take().empty());
  put("c");
  const auto mine = take();
  ASSERT_EQ(mine.size(), 1u);
  for (int i = 0; i < 3; ++i) read_one();
  end(mine[0].token);
  put("d");
  pass(9'999);
  EXPECT_TRUE(take().empty());
  pass(1);
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_messages_of_lower_priority_wake_nobody) {
  auto urgent = rule();
  urgent.priority = 3;
  set(urgent);
  put("a");
  EXPECT_TRUE(take().empty());
  auto message = mail("b");
  message.priority = critical;
  send(message);
  sync();
  const auto mine = take();
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_EQ(mine[0].ready, 1u);
}

TEST_F(WakeTest, X11_quiet_hours_hold_wakes_back_until_they_are_over_also_when_clocks_change) {
  auto quiet = rule();
  quiet.quiet_from = 22 * 60;
  quiet.quiet_to = 7 * 60;
  quiet.zone = "Europe/Berlin";
  quiet.tz = kBerlin;
  be_at("2027-03-27T20:59:00Z");
  set(quiet);
  put("a");
  const auto first = take();
  ASSERT_EQ(first.size(), 1u) << "21:59 in Berlin";
  read_one();
  end(first[0].token);
  be_at("2027-03-27T21:00:00Z");
  put("b");
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(format_time_ms(wake().next_at.ms), "2027-03-28T05:00:00.000Z") << "07:00, by then summer time";
  be_at("2027-03-28T04:59:59Z");
  EXPECT_TRUE(take().empty());
  be_at("2027-03-28T05:00:00Z");
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_a_wake_that_is_due_is_not_given_out_when_quiet_hours_have_begun) {
  auto quiet = rule();
  quiet.quiet_from = 22 * 60;
  quiet.quiet_to = 23 * 60;
  be_at("2027-03-27T21:59:59Z");
  set(quiet);
  put("a");
  EXPECT_NE(wake().due_at, Instant{});
  be_at("2027-03-27T22:00:00Z");
  EXPECT_TRUE(take().empty());
  be_at("2027-03-27T23:00:00Z");
  EXPECT_EQ(take().size(), 1u);
}

TEST_F(WakeTest, X11_a_budget_holds_for_a_day_of_its_zone_whatever_crashes) {
  auto few = rule();
  few.budget = 2;
  few.tz = kBerlin;
  be_at("2027-06-01T10:00:00Z");
  set(few);
  for (int i = 0; i < 2; ++i) {
    put("a");
    const auto mine = take();
    ASSERT_EQ(mine.size(), 1u);
    read_one();
    end(mine[0].token);
    if (i == 0) copy_forward(log.end);
    crash();
  }
  put("b");
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(engine->wakes().woken_today(wake()), 2u);
  set(few);  // set anew it is the same day
  EXPECT_TRUE(take().empty());
  be_at("2027-06-01T21:59:59Z");
  EXPECT_TRUE(take().empty());
  be_at("2027-06-01T22:00:00Z");
  EXPECT_EQ(take().size(), 1u);
  EXPECT_EQ(engine->wakes().woken_today(wake()), 1u);
}

TEST_F(WakeTest, X11_a_restart_wakes_again_at_once_and_goes_on_counting_tries) {
  auto batches = rule();
  batches.batch = 3;
  batches.batch_wait = Duration{10'000};
  set(batches);
  put("a");
  pass(6'000);
  crash();
  EXPECT_TRUE(take().empty());
  pass(4'000);
  auto mine = take();
  ASSERT_EQ(mine.size(), 1u) << "it has waited since before";
  end(mine[0].token, WakeEnd::failed);
  pass(1'000);
  mine = take();
  ASSERT_EQ(mine.size(), 1u);
  const auto id = mine[0].id;
  crash();
  mine = take();
  ASSERT_EQ(mine.size(), 1u) << "who had it is gone";
  EXPECT_EQ(mine[0].attempt, 2u);
  EXPECT_EQ(mine[0].id, id);
}

TEST_F(WakeTest, X11_set_and_removed_wakes_are_so_after_a_crash_and_a_copy) {
  auto first = rule(WakeHow::webhook);
  first.url = "https://example.com/wake";
  first.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  first.quiet_from = 60;
  first.quiet_to = 120;
  first.budget = 7;
  first.batch = 2;
  first.batch_wait = Duration{5};
  first.retry_ms = Duration{200};
  set(first);
  copy_forward(log.end);
  crash();
  EXPECT_EQ(wake().rule, first);
  const auto second = rule(WakeHow::hook);
  set(second);
  crash();
  EXPECT_EQ(wake().rule, second);
  engine->delete_mailbox(kAlice, ++request, {.name = "box"});
  EXPECT_EQ(last().code, ErrorCode::mailbox_in_use);
  engine->wakes().remove({kAlice, ++request}, "box");
  sync();
  crash();
  EXPECT_EQ(engine->wakes().find("box"), nullptr);
  put("a");
  EXPECT_TRUE(take().empty());
  engine->wakes().remove({kAlice, ++request}, "box");
  EXPECT_EQ(last().code, ErrorCode::not_found);
}

TEST_F(WakeTest, X11_a_wake_that_is_removed_while_somebody_has_it_is_nobodys) {
  set(rule());
  put("a");
  const auto mine = take();
  engine->wakes().remove({kAlice, ++request}, "box");
  sync();
  end(mine.at(0).token);
  EXPECT_EQ(last().code, ErrorCode::not_found);
  engine->close_session(kBob);
  set(rule());
  EXPECT_EQ(take(kCarol).size(), 1u);
}

TEST_F(WakeTest, X11_what_no_wake_can_be_is_refused) {
  const auto refused = [&](auto change, ErrorCode code = ErrorCode::invalid_field) {
    auto wrong = rule();
    change(wrong);
    set(wrong);
    EXPECT_EQ(last().kind, Answer::Kind::refused);
    EXPECT_EQ(last().code, code) << last().text;
    EXPECT_EQ(engine->wakes().find("box"), nullptr);
  };
  const auto hook = [](std::string url, std::string secret) {
    return [url, secret](WakeRule& wrong) { wrong.how = WakeHow::webhook, wrong.url = url, wrong.secret = secret; };
  };
  const std::string good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  refused([](WakeRule& wrong) { wrong.agent = "@1"; }, ErrorCode::invalid_name);
  refused([](WakeRule& wrong) { wrong.url = "http://a"; });
  refused(hook("ftp://a", good));
  refused(hook("http://", good));
  refused(hook("http:///path", good));
  refused(hook("http://user:pass@host/", good));
  refused(hook("http://host/ a", good));
  refused(hook("http://host/" + std::string(2'048, 'a'), good));
  refused(hook("http://host/", ""));
  refused(hook("http://host/", "whsec_c2hvcnQ="));
  refused(hook("http://host/", good.substr(6)));
  refused([](WakeRule& wrong) { wrong.batch = 0; }, ErrorCode::out_of_range);
  refused([](WakeRule& wrong) { wrong.batch = 2; });
  refused([](WakeRule& wrong) { wrong.batch_wait = Duration{5}; });
  refused([](WakeRule& wrong) { wrong.priority = 11; }, ErrorCode::out_of_range);
  refused([](WakeRule& wrong) { wrong.tz = "Europe/Berlin"; });
  refused([](WakeRule& wrong) { wrong.quiet_to = 1'440; });
  refused([](WakeRule& wrong) { wrong.retry_ms = Duration{1}; }, ErrorCode::out_of_range);
  refused([](WakeRule& wrong) { wrong.retry_ms = Duration{700'000}; });
  options.wakes_max = 1;
  crash();
  auto other = rule();
  other.agent = "other";
  set(other);
  set(rule());
  EXPECT_EQ(last().code, ErrorCode::limit_reached);
}

TEST_F(WakeTest, X11_a_fact_that_breaks_off_is_damage) {
  set(rule());
  const auto& [lsn, record] = *log.records.rbegin();
  ASSERT_EQ(record.kind, FactKind::wake_set);
  for (std::size_t bytes = 0; bytes < record.body.size(); ++bytes) {
    Engine other(options, log, *this);
    const auto done =
        other.recover(FactKind::wake_set, {lsn, static_cast<std::uint32_t>(bytes)}, as_bytes(record.body).first(bytes));
    ASSERT_FALSE(done) << bytes;
    EXPECT_EQ(done.error().code, ErrorCode::damaged);
  }
}

TEST_F(WakeTest, X11_one_with_a_budget_that_had_no_room_is_tried_again_by_itself) {
  auto with_budget = rule();
  with_budget.budget = 5;
  set(with_budget);
  take(kBob, 60'000);
  log.room_settling = false;
  put("a");
  sync();
  EXPECT_TRUE(woken_.empty()) << "its count could not be noted";
  log.room_settling = true;
  for (int i = 0; i < 20 && woken_.empty(); ++i) {
    pass(1'000);
    sync();
  }
  ASSERT_EQ(woken_.size(), 1u);
  EXPECT_EQ(woken_[0].wakes.size(), 1u);
}

TEST_F(WakeTest, X11_who_is_gone_when_its_request_comes_takes_no_wake) {
  set(rule());
  put("a");
  EXPECT_TRUE(take(session_id(7, Slot{9})).empty());
  EXPECT_EQ(take().size(), 1u);
}

}  // namespace
}  // namespace folkmoot::test
