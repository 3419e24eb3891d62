// The operations. Effects are in agents_effects.cpp.
#include "simulation/agents.hpp"

#include <algorithm>

#include "message/topic.hpp"

namespace folkmoot::simulation {

void Agents::crash() {
  sessions_.clear();
  events_.clear();
  response_.reset();
  leases_.crash();
  order_.crash();
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
  command();
  expect(events_.empty(), "{} subscriptions did not get an event", events_.size());
  model_.after_call();
  if (!model_.room_refused) return;
  model_.resync(*engine_);
  std::vector<LeaseToken> ended;
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (message == nullptr || message->stand != Stand::leased) ended.push_back(token);
  }
  for (const auto token : ended) lease_ended(token);
}

Agents::Written Agents::write(const Message& message, std::uint64_t number, std::size_t bytes) const {
  Written written;
  expect(encode_envelope(message, written.envelope).has_value(), "an envelope of ours does not encode");
  written.content.assign(std::max<std::size_t>(bytes, 8), static_cast<char>('a' + number % 26));
  store(written.content.data(), number);
  auto routing = read_routing(as_bytes(written.envelope));
  expect(routing.has_value(), "an envelope of ours does not parse");
  written.incoming.routing = *routing;
  return written;
}

Agents::Written Agents::write(const Published& asked, std::uint64_t number, std::size_t bytes, std::optional<DeliveryMode> mode) const {
  Message message;
  message.from = model_.names()[asked.sender];
  message.to = model_.names()[asked.mailbox];
  message.priority = asked.priority;
  message.ttl_ms = asked.ttl_ms;
  message.deliver_at = asked.deliver_at;
  message.mode = mode;
  if (asked.key != 0) message.key = fmt::format("key-{}", asked.key);
  if (asked.group != 0) message.group = fmt::format("group-{}", asked.group);
  message.retry = asked.retry;
  return write(message, number, bytes);
}

namespace {

// Strings move, so the views are taken where they come to rest.
template <class Written>
IncomingMessage at_rest(Written& written) {
  return {*read_routing(as_bytes(written.envelope)), as_bytes(written.envelope), as_bytes(written.content)};
}

std::optional<DeliveryMode> mode_of(const Published& asked) {
  if (asked.once) return DeliveryMode::at_most_once;
  return std::nullopt;
}

}  // namespace

AgentSession& Agents::open(std::size_t agent) {
  std::uint32_t slot = 0;
  while (std::ranges::any_of(sessions_, [&](const auto& each) { return session_slot(each.first) == slot; })) ++slot;
  const SessionId id = next_serial_++ << 32 | slot;
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
  call([&] {
    // What it asked in memory, and nobody has yet, goes with it.
    std::vector<std::uint64_t> asked;
    for (const auto& [request, open] : session.asks) {
      if (open.kind != Ask::Kind::request || open.numbers.empty()) continue;
      const auto* const message = model_.find(open.numbers[0]);
      if (message != nullptr && message->asked.transient && message->waits()) asked.push_back(open.numbers[0]);
    }
    engine_->close_session(id);
    for (const auto number : asked) model_.left(*model_.find(number), Stand::gone);
  });
  model_.closing = 0;
  for (const auto& [token, lease] : leases_.held()) {
    expect(lease.session != id || lease.deadline != 0, "{} is still leased by a connection that is gone", lease.number);
    if (lease.session == id) leases_.find(token)->session = 0;
  }
  sessions_.erase(id);
}

void Agents::publish(AgentSession& session, const Published& asked, std::size_t bytes, bool quiet) {
  const auto number = model_.add(asked);
  if (asked.key != 0) keyed_.push_back({number, life_});
  if (keyed_.size() > 24) keyed_.pop_front();
  publish_as(session, number, bytes, quiet);
}

void Agents::publish_as(AgentSession& session, std::uint64_t number, std::size_t bytes, bool quiet) {
  const auto asked = model_.published(number);
  auto written = write(asked, number, bytes, mode_of(asked));
  ask(session, Ask::Kind::publish).numbers = {number};
  const auto request = session.next_request++;
  call([&] { engine_->publish(session.id, request, quiet, at_rest(written)); });
  if (quiet) session.asks.erase(request);
}

void Agents::publish_again(AgentSession& session) {
  if (keyed_.empty()) return;
  auto& sent = keyed_[random_.below(keyed_.size())];
  const auto asked = model_.published(sent.number);
  const auto& keys = model_.keys();
  if (sent.life != life_) rules_.saw(Rule::resent_after_crash);
  sent.life = life_;
  // Where the key may have been forgotten, its next message is another one.
  const bool same = keys.find(asked.key) == 0 || keys.must_know(asked.key, engine_->now());
  if (!same) sent.number = model_.add(asked);
  publish_as(session, sent.number, 8, false);
}

