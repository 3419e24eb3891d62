// What agents are told, against what they are owed.
#include <algorithm>

#include "engine/census.hpp"
#include "simulation/agents.hpp"

namespace folkmoot::simulation {
namespace {

std::uint64_t bytes_in_memory(const Engine& engine) {
  const auto census = engine.census();
  for (const auto& [what, number] : census.found()) {
    if (what == "bytes of messages in memory") return number;
  }
  return 0;
}

void check_causes(const Routing& routing, const ModelMessage& message) {
  const auto& caused = message.asked.caused;
  expect(routing.hops == (caused ? caused->hops : 0), "{} came with {} hops", message.number, routing.hops);
  std::vector<Uuid> chain;
  for (std::size_t i = 0; i < routing.chain.size(); i += 16) chain.push_back(load<Uuid>(routing.chain.data() + i));
  expect(!caused || (routing.cause == caused->cause && chain == caused->chain), "{} came with other causes",
         message.number);
}

// Of an event that names no sender nobody has said whose it is.
enum class Names { sender, perhaps };

void check_provenance(const Routing& routing, const MessageParts& message, bool changed, Names names = Names::sender) {
  const auto& at = routing.provenance;
  const auto said = at.empty() ? std::string_view() : as_text(message.head.subspan(at.begin, at.end - at.begin));
  const auto& owed = provenance_of(routing.from);
  const bool may_lack = changed || names == Names::perhaps;
  expect((may_lack && said.empty()) || (!changed && said == owed), "a message of {} comes with another provenance",
         routing.from);
}

// What the server has written into the envelope.
void check_stamp(const Routing& routing, const ModelMessage& message, const MessageParts& parts, RuleCounts& rules) {
  check_causes(routing, message);
  check_provenance(routing, parts, message.asked.changed);
  if (message.asked.changed) rules.saw(Rule::provenance_dropped);
  if (!routing.provenance.empty()) rules.saw(Rule::provenance_said);
}

// Whether messages are refused because nothing may be forgotten for their keys; some of them have new ones then.
bool is_for_keys(std::span<const std::uint64_t> numbers, const Error& error, const Model& model, std::int64_t now,
                 RuleCounts& rules) {
  if (error.code != ErrorCode::busy || !error.text.contains("keys of messages")) return false;
  const auto has_new_key = [&](auto number) {
    const auto key = model.published(number).key;
    return key != 0 && !model.keys().must_know(key, now);
  };
  const auto fresh = static_cast<std::size_t>(std::ranges::count_if(numbers, has_new_key));
  expect(fresh > 0, "a message was refused for its key, which is known or is none");
  expect(model.keys().may_be_full(now, fresh), "a message was refused for want of keys, and some could be forgotten");
  rules.saw(Rule::keys_all_kept);
  return true;
}

void check_pulled(const Ask& mine, const Reply& reply, std::optional<std::size_t> left) {
  const auto* const told = std::get_if<Received>(&reply);
  expect(told != nullptr && told->messages == mine.delivered, "a pull got {} messages, and is told otherwise",
         mine.delivered);
  expect(!left || mine.delivered == 0 || told->ready == *left, "a pull is told that {} messages are left", told->ready);
}

void check_waited(const Reply& reply, Model& model, const ModelMailbox& mailbox) {
  const auto* const told = std::get_if<Ready>(&reply);
  expect(told != nullptr && told->messages == mailbox.ready.size() && !mailbox.ready.empty(),
         "a wait was told of other mail than there is");
  const auto priority_of = [&](MessageKey key) { return model.find_key(key)->asked.priority; };
  const auto first = priority_of(std::ranges::min(mailbox.ready, {}, priority_of));
  expect(told->priority == first, "a wait was told of mail of priority {}", told->priority);
}

}  // namespace

Ask Agents::take_ask(AgentSession& session, RequestNumber request) {
  const auto found = session.asks.find(request);
  expect(found != session.asks.end(), "request {} was answered twice, or was never made", request);
  auto mine = std::move(found->second);
  session.asks.erase(found);
  return mine;
}

void Agents::lease_ended(LeaseToken token) {
  auto* const lease = leases_.find(token);
  if (lease == nullptr) return;
  if (auto* const session = find(lease->consumer_session); session != nullptr && lease->consumer != 0) {
    session->consumers[lease->consumer].credit += 1;
  }
  leases_.end(token);
}

// Of a settled message: what is at most once goes out after that, unless it was asked to be settled as it waits.
static const ModelMessage* settled_to_go_out(Model& model, MessageKey key) {
  const auto* const message = model.find_key(key);
  if (message == nullptr || !message->asked.once) return nullptr;
  return model.settling_by_id && message->number == model.cancelling ? nullptr : message;
}

// A fact is heard of before the model moves: which leases it ends, and whether they may end.
void Agents::on_fact(FactKind kind, FactPlace place, Bytes body) {
  std::vector<LeaseToken> ended;
  const auto ends = [&](const MessageRef& ref) {
    const auto* const message = model_.find_key(ref.key);
    if (message != nullptr && message->stand == Stand::leased) ended.push_back(message->lease);
  };
  if (kind == FactKind::message_settled) {
    for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) ends(load<MessageRef>(body.data() + at));
  } else if (kind == FactKind::message_returned) {
    ends(load<ReturnedFact>(body.data()).message);
  } else if (kind == FactKind::message_dead) {
    ends(load<DeadFact>(body.data()).message);
  }
  if (kind == FactKind::message_settled) {
    for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
      const auto* const message = settled_to_go_out(model_, load<MessageRef>(body.data() + at).key);
      if (message == nullptr) continue;
      order_.on_popped(*message);
      rules_.saw(Rule::once_settled_first);
    }
  }
  for (const auto token : ended) {
    const auto* const lease = leases_.find(token);
    expect(lease != nullptr, "a lease ended that nobody was given");
    const bool asked = model_.settling.contains(token);
    const bool gone = model_.closing != 0 && lease->session == model_.closing && lease->deadline == 0;
    const bool late = lease->deadline != 0 && lease->deadline <= engine_->now().ms;
    expect(asked || gone || late || model_.stopping, "the lease of {} ended while its holder lives", lease->number);
    if (gone) rules_.saw(Rule::connection_gives_back);
    if (late) rules_.saw(Rule::lease_deadline);
    if (model_.stopping) rules_.saw(Rule::stop_gives_back);
  }
  // What was dead when it came is told of when that is durable.
  const bool dies = kind == FactKind::message_dead && !model_.has_died(load<DeadFact>(body.data()).message.key);
  model_.on_fact(kind, place, body, engine_->now().ms);
  if (dies) expect_event(nullptr, "bus.dead");
  if (model_.take_unheard_failure()) expect_event(nullptr, "bus.schedule");
  for (const auto token : ended) lease_ended(token);
}

