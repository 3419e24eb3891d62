// Publishing in all its ways, events, requests and their answers.
#include <algorithm>
#include <map>
#include <set>

#include "message/topic.hpp"
#include "simulation/agents.hpp"

namespace folkmoot::simulation {
namespace {

Message message_of(const EventOutput& event) {
  Message message;
  message.topic = event.topic;
  message.conversation = Model::conversation(event.conversation);
  if (event.tokens != 0) message.metadata["cost_tokens"] = event.tokens;
  return message;
}

}  // namespace

Agents::Written Agents::write(const Message& message, std::uint64_t number, std::size_t bytes) const {
  Written written;
  expect(encode_envelope(message, written.envelope).has_value(), "an envelope of ours does not encode");
  written.content.assign(std::max<std::size_t>(bytes, 8), static_cast<char>('a' + number % 26));
  store(written.content.data(), number);
  if (message.content_ref) written.content.clear();
  return written;
}

Agents::Written Agents::write(const Published& asked, std::uint64_t number, std::size_t bytes,
                              std::optional<DeliveryMode> mode) const {
  Message message;
  message.from = model_.names()[asked.sender];
  if (!asked.routed) message.to = model_.names()[asked.mailbox];
  message.priority = asked.priority;
  message.ttl_ms = asked.ttl_ms;
  message.deliver_at = asked.deliver_at;
  message.delay_ms = asked.delay_ms;
  message.expires_at = asked.expires_at;
  message.mode = mode;
  if (asked.key != 0) message.key = fmt::format("key-{}", asked.key);
  if (asked.group != 0) message.group = fmt::format("group-{}", asked.group);
  message.retry = asked.retry;
  message.bounce = asked.bounce;
  message.expects_reply = !asked.silent;
  message.conversation = Model::conversation(asked.conversation);
  if (asked.tokens != 0) message.metadata["cost_tokens"] = asked.tokens;
  if (asked.reply_to) message.reply_to = model_.names()[*asked.reply_to];
  if (!asked.handed_on.empty()) message.reply_to = asked.handed_on;
  if (asked.caused) {
    message.cause = asked.caused->cause;
    message.hops = asked.caused->said;
  }
  if (asked.content != 0) {
    message.content_ref = ContentChecker::ref(asked.content);
    message.correlation = std::to_string(number);
  }
  return write(message, number, bytes);
}

IncomingMessage Agents::at_rest(const Written& written) {
  IncomingMessage message{.routing = {}, .envelope = as_bytes(written.envelope), .content = as_bytes(written.content)};
  expect(read_routing(message.envelope, message.routing, Recipient::optional).has_value(),
         "an envelope of ours does not parse");
  message.provenance = provenance_of(message.routing.from);
  return message;
}

const std::string& provenance_of(std::string_view sender) {
  static std::map<std::string, std::string, std::less<>> known;
  const auto [at, is_new] = known.emplace(sender, "");
  // Some have shown credentials.
  if (is_new && !sender.empty() && sender.back() % 2 == 0)
    at->second = pack(Provenance{.account = at->first, .door = "native", .verified = "key", .trust = "account"});
  return at->second;
}

// The same as a server does it: an envelope that was sent just before is known again. Lives until the next call.
const IncomingMessage& Agents::incoming(const Written& written) {
  together_ = written.envelope + written.content;
  if (auto* const same = last_envelope_.find(as_bytes(together_))) {
    same->provenance = provenance_of(same->routing.from);
    rules_.saw(Rule::envelope_repeated);
    return *same;
  }
  incoming_ = at_rest(written);
  last_envelope_.keep(incoming_.envelope);
  return incoming_;
}

namespace {

std::optional<DeliveryMode> mode_of(const Published& asked) {
  if (asked.once) return DeliveryMode::at_most_once;
  return std::nullopt;
}

}  // namespace

void Agents::publish(AgentSession& session, const Published& asked, std::size_t bytes, bool quiet) {
  const auto number = model_.add(asked);
  if (asked.key != 0) keyed_.push_back({number, life_});
  if (keyed_.size() > 24) keyed_.pop_front();
  publish_as(session, number, bytes, quiet);
}

void Agents::publish_as(AgentSession& session, std::uint64_t number, std::size_t bytes, bool quiet) {
  const auto asked = model_.published(number);
  auto written = write(asked, number, bytes, mode_of(asked));
  auto& mine = ask(session, Ask::Kind::publish);
  mine.numbers = {number};
  if (model_.is_unwanted(asked)) mine.error = ErrorCode::no_reply_wanted;
  const bool known = asked.key != 0 && model_.keys().must_know(asked.key, engine_->now().ms);
  if (asked.routed && !known && !model_.checkers.routes.any()) mine.error = ErrorCode::no_recipient;
  if (asked.routed && known) rules_.saw(Rule::routed_once);
  const auto request = session.next_request++;
  promises_.publishing(number, asked, engine_->now().ms);
  model_.together().begin();
  call([&] { engine_->publish(session.id, request, quiet, incoming(written)); });
  model_.together().end();
  if (quiet) session.asks.erase(request);
}

void Agents::publish_again(AgentSession& session) {
  if (keyed_.empty()) return;
  auto& sent = keyed_[random_.below(keyed_.size())];
  const auto asked = model_.published(sent.number);
  const auto& keys = model_.keys();
  if (sent.life != life_) rules_.saw(Rule::resent_after_crash);
  sent.life = life_;
  // Where the key may have been forgotten, its next message is another one; routes would choose for it anew, if they
  // were asked.
  const bool known = keys.must_know(asked.key, engine_->now().ms);
  if (asked.routed && !known) return;
  const bool same = known || keys.find(asked.key) == 0;
  if (!same) sent.number = model_.add(asked);
  publish_as(session, sent.number, 8, false);
}

// Messages with the bytes they point to.
struct Agents::Several {
  std::vector<Written> written;
  std::vector<Result<IncomingMessage>> messages;
};

Agents::Several Agents::write_all(Ask& mine, const std::vector<Published>& asked) {
  Several several;
  for (const auto& each : asked) {
    mine.numbers.push_back(model_.add(each));
    if (model_.is_unwanted(each)) mine.unwanted.insert(mine.numbers.back());
    promises_.publishing(mine.numbers.back(), each, engine_->now().ms);
    several.written.push_back(write(each, mine.numbers.back(), 8 + random_.below(200), mode_of(each)));
  }
  for (auto& each : several.written) several.messages.emplace_back(at_rest(each));
  return several;
}

// All of them or none: decided at once, room made for all before the first.
void Agents::call_together(const std::vector<Published>& asked, const std::function<void()>& command) {
  const auto before = model_.checkers.guards;
  std::set<std::uint64_t> keys;
  for (const auto& each : asked) {
    if (each.key != 0 && !keys.insert(each.key).second) {
      rules_.saw(Rule::copies_together);
      continue;
    }
    if (model_.verdict(each, engine_->now().ms) == DeadReason::none) ++model_.arriving[each.mailbox];
    if (each.caused)
      model_.checkers.guards.count(each.sender, each.mailbox, each.conversation, engine_->now().ms, false);
  }
  model_.checkers.guards.restore(before);
  model_.checkers.guards.begin_together();
  model_.together().begin();
  call(command);
  model_.together().end();
  model_.arriving.clear();
  model_.checkers.guards.end_together();
}

void Agents::publish_batch(AgentSession& session, const std::vector<Published>& asked, bool quiet) {
  auto& mine = ask(session, Ask::Kind::batch);
  const auto several = write_all(mine, asked);
  const auto request = session.next_request++;
  mine.quiet = quiet;
  call([&] { engine_->publish_batch(session.id, request, quiet, several.messages); });
}

void Agents::publish_atomic(AgentSession& session, const std::vector<Published>& asked, bool quiet) {
  auto& mine = ask(session, Ask::Kind::batch);
  const auto several = write_all(mine, asked);
  const auto request = session.next_request++;
  mine.quiet = quiet;
  mine.together = true;
  if (!mine.unwanted.empty()) mine.error = ErrorCode::no_reply_wanted;
  promises_.together(mine.numbers, nullptr);
  call_together(asked, [&] { engine_->publish_atomic(session.id, request, quiet, several.messages); });
  if (session.asks.contains(request)) rules_.saw(Rule::atomic_batch);
}

void Agents::complete(AgentSession& session, LeaseToken token, std::vector<Published> outputs,
                      const std::optional<EventOutput>& event) {
  auto& mine = ask(session, Ask::Kind::batch);
  mine.together = true;
  const auto* const lease = leases_.find(token);
  const bool held = lease != nullptr;
  std::optional<Caused> event_caused;
  mine.has_event = event.has_value();
  if (held) {
    if (event) event_caused = model_.caused_by(model_.find(lease->number)->id, 0);
    mine.input = lease->number;
    const auto& input = *model_.find(lease->number);
    for (auto& each : outputs) {
      each.caused = model_.caused_by(input.id, 0);
      if (input.asked.silent && each.mailbox == input.asked.sender) mine.error = ErrorCode::no_reply_wanted;
    }
  } else {
    mine.refused = {token};
    mine.error = ErrorCode::lease_lost;
  }
  auto several = write_all(mine, outputs);
  const auto written = event ? write(message_of(*event), 0, 8) : Written{};
  if (event) several.messages.emplace_back(at_rest(written));
  const auto request = session.next_request++;
  mine.held_ids = promises_.held({token}, engine_->now().ms);
  promises_.together(mine.numbers, mine.held_ids.empty() ? nullptr : &mine.held_ids[0]);
  model_.settling = {token};
  const auto settled = in_hands({token});
  if (event) model_.checkers.costs.expect_event(Model::conversation(event->conversation), event->tokens);
  call_together(outputs, [&] {
    engine_->complete(session.id, request, token, several.messages);
    if (!event || !session.asks.contains(request)) return;
    model_.checkers.costs.on_event(model_.disk_limited);
    model_.hold_event({.topic = event->topic,
                       .schedule = 0,
                       .fired = 0,
                       .session = session.id,
                       .request = request,
                       .caused = event_caused});
  });
  model_.settling.clear();
  if (!refused_) promises_.settling(token, Promises::End::acked, engine_->now().ms);
  if (session.asks.contains(request)) {
    expect(leases_.find(token) == nullptr, "a lease lives on after its message was completed");
    note_settled_requests(settled);
    rules_.saw(Rule::completed);
  } else {
    expect((leases_.find(token) != nullptr) == held, "a refused completion has ended the lease");
    rules_.saw(Rule::complete_refused);
  }
}

bool Agents::has_free_consumer(std::size_t mailbox) const {
  // What is on its way has taken credit, of whom is seen when it comes.
  if (model_.mailbox(mailbox).in_flight != 0) {
    bool is_free = false;
    engine_->mailboxes().each_consumer(model_.names()[mailbox], 1'000, [&](const ConsumerView& view) {
      is_free |= !view.waits && view.credit > 0 && sessions_.at(view.session).writable;
    });
    return is_free;
  }
  for (const auto& [id, session] : sessions_) {
    for (const auto& [request, consumer] : session.consumers) {
      if (session.writable && !consumer.ended && consumer.credit > 0 && consumer.mailbox == mailbox) return true;
    }
  }
  return false;
}

