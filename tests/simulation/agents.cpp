// Sessions, taking messages, and the engine's life. Publishing is in agents_publish.cpp, settling and dead letters in
// agents_settle.cpp, what is kept beside messages in agents_rules.cpp and agents_wakes.cpp, effects in
// agents_effects.cpp.
#include "simulation/agents.hpp"

#include <algorithm>

#include "message/limits.hpp"

namespace folkmoot::simulation {

void Agents::crash() {
  promises_.crash();
  sessions_.clear();
  events_.clear();
  response_.reset();
  leases_.crash();
  order_.crash();
  tried_again_.clear();
  credit_moved_ = false;
  ++life_;
  engine_ = nullptr;
  serving = false;
}

AgentSession* Agents::find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

Ask& Agents::ask(AgentSession& session, Ask::Kind kind) {
  auto& made = session.asks[session.next_request];
  made.kind = kind;
  return made;
}

void Agents::call(const std::function<void()>& command) {
  ++operations_;
  refused_ = false;
  refusal_.reset();
  command();
  expect(events_.empty(), "{} subscriptions did not get an event, the first of {}", events_.size(),
         events_.empty() ? "" : events_.front().topic);
  model_.after_call(engine_->now().ms);
  promises_.passed(engine_->now().ms);
  if (!model_.room_refused) return;
  model_.resync(*engine_);
  std::vector<LeaseToken> ended;
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (message == nullptr || message->stand != Stand::leased) ended.push_back(token);
  }
  for (const auto token : ended) lease_ended(token);
}

AgentSession& Agents::open(std::size_t agent) {
  Slot slot = 0;
  while (std::ranges::any_of(sessions_, [&](const auto& each) { return session_slot(each.first) == slot; })) ++slot;
  const auto id = session_id(next_serial_++, slot);
  auto& session = sessions_[id];
  session.id = id;
  session.agent = agent;
  call([&] { engine_->open_session(id, model_.names()[agent]); });
  return session;
}

void Agents::close(AgentSession& session) {
  const auto id = session.id;
  // Its consumers and subscriptions are gone before its leases are given back.
  for (auto& [request, consumer] : session.consumers) consumer.ended = true;
  session.subscriptions.clear();
  model_.closing = id;
  promises_.closing(id);
  model_.checkers.redrives.close(id);
  model_.checkers.wakes.closing(id);
  call([&] {
    // What it asked in memory, and nobody has yet, goes with it.
    std::vector<std::uint64_t> asked;
    for (const auto& [request, open] : session.asks) {
      if (open.kind != Ask::Kind::request || open.numbers.empty()) continue;
      const auto* const message = model_.find(open.numbers[0]);
      if (message != nullptr && message->asked.transient && message->waits()) asked.push_back(open.numbers[0]);
    }
    for (const auto number : asked) model_.left(*model_.find(number), Stand::gone);
    engine_->close_session(id);
  });
  model_.closing = 0;
  for (const auto& [token, lease] : leases_.held()) {
    expect(lease.session != id || lease.deadline != 0, "{} is still leased by a connection that is gone", lease.number);
    if (lease.session == id) leases_.find(token)->session = 0;
  }
  sessions_.erase(id);
}

void Agents::consume(AgentSession& session, std::size_t mailbox, std::uint32_t credit) {
  ask(session, Ask::Kind::plain).mailbox = mailbox;
  const auto request = session.next_request++;
  session.consumers[request] = {mailbox, credit, false};
  call([&] { engine_->consume(session.id, request, model_.names()[mailbox], credit); });
}

void Agents::credit(AgentSession& session, RequestNumber target, std::uint32_t amount) {
  if (const auto consumer = session.consumers.find(target);
      consumer != session.consumers.end() && !consumer->second.ended) {
    auto& credit = consumer->second.credit;
    // What is on its way has taken credit already; how much is left to the bound is known when it has come.
    if (model_.mailbox(consumer->second.mailbox).in_flight != 0 && credit + amount > kCreditMax) return;
    if (credit + amount > kCreditMax) rules_.saw(Rule::credit_capped);
    credit = std::min<std::int64_t>(credit + amount, kCreditMax);
  }
  const auto subscription = session.subscriptions.find(target);
  if (subscription != session.subscriptions.end() && subscription->second.limited)
    subscription->second.credit =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{subscription->second.credit} + amount, ~0u));
  call([&] { engine_->credit(session.id, target, amount); });
  if (subscription != session.subscriptions.end()) {
    expect(subscription->second.skipped == 0, "a subscription missed {} events and was not told",
           subscription->second.skipped);
  }
}