bool Agents::deliver(SessionId id, const OutgoingDelivery& delivery) {
  auto* const session = find(id);
  expect(session != nullptr, "a delivery to a connection that is gone");
  std::string bytes(as_text(delivery.message.head));
  bytes.append(as_text(delivery.message.rest));
  const auto routing = read_routing(as_bytes(bytes));
  expect(routing.has_value(), "a delivered envelope does not parse");
  if (!routing->topic.empty()) return on_event(*session, delivery, *routing);
  const auto number = number_of(*routing, as_bytes(bytes).subspan(routing->bytes));
  if (routing->to.front() == '@') return on_response(*session, delivery, *routing);
  return on_mail(*session, delivery, *routing, number);
}

bool Agents::on_event(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing) {
  // A death that the log had no room for is told of all the same.
  const bool failed = routing.topic == "bus.schedule";
  if (failed) model_.checkers.schedules.failed();
  const bool guarded = guarding_ && routing.topic == "bus.guard";
  if (events_.empty() && (model_.room_refused || failed || guarded) && routing.from == kServerName) {
    expect_event(nullptr, std::string(routing.topic));
    if (guarded) guarding_ = false;
  }
  model_.saw_event(message_address(routing.id)->key);
  // Those of several facts that became durable together are expected before any of them goes out.
  const auto find_expected = [&](bool any) {
    return std::ranges::find_if(events_, [&](const ExpectedEvent& each) {
      const auto cause = each.caused ? each.caused->cause : Uuid{};
      return each.session == session.id && each.request == delivery.request && (any || cause == routing.cause);
    });
  };
  auto expected = find_expected(false);
  // A death that is seen when the disk has a message is told at once, before events that were expected by then; so it
  // may have the credit of one of them.
  if (expected == events_.end() && due_together_ && routing.from == kServerName) {
    expected = find_expected(true);
    if (expected != events_.end()) expected->caused.reset();
    credit_moved_ = true;
  }
  expect(expected != events_.end() && (due_together_ || expected == events_.begin()),
         "an event of {} with {} hops went to a subscription that should not get it, or not yet", routing.topic,
         routing.hops);
  const auto caused = std::exchange(expected->caused, {});
  events_.erase(expected);
  expect(!delivery.of_mailbox && delivery.lease == 0 && !delivery.redelivered, "an event comes like mail");
  if (routing.from != kServerName) check_provenance(routing, delivery.message, false, Names::perhaps);
  expect(routing.hops == (caused ? caused->hops : 0) && routing.cause == (caused ? caused->cause : Uuid{}),
         "an event comes with {} hops", routing.hops);
  rules_.saw(Rule::event_delivered);
  return true;
}