// Leaves it to the routes: to `unrouted` if none fits.
void Agents::route(Published& asked) {
  const auto can = [&](std::size_t mailbox, bool consumers_only) {
    return model_.has_room(mailbox) && (!consumers_only || has_free_consumer(mailbox));
  };
  asked.routed = model_.checkers.routes.choose(asked.priority, can,
                                               [&](std::size_t mailbox) { return model_.mailbox(mailbox).load; });
  if (asked.routed->empty()) asked.mailbox = model_.unrouted();
}

void Agents::publish_routed(AgentSession& session, Published asked) {
  route(asked);
  const auto number = model_.add(asked);
  if (asked.key != 0) keyed_.push_back({number, life_});
  publish_as(session, number, 8, false);
}

Uuid Agents::any_cause(bool deepest) {
  const ModelMessage* last = nullptr;
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (message == nullptr || !message->asked.caused) continue;
    if (last == nullptr || message->asked.caused->hops >= last->asked.caused->hops) last = message;
  }
  if (deepest && last != nullptr) return last->id;
  const auto* const message = any_message([](const ModelMessage& each) { return each.stand == Stand::leased; });
  if (message != nullptr && !random_.one_in(3)) return message->id;
  if (random_.one_in(2)) return model_.any_settled(random_);
  const auto* const other = any_message([](const ModelMessage&) { return true; });
  return other == nullptr ? Uuid{} : other->id;
}