void Agents::cancel(AgentSession& session, RequestNumber target) {
  if (const auto consumer = session.consumers.find(target); consumer != session.consumers.end())
    consumer->second.ended = true;
  session.subscriptions.erase(target);
  if (model_.checkers.redrives.find({session.id, target}) != nullptr) {
    model_.checkers.redrives.end({session.id, target});
    session.asks[target].quiet = true;  // answered only if that was on its way already
  }
  // What was asked is wanted no more: taken back, or its holder is told.
  const auto asked = session.asks.find(target);
  const bool is_request = asked != session.asks.end() && asked->second.kind == Ask::Kind::request;
  const auto number = is_request ? asked->second.numbers[0] : 0;
  const auto* const message = model_.find(number);
  const bool leased = message != nullptr && message->stand == Stand::leased;
  const bool transient = message != nullptr && message->asked.transient && message->waits();
  const bool in_memory = is_request && !asked->second.held.is_nil() && find(asked->second.hands.taker) != nullptr;
  const bool held = in_memory || (leased && leases_.find(message->lease)->session != 0);
  model_.cancelling = number;
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  withdrawn_ = false;
  call([&] {
    engine_->cancel(session.id, request, target);
    if (transient) model_.left(*model_.find(number), Stand::gone);
  });
  expect(withdrawn_ == held, "the holder of {} was{} told that it is wanted no more", number, withdrawn_ ? "" : " not");
  model_.cancelling = 0;
  rules_.saw(Rule::cancelled);
}

void Agents::receive(AgentSession& session, std::size_t mailbox, std::uint32_t max, std::int64_t wait_ms,
                     std::int64_t lease_ms) {
  auto& mine = ask(session, Ask::Kind::receive);
  mine.mailbox = mailbox;
  mine.max = max;
  mine.deadline = engine_->now().ms + wait_ms;
  mine.lease_ms = lease_ms;
  const auto request = session.next_request++;
  const ReceiveCommand command{
      .mailbox = model_.names()[mailbox], .max = max, .wait_ms = Duration{wait_ms}, .lease_ms = Duration{lease_ms}};
  call([&] { engine_->receive(session.id, request, command); });
  if (session.asks.contains(request)) rules_.saw(Rule::pull_waited);
}

void Agents::wait(AgentSession& session, std::size_t mailbox, std::int64_t timeout_ms) {
  auto& mine = ask(session, Ask::Kind::wait);
  mine.mailbox = mailbox;
  mine.deadline = engine_->now().ms + timeout_ms;
  const auto request = session.next_request++;
  call([&] { engine_->wait(session.id, request, model_.names()[mailbox], Duration{timeout_ms}); });
}

void Agents::configure(AgentSession& session, std::size_t mailbox, const MailboxLimits& limits, std::uint8_t own,
                       bool reset) {
  auto& mine = ask(session, Ask::Kind::plain);
  const auto& now = model_.mailbox(mailbox);
  const auto wanted = in_force(limits, own, reset ? model_.options().mailbox : now.limits);
  mine.mailbox = mailbox;
  mine.limits = wanted;
  const auto request = session.next_request++;
  promises_.configuring(mailbox, wanted);
  model_.configuring = {wanted, 0, static_cast<std::uint8_t>((reset ? 0 : now.own) | own)};
  call([&] { engine_->configure_mailbox(session.id, request, {model_.names()[mailbox], limits, own, reset}); });
  model_.configuring.reset();
  if (own != kOwnAll) rules_.saw(Rule::configured_in_part);
}