// What a requester hears when its durable request dies. By then it may be no dead letter any more.
bool Agents::on_failure(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing) {
  const auto address = message_address(routing.cause);
  const auto* const dead = address ? model_.find_key(address->key) : nullptr;
  const bool has_died = dead == nullptr ||
                        std::ranges::any_of(dead->possible, [](const auto& each) { return each.stand == Stand::dead; });
  expect(type_word(routing.type) == "error" && has_died, "a requester is told that its request died, and it is {}",
         dead != nullptr ? name(dead->stand) : "gone");
  const auto mine = take_ask(session, delivery.request);
  expect(mine.kind == Ask::Kind::request && (dead == nullptr || mine.numbers[0] == dead->number),
         "a requester is told that another's request died");
  rules_.saw(Rule::request_died);
  return true;
}

bool Agents::on_response(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing) {
  if (routing.from == kServerName) return on_failure(session, delivery, routing);
  expect(response_ && response_->session == session.id && response_->request == delivery.request &&
             response_->text == routing.to,
         "a response went to another request");
  const bool is_status = response_->is_status;
  expect(is_status == (routing.type == kTypeStatus), "a response came as something else");
  response_.reset();
  if (is_status) {
    rules_.saw(Rule::status_streamed);
    return true;
  }
  take_ask(session, delivery.request);
  rules_.saw(Rule::request_answered);
  return true;
}