// Who gets it, in what order, and who misses it.
void Agents::expect_event(const AgentSession* publisher, const std::string& topic, Priority priority,
                          const std::optional<Caused>& caused) {
  std::map<std::uint64_t, std::pair<AgentSession*, RequestNumber>> by_age;
  for (auto& [id, session] : sessions_) {
    for (auto& [request, subscription] : session.subscriptions) {
      if (!topic_matches(subscription.pattern, topic)) continue;
      if (subscription.priority_max != 0) {
        rules_.saw(Rule::event_filtered);
        if (priority > subscription.priority_max) continue;
      }
      by_age[subscription.serial] = {&session, request};
    }
  }
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
    events_.push_back({who.first->id, who.second, caused, topic});
  }
}

void Agents::publish_event(AgentSession& session, const std::string& topic, Priority priority) {
  expect_event(&session, topic, priority);
  const auto expected = static_cast<std::uint32_t>(events_.size());
  Message message;
  message.topic = topic;
  message.priority = priority;
  auto written = write(message, 0, 8);
  auto& mine = ask(session, Ask::Kind::publish);
  mine.max = expected;
  const auto request = session.next_request++;
  call([&] { engine_->publish(session.id, request, false, incoming(written)); });
  expect(!session.asks.contains(request), "an event was not confirmed at once");
}