std::vector<Agents::Written> Agents::write_all(Ask& mine, const std::vector<Published>& asked) {
  std::vector<Written> written;
  for (const auto& each : asked) {
    mine.numbers.push_back(model_.add(each));
    written.push_back(write(each, mine.numbers.back(), 8 + random_.below(200), mode_of(each)));
  }
  return written;
}

void Agents::publish_atomic(AgentSession& session, const std::vector<Published>& asked, bool quiet) {
  auto& mine = ask(session, Ask::Kind::batch);
  auto written = write_all(mine, asked);
  std::vector<Result<IncomingMessage>> messages;
  for (auto& each : written) messages.emplace_back(at_rest(each));
  const auto request = session.next_request++;
  mine.quiet = quiet;
  mine.together = true;
  for (const auto& each : asked) ++model_.arriving[each.mailbox];
  model_.together().begin();
  call([&] { engine_->publish_atomic(session.id, request, quiet, messages); });
  model_.together().end();
  model_.arriving.clear();
  if (session.asks.contains(request)) rules_.saw(Rule::atomic_batch);
}

void Agents::complete(AgentSession& session, LeaseToken token, const std::vector<Published>& outputs) {
  auto& mine = ask(session, Ask::Kind::batch);
  auto written = write_all(mine, outputs);
  std::vector<Result<IncomingMessage>> messages;
  for (auto& each : written) messages.emplace_back(at_rest(each));
  const auto request = session.next_request++;
  mine.together = true;
  const auto* const lease = leases_.find(token);
  const bool held = lease != nullptr;
  if (held) mine.input = lease->number;
  if (!held) mine.refused = {token};
  for (const auto& each : outputs) ++model_.arriving[each.mailbox];
  model_.settling = {token};
  model_.together().begin();
  call([&] { engine_->complete(session.id, request, token, messages); });
  model_.together().end();
  model_.settling.clear();
  model_.arriving.clear();
  if (session.asks.contains(request)) {
    expect(leases_.find(token) == nullptr, "a lease lives on after its message was completed");
    rules_.saw(Rule::completed);
  } else {
    expect((leases_.find(token) != nullptr) == held, "a refused completion has ended the lease");
    rules_.saw(Rule::complete_refused);
  }
}

void Agents::publish_batch(AgentSession& session, const std::vector<Published>& asked, bool quiet) {
  auto& mine = ask(session, Ask::Kind::batch);
  auto written = write_all(mine, asked);
  std::vector<Result<IncomingMessage>> messages;
  for (auto& each : written) messages.emplace_back(at_rest(each));
  const auto request = session.next_request++;
  mine.quiet = quiet;
  call([&] { engine_->publish_batch(session.id, request, quiet, messages); });
}

// Who gets it, in what order, and who misses it.
void Agents::expect_event(const AgentSession* publisher, const std::string& topic) {
  std::map<std::uint64_t, std::pair<AgentSession*, std::uint32_t>> by_age;
  for (auto& [id, session] : sessions_) {
    for (auto& [request, subscription] : session.subscriptions) {
      if (topic_matches(subscription.pattern, topic)) by_age[subscription.serial] = {&session, request};
    }
  }
  // What the server says itself gets an id only if anybody listens.
  if (publisher == nullptr && !by_age.empty()) model_.drew_key(engine_->now());
  for (auto& [serial, who] : by_age) {
    auto& subscription = who.first->subscriptions[who.second];
    if (who.first == publisher && !subscription.echo) {
      rules_.saw(Rule::no_echo);
      continue;
    }
    if (subscription.limited && subscription.credit == 0) {
      ++subscription.skipped;
      continue;
    }
    subscription.credit -= subscription.limited;
    events_.push_back({who.first->id, who.second});
  }
}

void Agents::publish_event(AgentSession& session, const std::string& topic) {
  expect_event(&session, topic);
  const auto expected = static_cast<std::uint32_t>(events_.size());
  Message message;
  message.topic = topic;
  auto written = write(message, 0, 8);
  auto& mine = ask(session, Ask::Kind::publish);
  mine.max = expected;
  const auto request = session.next_request++;
  call([&] { engine_->publish(session.id, request, false, at_rest(written)); });
  expect(!session.asks.contains(request), "an event was not confirmed at once");
}