bool Agents::on_mail(AgentSession& session, const OutgoingDelivery& delivery, const Routing& routing,
                     std::uint64_t content) {
  const auto consumer = session.consumers.find(delivery.request);
  const auto pull = session.asks.find(delivery.request);
  const bool pushed = consumer != session.consumers.end();
  if (routing.from != kServerName) {
    Holding holding{.id = routing.id, .session = session.id, .deadline = 0};
    if (!pushed && pull != session.asks.end() && pull->second.lease_ms != 0)
      holding.session = 0, holding.deadline = engine_->now().ms + pull->second.lease_ms;
    promises_.delivered(content, routing, delivery.lease, holding, engine_->now().ms);
  }
  const auto address = message_address(routing.id);
  auto* const message = address ? model_.find_key(address->key) : nullptr;
  expect(message != nullptr && message->content == content, "{} is delivered, and it is settled, or never was accepted",
         content);
  const auto number = message->number;
  const auto& asked = message->asked;
  expect(routing.to == model_.names()[asked.mailbox] && routing.from == model_.names()[asked.sender],
         "{} came from {} to {}", number, routing.from, routing.to);
  expect(routing.priority == asked.priority && delivery.of_mailbox, "{} has priority {}", number, routing.priority);
  check_stamp(routing, *message, delivery.message, rules_);
  expect(asked.sender != model_.bus() || type_word(routing.type) == "error", "{}, of the server, is no error", number);
  expect(serving, "{} is delivered before the log knows of this run", number);

  expect(pushed || (pull != session.asks.end() && pull->second.kind == Ask::Kind::receive),
         "{} went to request {}, which takes no mail", number, delivery.request);
  expect((pushed ? consumer->second.mailbox : pull->second.mailbox) == asked.mailbox, "{} went to the wrong agent",
         number);
  const bool settled_before = asked.once && !asked.transient;
  expect(settled_before || session.writable, "{} went to a connection that takes no more", number);
  if (pushed && !consumer->second.ended) {
    expect(consumer->second.credit > 0, "{} went to a consumer without credit", number);
    consumer->second.credit -= 1;
    rules_.saw(Rule::credit_respected);
  } else if (pushed) {
    expect(settled_before, "{} went to a consumer that was cancelled", number);
  } else {
    expect(++pull->second.delivered <= pull->second.max, "a pull got more than it asked for");
    rules_.saw(Rule::pull);
  }
  rules_.saw(message->seen ? Rule::redelivery : Rule::first_delivery);
  if (routing.reply_to.starts_with('@')) {
    for (auto& [id, each] : sessions_) {
      for (auto& [request, open] : each.asks) {
        if (open.kind == Ask::Kind::request && open.numbers[0] == number) {
          const bool bound = pushed || pull->second.lease_ms == 0;
          if (asked.transient) open.hands = {session.id, session.agent, bound}, open.held = routing.id;
          addresses_.push_back({std::string(routing.reply_to), id, request, number});
        }
      }
    }
    if (addresses_.size() > 32) addresses_.pop_front();
  }

  if (settled_before) {
    expect(delivery.lease == 0, "{}, at most once, came with a lease", number);
    expect(message->stand == Stand::handing && message->possible.size() == 1,
           "{}, at most once, went out before the log knew", number);
    expect(!message->seen, "{}, at most once, came twice", number);
    message->seen = true;
  } else if (asked.transient) {
    expect(delivery.lease == 0, "{}, not durable, came with a lease", number);
    expect(message_address(routing.id)->key == message->key, "{} came with an id out of order", number);
    order_.on_popped(*message);
    model_.left(*message, Stand::gone);
  } else {
    expect(delivery.lease != 0, "{} came without a lease", number);
    expect(routing.id == message->id, "{} came with another id", number);
    expect(delivery.delivery == message->deliveries + 1, "{} is delivery {} after {}", number, delivery.delivery,
           message->deliveries);
    expect(delivery.redelivered || !message->seen, "{} was delivered before, and does not say so (key {})", number,
           message->key);
    expect(message->expires_at == 0 || message->expires_at > engine_->now().ms, "{} is delivered after it expired",
           number);
    order_.on_popped(*message);
    ModelLease lease{.number = number,
                     .session = session.id,
                     .deadline = 0,
                     .consumer_session = session.id,
                     .taker = session.id,
                     .agent = session.agent,
                     .consumer = 0};
    if (pushed) lease.consumer = delivery.request;
    if (!pushed && pull->second.lease_ms != 0) {
      lease.session = 0;
      lease.deadline = engine_->now().ms + pull->second.lease_ms;
    }
    leases_.grant(delivery.lease, lease);
    model_.leased(*message, delivery.lease);
  }
  if (calm || !random_.one_in(40)) return true;
  session.writable = false;
  rules_.saw(Rule::held_while_unwritable);
  return false;
}