void Agents::request(AgentSession& session, Published asked, std::int64_t timeout_ms, bool stream) {
  asked.deliver_at = asked.delay_ms = asked.expires_at = 0;
  asked.once = asked.transient;
  asked.group = 0;
  asked.retry.reset();
  asked.reply_to.reset();
  asked.handed_on.clear();
  asked.bounce = false;
  if (asked.transient)
    asked.key = 0;
  else
    asked.caused.reset();
  const auto number = model_.add(asked);
  promises_.publishing(number, asked, engine_->now().ms);
  promises_.taking_back(number);  // when its time is over, or its sender gone
  auto written = write(asked, number, 8 + random_.below(100),
                       asked.transient ? std::nullopt : std::optional(DeliveryMode::at_least_once));
  auto& mine = ask(session, timeout_ms == 0 ? Ask::Kind::request_now : Ask::Kind::request);
  mine.numbers = {number};
  mine.mailbox = asked.mailbox;
  mine.stream = stream;
  const auto now = engine_->now().ms;
  mine.deadline = now + timeout_ms;
  if (asked.transient && model_.is_unwanted(asked)) mine.error = ErrorCode::no_reply_wanted;
  auto& guards = model_.checkers.guards;
  guarding_ = asked.transient && asked.caused && !mine.error &&
              guards.trips(asked.sender, asked.mailbox, asked.conversation, asked.caused->hops, now);
  stopped_ = guarding_;
  const auto request = session.next_request++;
  const auto ready_before = engine_->counters().ready;
  call([&] {
    engine_->request(session.id, request, Duration{timeout_ms}, incoming(written), stream);
    if (!asked.transient) return;
    if (refusal_ == ErrorCode::limit_reached && std::exchange(guarding_, false)) expect_event(nullptr, "bus.guard");
    const bool passed = !refusal_ || refusal_ == ErrorCode::limit_reached || refusal_ == ErrorCode::busy;
    if (asked.caused && passed) guards.count(asked.sender, asked.mailbox, asked.conversation, now, false);
    expect(!passed || (refusal_ == ErrorCode::limit_reached) == stopped_,
           "a request in memory is beyond a limit on loops, and was not stopped");
    if (refusal_) return;
    model_.checkers.costs.on_asked(Model::conversation(asked.conversation), asked.tokens, model_.disk_limited);
    // No fact tells of a transient message; the engine's count does.
    if (engine_->counters().ready <= ready_before) return;
    const auto wait = timeout_ms != 0 ? timeout_ms : 5'000;
    const auto life = asked.ttl_ms.value_or(0);
    if (life != 0 && life < wait) rules_.saw(Rule::request_expired);
    model_.entered(*engine_, number, now + (life != 0 ? std::min(life, wait) : wait));
  });
  guarding_ = false;
}