void Agents::delete_mailbox(AgentSession& session, std::size_t mailbox) {
  std::vector<std::uint64_t> contents;
  for (const auto& [key, message] : model_.messages()) {
    if (message.asked.mailbox == mailbox && message.waits()) contents.push_back(message.content);
  }
  ask(session, Ask::Kind::remove);
  const auto request = session.next_request++;
  model_.deleting = mailbox;
  model_.purging = true;
  call([&] {
    engine_->delete_mailbox(session.id, request,
                            {.name = model_.names()[mailbox], .with_messages = true, .limit = 10'000});
  });
  model_.purging = false;
  model_.deleting.reset();
  if (refused_) return;
  model_.drop_all_transient(mailbox);
  for (const auto content : contents) {
    if (promises_.knows(content)) promises_.taking_back(content);
  }
}

void Agents::writable(AgentSession& session) {
  session.writable = true;
  call([&] { engine_->session_writable(session.id); });
}

// From one time at which something is due to the next, as a server does that is woken by them.
void Agents::advance(std::int64_t now) {
  for (auto next = engine_->next_timer().ms; next != -1 && next < now; next = engine_->next_timer().ms)
    step(std::max(next, engine_->now().ms));
  step(now);
}

void Agents::step(std::int64_t now) {
  model_.checkers.wakes.passing(now);
  call([&] { engine_->advance(Instant{now}); });
  model_.advanced(*engine_, now);
  model_.checkers.schedules.check(now, true);
  for (const auto& [token, lease] : leases_.held()) {
    expect(lease.deadline == 0 || lease.deadline > now, "the lease of {} should have ended at {}, and it is {}",
           lease.number, lease.deadline, now);
  }
  for (const auto& [id, session] : sessions_) {
    for (const auto& [request, mine] : session.asks) {
      if (mine.kind == Ask::Kind::wakes) continue;  // what it was given may wait for the disk
      const bool timed = mine.kind == Ask::Kind::request || mine.kind == Ask::Kind::wait ||
                         (mine.kind == Ask::Kind::receive && mine.delivered == 0);
      expect(!timed || mine.deadline > now || model_.mailbox(mine.mailbox).in_flight > 0,
             "a request that ends at {} is open at {}", mine.deadline, now);
    }
  }
}

void Agents::on_durable(Lsn end) {
  model_.on_durable(end, engine_->now().ms);
  on_events_due();
  due_together_ = true;
  call([&] { engine_->on_durable(end); });
  due_together_ = false;
  model_.handed_out();
}

// Nobody may be left waiting for what is there.
void Agents::dispatch() {
  call([&] { engine_->dispatch(); });
  if (!serving) return;
  look_at_wakes();
  for (const auto& [id, session] : sessions_) {
    if (!session.writable) continue;
    const auto has_mail = [&](std::size_t index) {
      const auto& mailbox = model_.mailbox(index);
      if (mailbox.ready.empty() || mailbox.in_flight != 0 || model_.disk_limited) return false;
      // What is delivered at most once waits in memory for the log to know; without room there it is tried again later,
      // and what is behind it waits as well, though it may have expired meanwhile.
      const auto now = engine_->now().ms;
      auto& tried_again = tried_again_[index];
      if (model_.memory_limited &&
          std::ranges::any_of(mailbox.ready, [&](MessageKey key) { return model_.find_key(key)->asked.once; })) {
        tried_again = now + kRetryMs.ms;
      }
      return tried_again <= now;
    };
    for (const auto& [request, consumer] : session.consumers) {
      expect(consumer.ended || consumer.credit <= 0 || !has_mail(consumer.mailbox),
             "a consumer with credit of {} waits beside mail for {}", consumer.credit,
             model_.names()[consumer.mailbox]);
    }
    for (const auto& [request, mine] : session.asks) {
      const bool waits = mine.kind == Ask::Kind::wait || (mine.kind == Ask::Kind::receive && mine.delivered == 0);
      expect(!waits || !has_mail(mine.mailbox), "a request waits beside mail for {}", model_.names()[mine.mailbox]);
    }
  }
}

// What is in somebody's hands goes back, as if its holder were gone.
void Agents::stop() {
  model_.stopping = true;
  call([&] { engine_->stop(); });
  model_.stopping = false;
  for (const auto& [token, lease] : leases_.held())
    expect(model_.disk_limited, "{} is leased by a server that has stopped", lease.number);
}

std::size_t Agents::unanswered() const {
  std::size_t count = 0;
  for (const auto& [id, session] : sessions_) {
    count += static_cast<std::size_t>(
        std::ranges::count_if(session.asks, [](const auto& each) { return !each.second.quiet; }));
  }
  return count;
}

}  // namespace folkmoot::simulation