void Agents::on_confirmed(std::uint64_t number, const Confirm& confirm) {
  if (promises_.knows(number)) promises_.confirmed(number, confirm);
  if (confirm.outcome == PublishOutcome::duplicate) {
    const auto key = model_.published(number).key;
    const auto first = message_address(confirm.id)->key;
    expect(key != 0 && model_.keys().stands_for(key, first), "{} is called a duplicate of another message", number);
    const auto* const known = model_.find_key(first);
    expect(known == nullptr || known->stand != Stand::pending,
           "{} was answered before what it is a duplicate of was durable", number);
    rules_.saw(Rule::duplicate_answered);
    return;
  }
  const auto* const message = model_.find(number);
  expect(message == nullptr || message->possible.front().stand != Stand::gone || message->stand == Stand::gone,
         "{} was confirmed before it was durable", number);
  expect(message == nullptr || confirm.id == message->id, "{} was confirmed with another id", number);
  expect(message == nullptr || message->stand != Stand::scheduled || confirm.outcome == PublishOutcome::scheduled,
         "{} is scheduled and was confirmed as {}", number, name(confirm.outcome));
  const bool doomed = message != nullptr && message->doom != DeadReason::none;
  expect(message == nullptr || doomed == (confirm.outcome == PublishOutcome::dead), "{} was confirmed as {}", number,
         name(confirm.outcome));
  rules_.saw(Rule::confirmed_after_durable);
}

void Agents::confirm(SessionId id, RequestNumber request, const Confirm& confirm) {
  auto* const session = find(id);
  if (session == nullptr) return;
  const auto mine = take_ask(*session, request);
  expect(mine.kind == Ask::Kind::publish, "request {} was confirmed and is no publish", request);
  expect(!mine.error, "request {} was confirmed, and should be refused", request);
  if (!mine.numbers.empty()) return on_confirmed(mine.numbers[0], confirm);
  model_.saw_event(message_address(confirm.id)->key);
  expect(confirm.outcome == PublishOutcome::sent && confirm.count == mine.max,
         "an event went to {} subscriptions instead of {}", confirm.count, mine.max);
}

void Agents::outcomes(SessionId id, RequestNumber request, std::span<const Result<Confirm>> outcomes) {
  auto* const session = find(id);
  if (session == nullptr) return;
  const auto mine = take_ask(*session, request);
  expect(mine.kind == Ask::Kind::batch, "request {} got an answer of another kind", request);
  expect(!mine.error, "messages were accepted together, and should be refused");
  expect(outcomes.size() == mine.numbers.size() + mine.has_event, "{} messages were published, and {} answered",
         mine.numbers.size(), outcomes.size());
  if (mine.has_event) {
    const auto& told = outcomes.back();
    expect(told && told->outcome == PublishOutcome::sent && (told->count == mine.heard || credit_moved_),
           "an event that came of a message went to others than is said");
  }
  for (std::size_t i = 0; i < mine.numbers.size(); ++i) {
    const auto number = mine.numbers[i];
    if (outcomes[i]) {
      on_confirmed(number, *outcomes[i]);
      continue;
    }
    const auto& error = outcomes[i].error();
    promises_.refused(number);
    const bool unwanted = error.code == ErrorCode::no_reply_wanted && mine.unwanted.contains(number);
    // It is told with the others, when they are durable: by then some may be forgotten.
    const bool for_keys = error.code == ErrorCode::busy && model_.options().keys_kept_ms.ms > 0;
    expect(unwanted || error.code == ErrorCode::mailbox_full || for_keys ||
               (error.code == ErrorCode::disk_full && model_.disk_limited),
           "a message of a batch was refused: {}", error.text);
  }
  for (const auto& held : mine.held_ids) promises_.acknowledged(held);
  expect(mine.input == 0 || model_.find(mine.input) == nullptr,
         "{} was completed, and answered before that was durable", mine.input);
  rules_.saw(Rule::batch);
}