Ask* Agents::waiting_at(const ReplyAddress& address) {
  auto* const requester = find(address.session);
  if (requester == nullptr) return nullptr;
  const auto waiting = requester->asks.find(address.request);
  const bool waits = waiting != requester->asks.end() && waiting->second.kind == Ask::Kind::request &&
                     waiting->second.numbers[0] == address.number;
  return waits ? &waiting->second : nullptr;
}

// What is bound to a connection that lives is its own; else it is its agent's, or that of the mailbox.
bool Agents::is_in_hands_of(const Ask::Hands& hands, std::size_t mailbox, const AgentSession& session) {
  if (hands.taker == 0 || hands.taker == session.id) return hands.taker != 0;
  if (hands.bound && find(hands.taker) != nullptr) return false;
  return session.agent == mailbox || session.agent == hands.agent;
}

bool Agents::may_answer(const AgentSession& session, const ReplyAddress& address, const Ask& asked, const Uuid& cause) {
  auto hands = asked.hands;
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (lease.number == address.number) hands = hands_of(lease);
    if (cause.is_nil() || message == nullptr || message->id != cause) continue;
    if (message->asked.handed_on == address.text && is_in_hands_of(hands_of(lease), message->asked.mailbox, session))
      return true;
  }
  return is_in_hands_of(hands, asked.mailbox, session);
}

std::pair<AgentSession*, Uuid> Agents::answerer(const ReplyAddress& address) {
  const auto* const asked = waiting_at(address);
  if (asked == nullptr) return {};
  std::vector<Uuid> causes = {Uuid{}};
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (message != nullptr && message->asked.handed_on == address.text) causes.push_back(message->id);
  }
  std::vector<std::pair<AgentSession*, Uuid>> able;
  for (auto& [id, session] : sessions_) {
    for (const auto& cause : causes) {
      if (may_answer(session, address, *asked, cause)) able.emplace_back(&session, cause);
    }
  }
  return able.empty() ? std::pair<AgentSession*, Uuid>{} : random_.pick(able);
}

std::vector<std::pair<ReplyAddress, Uuid>> Agents::handed_on() {
  std::vector<std::pair<ReplyAddress, Uuid>> all;
  for (const auto& [token, lease] : leases_.held()) {
    const auto* const message = model_.find(lease.number);
    if (message == nullptr || message->asked.handed_on.empty()) continue;
    const auto address = std::ranges::find(addresses_, message->asked.handed_on, &ReplyAddress::text);
    if (address != addresses_.end() && waiting_at(*address) != nullptr) all.emplace_back(*address, message->id);
  }
  return all;
}