void Agents::request(AgentSession& session, Published asked, std::int64_t timeout_ms) {
  asked.ttl_ms = asked.transient ? 0 : asked.ttl_ms;
  asked.deliver_at = 0;
  asked.once = asked.transient;
  asked.group = 0;
  asked.retry.reset();
  const auto number = model_.add(asked);
  auto written = write(asked, number, 8 + random_.below(100), asked.transient ? std::nullopt : std::optional(DeliveryMode::at_least_once));
  auto& mine = ask(session, timeout_ms == 0 ? Ask::Kind::request_now : Ask::Kind::request);
  mine.numbers = {number};
  mine.mailbox = asked.mailbox;
  mine.deadline = engine_->now() + timeout_ms;
  const auto request = session.next_request++;
  const auto ready_before = engine_->counters().ready;
  call([&] {
    engine_->request(session.id, request, timeout_ms, at_rest(written));
    // No fact tells of a transient message; the engine's count does.
    if (asked.transient && engine_->counters().ready > ready_before) {
      model_.entered(number, engine_->now(), engine_->now() + (timeout_ms != 0 ? timeout_ms : 5'000));
    }
  });
}

void Agents::respond(AgentSession& session, const ReplyAddress& address) {
  auto* const requester = find(address.session);
  const auto waiting = requester == nullptr ? std::map<std::uint32_t, Ask>::iterator{} : requester->asks.find(address.request);
  const bool waits = requester != nullptr && waiting != requester->asks.end() && waiting->second.kind == Ask::Kind::request &&
                     waiting->second.numbers[0] == address.number;
  Message message;
  message.to = address.text;
  auto written = write(message, address.number, 8);
  auto& mine = ask(session, Ask::Kind::publish);
  mine.max = waits;
  if (waits) response_ = address;
  const auto request = session.next_request++;
  call([&] { engine_->publish(session.id, request, false, at_rest(written)); });
  expect(!response_, "a response to a request that waits was not delivered");
  expect(!session.asks.contains(request), "a response was not answered at once");
}

void Agents::subscribe(AgentSession& session, const std::string& pattern, std::uint32_t credit, bool echo) {
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  session.subscriptions[request] = {pattern, credit, 0, credit != 0, echo, next_serial_++};
  call([&] { engine_->subscribe(session.id, request, pattern, credit, echo); });
}

void Agents::consume(AgentSession& session, std::size_t mailbox, std::uint32_t credit) {
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  session.consumers[request] = {mailbox, credit, false};
  call([&] { engine_->consume(session.id, request, model_.names()[mailbox], credit); });
}

void Agents::credit(AgentSession& session, std::uint32_t target, std::uint32_t amount) {
  if (const auto consumer = session.consumers.find(target); consumer != session.consumers.end() && !consumer->second.ended) {
    consumer->second.credit += amount;
  }
  const auto subscription = session.subscriptions.find(target);
  if (subscription != session.subscriptions.end() && subscription->second.limited) subscription->second.credit += amount;
  call([&] { engine_->credit(session.id, target, amount); });
  if (subscription != session.subscriptions.end()) {
    expect(subscription->second.skipped == 0, "a subscription missed {} events and was not told", subscription->second.skipped);
  }
}

void Agents::cancel(AgentSession& session, std::uint32_t target) {
  if (const auto consumer = session.consumers.find(target); consumer != session.consumers.end()) consumer->second.ended = true;
  session.subscriptions.erase(target);
  // What was asked is wanted no more: taken back, or its holder is told.
  const auto asked = session.asks.find(target);
  const bool is_request = asked != session.asks.end() && asked->second.kind == Ask::Kind::request;
  const auto number = is_request ? asked->second.numbers[0] : 0;
  const auto* const message = model_.find(number);
  const bool leased = message != nullptr && message->stand == Stand::leased;
  const bool transient = message != nullptr && message->asked.transient && message->waits();
  const bool in_memory = is_request && find(asked->second.holder) != nullptr;
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

void Agents::receive(AgentSession& session, std::size_t mailbox, std::uint32_t max, std::int64_t wait_ms, std::int64_t lease_ms) {
  auto& mine = ask(session, Ask::Kind::receive);
  mine.mailbox = mailbox;
  mine.max = max;
  mine.deadline = engine_->now() + wait_ms;
  mine.lease_ms = lease_ms;
  const auto request = session.next_request++;
  const ReceiveCommand command{.mailbox = model_.names()[mailbox], .max = max, .wait_ms = wait_ms, .lease_ms = lease_ms};
  call([&] { engine_->receive(session.id, request, command); });
  if (session.asks.contains(request)) rules_.saw(Rule::pull_waited);
}

void Agents::wait(AgentSession& session, std::size_t mailbox, std::int64_t timeout_ms) {
  auto& mine = ask(session, Ask::Kind::wait);
  mine.mailbox = mailbox;
  mine.deadline = engine_->now() + timeout_ms;
  const auto request = session.next_request++;
  call([&] { engine_->wait(session.id, request, model_.names()[mailbox], timeout_ms); });
}

Ask Agents::settle(AgentSession& session, const std::vector<LeaseToken>& tokens) {
  (void)session;
  Ask mine;
  mine.kind = Ask::Kind::settle;
  std::set<LeaseToken> seen;
  for (const auto token : tokens) {
    const auto* const lease = leases_.find(token);
    if (lease == nullptr || !seen.insert(token).second) {
      mine.refused.push_back(token);
      rules_.saw(Rule::late_settlement_refused);
    } else {
      ++mine.settled;
      mine.numbers.push_back(lease->number);
    }
  }
  return mine;
}

void Agents::ack(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet) {
  auto mine = settle(session, tokens);
  const bool silent = quiet && mine.refused.empty();
  mine.max = 1;  // an ack: its messages must never come again
  const auto request = session.next_request++;
  session.asks[request] = mine;
  model_.settling = {tokens.begin(), tokens.end()};
  call([&] { engine_->ack(session.id, request, quiet, tokens); });
  model_.settling.clear();
  if (silent) session.asks.erase(request);
}

void Agents::nack(AgentSession& session, const std::vector<LeaseToken>& tokens, std::int64_t delay_ms, bool quiet) {
  model_.nack_delay = delay_ms;
  settle_failed(session, tokens, quiet, [&](std::uint32_t request) {
    engine_->nack(session.id, request, quiet, tokens, delay_ms, "no time");
  });
}

void Agents::reject(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet) {
  model_.rejecting = true;
  settle_failed(session, tokens, quiet, [&](std::uint32_t request) { engine_->reject(session.id, request, quiet, tokens, "not mine"); });
  model_.rejecting = false;
}

void Agents::settle_failed(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet,
                           const std::function<void(std::uint32_t request)>& command) {
  const auto mine = settle(session, tokens);
  const auto request = session.next_request++;
  session.asks[request] = mine;
  model_.settling = {tokens.begin(), tokens.end()};
  call([&] { command(request); });
  model_.settling.clear();
  if (quiet && mine.refused.empty()) session.asks.erase(request);
  for (const auto token : tokens) expect(leases_.find(token) == nullptr, "a lease lives on after it was given up");
}

const ModelMessage* Agents::any_message(const std::function<bool(const ModelMessage&)>& fits) {
  std::vector<const ModelMessage*> some;
  for (const auto& [key, message] : model_.messages()) {
    if (!message.asked.transient && fits(message)) some.push_back(&message);
  }
  return some.empty() ? nullptr : random_.pick(some);
}

void Agents::cancel_message(AgentSession& session) {
  const auto* const message = any_message([](const ModelMessage&) { return true; });
  if (message == nullptr) return;
  const auto key = message->key;
  auto& mine = ask(session, Ask::Kind::cancel);
  mine.numbers = {message->number};
  mine.settled = message->waits();
  const auto request = session.next_request++;
  model_.cancelling = message->number;
  call([&] { engine_->cancel_message(session.id, request, message->id); });
  model_.cancelling = 0;
  if (!session.asks.contains(request)) return;
  const auto* const now = model_.find_key(key);
  expect(now == nullptr || now->stand == Stand::gone, "a message was taken back and is still there");
  rules_.saw(Rule::message_cancelled_by_id);
}

void Agents::purge(AgentSession& session, std::size_t mailbox, std::size_t limit) {
  auto& mine = ask(session, Ask::Kind::purge);
  const auto request = session.next_request++;
  const auto before = model_.count(Stand::dead);
  model_.purging = true;
  call([&] { engine_->purge_dead(session.id, request, DeadQuery{.mailbox = model_.names()[mailbox]}, limit); });
  model_.purging = false;
  const auto purged = before - model_.count(Stand::dead);
  expect(purged <= limit, "{} dead letters were purged instead of {}", purged, limit);
  if (session.asks.contains(request)) mine.max = static_cast<std::uint32_t>(purged);
}

void Agents::resubmit(AgentSession& session) {
  const auto* const dead = any_message([](const ModelMessage& message) { return message.stand == Stand::dead; });
  if (dead == nullptr) return;
  const auto key = dead->key;
  auto again = dead->asked;
  again.key = 0;
  again.deliver_at = 0;
  auto& mine = ask(session, Ask::Kind::publish);
  mine.numbers = {model_.add(again)};
  mine.resend_of = dead->number;
  const auto request = session.next_request++;
  model_.resending = dead->number;
  model_.resent = mine.numbers[0];
  const auto number = model_.resent;
  model_.together().begin();
  call([&] { engine_->resubmit(session.id, request, dead->id, {}); });
  model_.together().end();
  model_.resending = model_.resent = 0;
  if (!session.asks.contains(request)) return;
  expect(model_.find(number) != nullptr && !model_.is_dead(key), "a dead letter was sent again, and is still dead or not sent");
}

void Agents::extend(AgentSession& session, const std::vector<LeaseToken>& tokens, std::int64_t lease_ms) {
  auto mine = settle(session, {});
  for (const auto token : tokens) {
    auto* const lease = leases_.find(token);
    if (lease == nullptr) {
      mine.refused.push_back(token);
      continue;
    }
    ++mine.settled;
    if (lease_ms == 0) {
      lease->deadline = 0;
      lease->session = session.id;
      rules_.saw(Rule::lease_bound_again);
    } else {
      lease->deadline = engine_->now() + lease_ms;
      rules_.saw(Rule::lease_extended);
    }
  }
  const auto request = session.next_request++;
  session.asks[request] = mine;
  call([&] { engine_->extend(session.id, request, false, tokens, lease_ms); });
}

void Agents::configure(AgentSession& session, std::size_t mailbox, const MailboxLimits& limits) {
  auto& mine = ask(session, Ask::Kind::plain);
  mine.mailbox = mailbox;
  mine.limits = limits;
  const auto request = session.next_request++;
  call([&] { engine_->configure_mailbox(session.id, request, {model_.names()[mailbox], limits}); });
}

void Agents::writable(AgentSession& session) {
  session.writable = true;
  call([&] { engine_->session_writable(session.id); });
}

// From one time at which something is due to the next, as a server does that is woken by them.
void Agents::advance(std::int64_t now) {
  for (auto next = engine_->next_timer(); next != -1 && next < now; next = engine_->next_timer()) step(std::max(next, engine_->now()));
  step(now);
}

void Agents::step(std::int64_t now) {
  call([&] { engine_->advance(now); });
  model_.advanced(*engine_, now);
  for (const auto& [token, lease] : leases_.held()) {
    expect(lease.deadline == 0 || lease.deadline > now, "the lease of {} should have ended at {}, and it is {}", lease.number,
           lease.deadline, now);
  }
  for (const auto& [id, session] : sessions_) {
    for (const auto& [request, mine] : session.asks) {
      const bool timed = mine.kind == Ask::Kind::request || mine.kind == Ask::Kind::wait ||
                         (mine.kind == Ask::Kind::receive && mine.delivered == 0);
      expect(!timed || mine.deadline > now || model_.mailbox(mine.mailbox).in_flight > 0,
             "a request that ends at {} is open at {}", mine.deadline, now);
    }
  }
}

void Agents::on_durable(Lsn end) {
  model_.on_durable(end, engine_->now());
  call([&] { engine_->on_durable(end); });
  model_.handed_out();
}

// Nobody may be left waiting for what is there.
void Agents::dispatch() {
  call([&] { engine_->dispatch(); });
  if (!serving) return;
  for (const auto& [id, session] : sessions_) {
    if (!session.writable) continue;
    const auto has_mail = [&](std::size_t index) {
      const auto& mailbox = model_.mailbox(index);
      return !mailbox.ready.empty() && mailbox.in_flight == 0 && !disk_limited;
    };
    for (const auto& [request, consumer] : session.consumers) {
      expect(consumer.ended || consumer.credit <= 0 || !has_mail(consumer.mailbox), "a consumer with credit waits beside mail for {}",
             model_.names()[consumer.mailbox]);
    }
    for (const auto& [request, mine] : session.asks) {
      const bool waits = mine.kind == Ask::Kind::wait || (mine.kind == Ask::Kind::receive && mine.delivered == 0);
      expect(!waits || !has_mail(mine.mailbox), "a request waits beside mail for {}", model_.names()[mine.mailbox]);
    }
  }
}

std::size_t Agents::unanswered() const {
  std::size_t count = 0;
  for (const auto& [id, session] : sessions_) {
    count += static_cast<std::size_t>(std::ranges::count_if(session.asks, [](const auto& each) { return !each.second.quiet; }));
  }
  return count;
}

}  // namespace folkmoot::simulation