void Agents::answer(SessionId id, RequestNumber request, const Reply& reply) {
  auto* const session = find(id);
  if (session == nullptr) return;
  const auto mine = take_ask(*session, request);
  switch (mine.kind) {
    case Ask::Kind::cancel:
      return expect(model_.find(mine.numbers[0]) == nullptr, "{} was taken back, answered before that was durable",
                    mine.numbers[0]);
    case Ask::Kind::purge:
      return expect(std::holds_alternative<Purged>(reply) && std::get<Purged>(reply).purged == mine.max,
                    "{} dead letters were purged, and the answer says otherwise", mine.max);
    case Ask::Kind::remove:
      return expect(std::holds_alternative<DeletedMailbox>(reply) &&
                        (std::get<DeletedMailbox>(reply).deleted || model_.disk_limited),
                    "a mailbox is not deleted, and nothing was in the way");
    case Ask::Kind::redrive: {
      if (mine.quiet) return;
      const auto* const job = model_.checkers.redrives.find({id, request});
      const auto* const told = std::get_if<Resent>(&reply);
      expect(job != nullptr && told != nullptr && told->sent == job->sent &&
                 told->sent + told->refused == job->order.size(),
             "of {} dead letters others were sent again than the answer says", job == nullptr ? 0 : job->order.size());
      if (job->sent > 1) rules_.saw(Rule::redriven);
      model_.checkers.redrives.end({id, request});
      return;
    }
    case Ask::Kind::plain: {
      expect(!mine.error, "request {} was carried out, and should be refused", request);
      if (mine.limits) rules_.saw(Rule::configured);
      if (const auto* const told = std::get_if<Consuming>(&reply))
        expect(told->ready == model_.mailbox(mine.mailbox).ready.size(), "a consumer is told of {} messages",
               told->ready);
      return;
    }
    case Ask::Kind::receive:
      // What waited for the disk was counted before.
      check_pulled(mine, reply,
                   due_together_ ? std::nullopt : std::optional(model_.mailbox(mine.mailbox).ready.size()));
      return expect(
          mine.delivered > 0 || engine_->now().ms >= mine.deadline || model_.disk_limited || model_.memory_limited,
          "a pull ended with nothing, before its time");
    case Ask::Kind::wait:
      check_waited(reply, model_, model_.mailbox(mine.mailbox));
      return rules_.saw(Rule::wait_answered);
    case Ask::Kind::request_now:
      return;
    default:
      expect(false, "request {} got an answer of another kind", request);
  }
}

void Agents::settled(SessionId id, RequestNumber request, std::uint32_t settled, std::span<const LeaseToken> refused) {
  auto* const session = find(id);
  if (session == nullptr) return;
  const auto mine = take_ask(*session, request);
  expect(mine.kind == Ask::Kind::settle, "request {} was answered as a settlement", request);
  expect(settled == mine.settled && std::ranges::equal(refused, mine.refused),
         "{} leases were settled and {} refused, instead of {} and {}", settled, refused.size(), mine.settled,
         mine.refused.size());
  if (mine.max != 1) return;
  for (const auto& held : mine.held_ids) promises_.acknowledged(held);
  for (const auto number : mine.numbers) {
    expect(model_.find(number) == nullptr, "the ack of {} was answered before it was durable", number);
    if (disk_full) rules_.saw(Rule::settled_while_full);
  }
}