std::vector<Agents::Settled> Agents::in_hands(const std::vector<LeaseToken>& tokens) {
  std::vector<Settled> settled;
  for (const auto token : tokens) {
    if (const auto* const lease = leases_.find(token)) settled.emplace_back(lease->number, hands_of(*lease));
  }
  return settled;
}

// A request that is settled stays its last holder's to answer.
void Agents::note_settled_requests(const std::vector<Settled>& settled) {
  for (const auto& [number, hands] : settled) {
    for (auto& [id, session] : sessions_) {
      for (auto& [request, open] : session.asks) {
        if (open.kind == Ask::Kind::request && open.numbers[0] == number) open.hands = hands;
      }
    }
  }
}

void Agents::respond(AgentSession& session, const ReplyAddress& address, bool is_status, const Uuid& cause) {
  const auto* const asked = waiting_at(address);
  const bool waits = asked != nullptr;
  const bool may = waits && may_answer(session, address, *asked, cause);
  Message message;
  message.to = address.text;
  message.cause = cause;
  if (is_status) message.type = "status";
  // Whatever digit of an address is wrong: it is not one that was given.
  const bool guessed = waits && random_.one_in(4);
  if (guessed) {
    auto& digit = message.to[2 + random_.below(message.to.size() - 2)];
    digit = digit == '0' ? '1' : '0';
  }
  auto written = write(message, address.number, 8);
  auto& mine = ask(session, Ask::Kind::publish);
  const bool heard = may && !guessed && (!is_status || asked->stream);
  mine.max = heard;
  if (!waits || guessed)
    mine.error = ErrorCode::no_such_request;
  else if (!may)
    mine.error = ErrorCode::not_permitted;
  if (guessed) rules_.saw(Rule::guessed_address_refused);
  if (may && !guessed && !heard) rules_.saw(Rule::status_not_wanted);
  if (heard) {
    response_ = address;
    response_->is_status = is_status;
    if (!may_answer(session, address, *asked, {})) rules_.saw(Rule::answered_when_handed_on);
    if (asked->hands.taker != 0 && asked->hands.taker != session.id) rules_.saw(Rule::answered_by_agent);
  }
  const auto request = session.next_request++;
  call([&] { engine_->publish(session.id, request, false, incoming(written)); });
  expect(!response_, "a response to a request that waits was not delivered");
  expect(!session.asks.contains(request), "a response was not answered at once");
}

void Agents::subscribe(AgentSession& session, const std::string& pattern, std::uint32_t credit, bool echo,
                       Priority priority_max) {
  ask(session, Ask::Kind::plain);
  const auto request = session.next_request++;
  session.subscriptions[request] = {pattern, credit, 0, credit != 0, echo, next_serial_++, priority_max};
  call([&] { engine_->subscribe(session.id, request, pattern, credit, echo, RouteChecker::filter(priority_max)); });
}

void Agents::set_filter(AgentSession& session, RequestNumber target, Priority priority_max) {
  auto& mine = ask(session, Ask::Kind::plain);
  const auto found = session.subscriptions.find(target);
  if (found == session.subscriptions.end()) {
    mine.error = ErrorCode::not_found;
  } else {
    found->second.priority_max = priority_max;
    rules_.saw(Rule::filter_changed);
  }
  const auto request = session.next_request++;
  call([&] { engine_->set_filter(session.id, request, target, RouteChecker::filter(priority_max)); });
}

// The log knows of them: what was dead when it came, and what schedules send.
void Agents::on_events_due() {
  for (const auto& due : model_.take_due_events()) {
    const auto before = events_.size();
    auto* const session = due.session != 0 ? find(due.session) : nullptr;
    expect_event(session, due.topic, normal, due.caused);
    if (due.caused) rules_.saw(Rule::held_event);
    if (session != nullptr && session->asks.contains(due.request))
      session->asks[due.request].heard = static_cast<std::uint32_t>(events_.size() - before);
    if (due.schedule != 0 && events_.size() > before) model_.checkers.schedules.sent(due.schedule, due.fired);
  }
}

}  // namespace folkmoot::simulation