void Agents::check_refusal(std::uint64_t number, const Error& error) {
  const bool in_memory = model_.published(number).transient;
  if (in_memory && error.code == ErrorCode::busy) {
    expect(bytes_in_memory(*engine_) + 1'000 > model_.options().transient_bytes_max,
           "a request was refused as there was no room in memory, and there is");
    return rules_.saw(Rule::memory_full);
  }
  if (in_memory && error.code == ErrorCode::limit_reached) {
    expect(stopped_, "a request was refused for a limit on loops that it is not beyond: {}", error.text);
    return rules_.saw(Rule::request_guarded);
  }
  if (is_for_keys({&number, 1}, error, model_, engine_->now().ms, rules_)) return;
  const auto& mailbox = model_.mailbox(model_.published(number).mailbox);
  if (error.code == ErrorCode::mailbox_full) {
    const auto key = model_.published(number).key;
    expect(key == 0 || !model_.keys().must_know(key, engine_->now().ms),
           "{}, a duplicate, was refused for want of room", number);
    const auto droppable =
        model_.published(number).transient || mailbox.limits.overflow == Overflow::reject ? 0 : mailbox.ready.size();
    expect(mailbox.load - droppable >= mailbox.limits.max_messages,
           "{} was refused by a mailbox with room ({} of {}, {} to drop)", number, mailbox.load,
           mailbox.limits.max_messages, droppable);
    rules_.saw(Rule::overflow_rejected);
  } else {
    expect(error.code == ErrorCode::disk_full && model_.disk_limited, "{} was refused: {}", number, error.text);
    rules_.saw(Rule::disk_full_refused);
  }
}

void Agents::check_full_together(const Ask& mine) const {
  bool full = false;
  for (const auto number : mine.numbers) {
    const auto index = model_.published(number).mailbox;
    const auto& mailbox = model_.mailbox(index);
    const auto droppable = mailbox.limits.overflow == Overflow::reject ? 0 : mailbox.ready.size();
    full |= mailbox.load - droppable + model_.newcomers(index) > mailbox.limits.max_messages;
  }
  expect(full, "{} messages were refused together, and each mailbox has room", mine.numbers.size());
  rules_.saw(Rule::atomic_refused);
}

// As it had to be.
void Agents::saw_refusal(ErrorCode code) {
  if (code == ErrorCode::no_reply_wanted) rules_.saw(Rule::no_reply_wanted);
  if (code == ErrorCode::no_recipient) rules_.saw(Rule::no_recipient);
  if (code == ErrorCode::no_such_request) rules_.saw(Rule::late_response_refused);
  if (code == ErrorCode::not_permitted) rules_.saw(Rule::answer_of_a_stranger_refused);
}

void Agents::refuse(SessionId id, RequestNumber request, const Error& error) {
  refused_ = true;
  refusal_ = error.code;
  auto* const session = find(id);
  if (session == nullptr) return;
  const auto mine = take_ask(*session, request);
  const auto code = error.code;
  if (mine.kind == Ask::Kind::publish || mine.kind == Ask::Kind::batch) {
    for (const auto number : mine.numbers) {
      if (promises_.knows(number)) promises_.refused(number);
    }
  }
  if (mine.error && code == *mine.error) return saw_refusal(code);
  if (wakes_refused(mine, error)) return;
  switch (mine.kind) {
    case Ask::Kind::remove:
      return expect(code == ErrorCode::mailbox_in_use || code == ErrorCode::not_found, "a mailbox is not deleted: {}",
                    error.text);
    case Ask::Kind::cancel: {
      const auto* const message = model_.find(mine.numbers[0]);
      const auto leased = message != nullptr && message->stand == Stand::leased;
      expect((code == ErrorCode::disk_full && model_.disk_limited) ||
                 (mine.settled == 0 && (code == ErrorCode::lease_lost) == leased),
             "{} was not taken back: {}", mine.numbers[0], error.text);
      return rules_.saw(Rule::cancel_refused);
    }
    case Ask::Kind::batch:
      expect(mine.refused.empty(), "a completion without a lease was refused as: {}", error.text);
      if (code == ErrorCode::mailbox_full && mine.together) return check_full_together(mine);
      if (is_for_keys(mine.numbers, error, model_, engine_->now().ms, rules_)) return;
      if (code == ErrorCode::busy && model_.memory_limited) return rules_.saw(Rule::memory_full);
      return expect(code == ErrorCode::disk_full && model_.disk_limited, "messages were refused: {}", error.text);
    case Ask::Kind::publish:
      if (mine.resend_of != 0 && code == ErrorCode::not_found) {
        const auto* const dead = model_.find(mine.resend_of);
        return expect(dead == nullptr || dead->stand != Stand::dead, "{} is dead and was not sent again: {}",
                      mine.resend_of, error.text);
      }
      expect(!mine.numbers.empty(), "an event or response was refused: {}", error.text);
      return check_refusal(mine.numbers[0], error);
    case Ask::Kind::request:
      if (code == ErrorCode::timed_out) {
        expect(engine_->now().ms >= mine.deadline, "a request ended before its time");
        const auto* const asked = model_.find(mine.numbers[0]);
        const bool died = asked != nullptr && asked->stand == Stand::dead && asked->possible.size() == 1;
        expect(!died || model_.disk_limited || model_.memory_limited,
               "{} is dead, and whoever waits for its answer was not told", mine.numbers[0]);
        rules_.saw(Rule::request_timed_out);
      } else if (code != ErrorCode::cancelled) {
        check_refusal(mine.numbers[0], error);
      }
      return;
    case Ask::Kind::request_now:
      if (code == ErrorCode::no_consumer) return rules_.saw(Rule::request_now_refused);
      return check_refusal(mine.numbers[0], error);
    case Ask::Kind::wait:
      expect(code == ErrorCode::cancelled || (code == ErrorCode::timed_out && engine_->now().ms >= mine.deadline),
             "a wait ended before its time");
      if (code == ErrorCode::timed_out) rules_.saw(Rule::wait_timed_out);
      return;
    case Ask::Kind::receive:
      return expect(code == ErrorCode::cancelled, "a pull was refused: {}", error.text);
    default:
      return expect(code == ErrorCode::disk_full && model_.disk_limited, "request {} was refused: {}", request,
                    error.text);
  }
}

void Agents::lagged(SessionId id, RequestNumber request, std::uint32_t count) {
  auto* const session = find(id);
  expect(session != nullptr, "a connection that is gone is told of missed events");
  const auto found = session->subscriptions.find(request);
  expect(found != session->subscriptions.end() && (found->second.skipped == count || model_.disk_limited) && count > 0,
         "LAGGED {} is wrong", count);
  found->second.skipped = 0;
  rules_.saw(Rule::event_lagged);
}

void Agents::withdrawn(SessionId id, LeaseToken token, const Uuid& message) {
  if (token == 0) return withdrawn_in_memory(id, message);
  const auto* const lease = leases_.find(token);
  expect(lease != nullptr && lease->session == id,
         "a connection is told of a withdrawn lease {:x} that it does not hold", token);
  expect(model_.cancelling != 0 && lease->number == model_.cancelling, "{} was withdrawn and nobody asked for it",
         lease->number);
  withdrawn_ = true;
  rules_.saw(Rule::withdrawn);
}

// A request in memory has no lease; whoever got it is told while its requester is still known.
void Agents::withdrawn_in_memory(SessionId id, const Uuid& message) {
  for (const auto& [asker, session] : sessions_) {
    for (const auto& [request, open] : session.asks) {
      if (open.kind != Ask::Kind::request || open.hands.taker != id || open.held != message) continue;
      withdrawn_ = true;
      rules_.saw(Rule::withdrawn);
      return;
    }
  }
  throw Violation("a connection is told of a withdrawn request that it does not have");
}

bool Agents::remove_content(const ContentHash& hash) {
  contents_.removed(hash);
  return true;
}

void Agents::unreadable(const Error& error) {
  throw Violation("the log cannot give back what it confirmed: " + error.text);
}

}  // namespace folkmoot::simulation
