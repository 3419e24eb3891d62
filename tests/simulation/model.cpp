// Publishing, and the way to the receiver.
#include "simulation/model.hpp"

#include <algorithm>
#include <utility>

#include "message/pack.hpp"

namespace folkmoot::simulation {

std::string_view name(Stand stand) {
  constexpr std::string_view kNames[] = {"pending", "ready", "blocked", "scheduled", "leased",
                                         "handing", "gone",  "dead",    "doomed"};
  return kNames[static_cast<std::size_t>(stand)];
}

MailboxLimits limits_of(const MailboxConfiguredFact& fact) {
  return {.max_messages = fact.max_messages,
          .default_ttl_ms = fact.default_ttl_ms,
          .overflow = fact.overflow,
          .retry = {.attempts = fact.attempts,
                    .backoff = fact.backoff,
                    .initial_ms = fact.initial_ms.ms,
                    .max_ms = fact.max_ms.ms,
                    .multiplier_permille = fact.multiplier_permille}};
}

bool same(const MailboxLimits& a, const MailboxLimits& b) {
  return a.max_messages == b.max_messages && a.default_ttl_ms == b.default_ttl_ms && a.overflow == b.overflow &&
         a.retry == b.retry;
}

std::uint64_t number_of(Bytes content) {
  expect(content.size() >= 8, "a content of {} bytes is none of ours", content.size());
  return load<std::uint64_t>(content.data());
}

std::uint64_t number_of(const Routing& routing, Bytes content) {
  return routing.content_ref.empty() ? number_of(content) : std::stoull(std::string(routing.correlation));
}

namespace {

unsigned flags_of(const Published& asked) {
  unsigned flags = 0;
  if (asked.content != 0) flags |= Entry::kRefers;
  if (asked.group != 0) flags |= Entry::kGrouped;
  if (asked.retry) flags |= Entry::kPolicy;
  if (asked.bounce) flags |= Entry::kBounce;
  if (asked.silent) flags |= AcceptedFact::kSilent;
  return flags;
}

}  // namespace

Model::Model(std::vector<std::string> names, const EngineOptions& options, RuleCounts& rules)
    : checkers(options, rules),
      names_(std::move(names)),
      options_(options),
      rules_(rules),
      published_(1),
      keys_(1),
      mailboxes_(names_.size()),
      used_keys_(options),
      bounces_(rules),
      together_("one command", rules),
      deaths_("a death", rules),
      firings_("a schedule", rules) {
  for (auto& mailbox : mailboxes_) {
    mailbox.limits = options.mailbox;
    mailbox.settings = {{options.mailbox, 0}};
  }
}

std::uint64_t Model::add(const Published& published) {
  published_.push_back(published);
  keys_.push_back(0);
  return published_.size() - 1;
}

ModelMessage* Model::find(std::uint64_t number) { return number < keys_.size() ? find_key(keys_[number]) : nullptr; }

ModelMessage* Model::find_key(MessageKey key) {
  const auto found = messages_.find(key);
  return found == messages_.end() ? nullptr : &found->second;
}

// Every change of a stand goes through here, so that the sums are right.
void Model::move(ModelMessage& message, Stand to) {
  auto& mailbox = mailboxes_[message.asked.mailbox];
  const auto loads = [](Stand stand) { return stand <= Stand::leased; };
  --counts_[static_cast<std::size_t>(message.stand)];
  ++counts_[static_cast<std::size_t>(to)];
  mailbox.load += std::size_t{loads(to)} - std::size_t{loads(message.stand)};
  mailbox.in_flight += std::size_t{to == Stand::handing} - std::size_t{message.stand == Stand::handing};
  if (message.stand == Stand::ready) mailbox.ready.erase(message.key);
  if (message.stand == Stand::dead) mailbox.dead.erase(message.key);
  if (to == Stand::ready) mailbox.ready.insert(message.key);
  if (to == Stand::dead) mailbox.dead.insert(message.key);
  if (message.stand == Stand::leased) message.lease = 0;
  message.stand = to;
}

void Model::say(ModelMessage& message, Stand stand, Lsn lsn, std::int64_t due) {
  message.possible.push_back({stand, lsn, lsn == 0, due, message.deliveries, message.dead_at});
  if (lsn != 0) undurable_.emplace(lsn, message.key);
}

void Model::make_ready(ModelMessage& message) {
  const auto& asked = message.asked;
  if (asked.group != 0 && !groups_.enter(asked.mailbox, asked.group, message.key)) {
    rules_.saw(Rule::held_behind_its_group);
    return move(message, Stand::blocked);
  }
  message.ready_since = turn();
  move(message, Stand::ready);
}

// The next of its group may go out.
void Model::leave_group(const ModelMessage& message) {
  if (message.asked.group == 0) return;
  const auto next = groups_.leave(message.asked.mailbox, message.asked.group, message.key);
  if (next == 0) return;
  auto& head = *find_key(next);
  expect(head.stand == Stand::blocked, "{} follows in its group and is {}", head.number, name(head.stand));
  make_ready(head);
  rules_.saw(Rule::next_of_its_group);
}

// Those whose time has come, in the order of their times.
void Model::come_due(std::int64_t before) {
  std::vector<std::pair<std::int64_t, MessageKey>> due;
  for (const auto& [key, message] : messages_) {
    if (message.stand == Stand::scheduled && message.due < before) due.emplace_back(message.due, key);
  }
  std::ranges::sort(due);
  for (const auto& [at, key] : due) {
    auto& message = *find_key(key);
    rules_.saw(Rule::delayed_delivery);
    message.due_unknown = false;
    message.came_due = call_;
    make_ready(message);
  }
}

void Model::on_fact(FactKind kind, FactPlace place, Bytes body, std::int64_t now) {
  last_fact_ = place.lsn;
  switch (kind) {
    case FactKind::name_added: {
      const auto number = load<NameAddedFact>(body.data()).number;
      const std::string text(as_text(body.subspan(sizeof(NameAddedFact))));
      const auto [known, added] = names_by_id_.emplace(number, text);
      expect(known->second == text, "number {} was {} and is {}", number, known->second, text);
      return;
    }
    case FactKind::message_accepted:
      return on_accepted(place, body, now);
    case FactKind::message_settled:
      return on_settled(place, body);
    case FactKind::message_returned: {
      return on_returned(place, load<ReturnedFact>(body.data()), as_text(body.subspan(sizeof(ReturnedFact))), now);
    }
    case FactKind::message_dead:
      return on_dead(place, load<DeadFact>(body.data()), now);
    case FactKind::dead_purged:
      return on_purged(place, load<MessageRef>(body.data()).key, now);
    case FactKind::key_used:
      return;
    case FactKind::mailbox_configured:
      return on_configured(place, load<MailboxConfiguredFact>(body.data()));
    case FactKind::message_cancelled:
    case FactKind::result_noted:
      return on_named(kind, place, body, now);
    case FactKind::mailbox_deleted:
      return on_deleted(place, load<MailboxDeletedFact>(body.data()));
    case FactKind::mailbox_read: {
      const auto fact = load<MailboxReadFact>(body.data());
      return checkers.reads.on_read(names_by_id_[fact.mailbox], fact.at.ms, place.lsn);
    }
    case FactKind::message_linked:
    case FactKind::started:
    case FactKind::attempt_noted:
      return;
    case FactKind::schedule_set:
    case FactKind::schedule_fired:
    case FactKind::schedule_removed:
      return on_schedule(kind, place, body, now);
    case FactKind::conversation_summed:
      return on_conversation(place, body);
    case FactKind::route_set: {
      PackReader reader(body);
      expect(reader.array() == 7, "a route's fact has other parts");
      return checkers.routes.on_set(std::string(reader.str()), place.lsn);
    }
    case FactKind::route_removed:
      return checkers.routes.on_removed(std::string(as_text(body)), place.lsn);
    default:
      if (checkers.access.on_fact(kind, place, body) || checkers.webhooks.on_fact(kind, place, body)) return;
      expect(checkers.wakes.on_fact(kind, place, body, now), "a {} fact is none of those that were asked for",
             folkmoot::name(kind));
  }
}

// After each command: what had to die has, and nothing was dropped for nothing.
void Model::after_call(std::int64_t now) {
  if (broken) throw Violation(*broken);
  if (room_refused) dying_.clear();
  // A dead letter may have been pushed out by those that died to make room for it.
  const bool redriven = checkers.redrives.end_command();
  for (std::size_t i = 0; i < mailboxes_.size(); ++i) {
    auto& mailbox = mailboxes_[i];
    if (mailbox.made_room && redriven) drop_transient(i, 1);
    expect(!mailbox.made_room || room_refused || redriven, "a message was dropped for another that did not come");
    mailbox.made_room = false;
  }
  expect(dying_.empty(), "{} messages live on that should be dead", dying_.size());
  settle_bounces();
  for (auto* const checker : checkers.all()) checker->after_command(now);
  ++call_;
}

// Room was made for messages that come together before the first of them.
void Model::begin_group() {
  in_group_ = true;
  together_.begin();
  for (const auto& [mailbox, more] : arriving) drop_transient(mailbox, more);
}

void Model::end_group() {
  in_group_ = false;
  together_.end();
  settle_bounces();
}

std::size_t Model::index_of(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin());
}

bool Model::has_room(std::size_t index, bool may_drop) const {
  const auto& mailbox = mailboxes_[index];
  const auto droppable = may_drop && mailbox.limits.overflow == Overflow::drop_oldest ? mailbox.ready.size() : 0;
  return mailbox.load - droppable < mailbox.limits.max_messages;
}

void Model::drop_all_transient(std::size_t index) {
  std::vector<MessageKey> keys;
  for (const auto& [key, message] : messages_) {
    if (message.asked.mailbox == index && message.asked.transient && message.waits()) keys.push_back(key);
  }
  for (const auto key : keys) left(*find_key(key), Stand::gone);
}

// Room is made by dropping the oldest that is there; if that was transient, no fact tells of it. What becomes durable
// in the midst of this call may not be there yet.
void Model::drop_transient(std::size_t index, std::size_t more) {
  auto& mailbox = mailboxes_[index];
  if (mailbox.limits.overflow != Overflow::drop_oldest || room_refused) return;
  for (auto at = mailbox.ready.begin();
       mailbox.load + more > mailbox.limits.max_messages && at != mailbox.ready.end();) {
    auto& oldest = *find_key(*at++);
    if (oldest.asked.transient) {
      left(oldest, Stand::gone);
    } else if (oldest.came_due != call_) {
      return;
    }
  }
}

void Model::on_accepted(FactPlace place, Bytes body, std::int64_t now) {
  const auto fact = load<AcceptedFact>(body.data());
  const auto routing = read_routing(body.subspan(sizeof fact));
  expect(routing.has_value(), "the envelope of a fact does not parse");
  auto number = number_of(*routing, body.subspan(sizeof fact + routing->bytes));
  if (auto* const message = find_key(fact.key)) {  // copied forward: nothing may change
    expect(message->content == number, "the copy of {} holds {}", message->number, number);
    expect(message->stand != Stand::gone && message->stand != Stand::handing, "{} is {} and was copied forward", number,
           name(message->stand));
    const bool dead = message->stand == Stand::dead || message->stand == Stand::doomed;
    expect((fact.dead != DeadReason::none) == dead, "the copy of {} says dead {}", number, folkmoot::name(fact.dead));
    expect(fact.deliveries == message->deliveries, "the copy of {} has {} deliveries instead of {}", number,
           fact.deliveries, message->deliveries);
    rules_.saw(Rule::copied_forward);
    return say(*message, dead ? Stand::dead : Stand::ready, place.lsn, message->due);
  }
  const bool is_bounce = routing->from == names_[bus()] && resent_ == 0;
  number = identify(fact, *routing, number, now);
  expect(number < published_.size() && keys_[number] == 0, "message {} was accepted twice or never published", number);
  expect(fact.key > last_key_, "message {} has key {}, and {} was used before", number, fact.key, last_key_);
  last_key_ = fact.key;
  saw_key(fact.key);
  const auto asked = published_[number];
  auto& mailbox = mailboxes_[asked.mailbox];
  check_causes(asked, fact, *routing);
  const auto doom = verdict(asked, now);
  if (arriving.empty() && !is_bounce) checkers.guards.end_together();
  expect(fact.dead == doom, "message {} comes as dead '{}' instead of '{}'", number, folkmoot::name(fact.dead),
         folkmoot::name(doom));
  if (doom == DeadReason::no_route) rules_.saw(Rule::no_route);
  if (asked.caused) checkers.guards.count(asked.sender, asked.mailbox, asked.conversation, now, is_bounce);
  checkers.costs.on_accepted(conversation(asked.conversation), asked.tokens);
  if (asked.key != 0) {
    expect(!used_keys_.must_know(asked.key, now), "message {} was accepted with a key that stands for {}", number,
           used_keys_.find(asked.key));
    rules_.saw(used_keys_.find(asked.key) != 0 ? Rule::key_used_again : Rule::key_used);
    used_keys_.used(asked.key, fact.key, now);
  }
  (is_bounce ? deaths_ : together_).note(place.lsn, [this, key = fact.key] { return is_alive(key) || is_dead(key); });
  check_noted(asked, fact, number);
  keys_[number] = fact.key;
  auto& message = messages_[fact.key];
  message.number = number;
  message.asked = asked;
  message.key = fact.key;
  message.content = number_of(*routing, body.subspan(sizeof fact + routing->bytes));
  message.id = routing->id;
  message.doom = doom;
  const auto ttl = asked.ttl_ms.value_or(mailbox.limits.default_ttl_ms.ms);
  const auto due = asked.delay_ms != 0 ? now + asked.delay_ms : asked.deliver_at;
  message.due = due > now ? due : 0;
  message.expires_at = asked.expires_at != 0 ? asked.expires_at : ttl != 0 ? std::max(now, message.due) + ttl : 0;
  expect(fact.expires_at.ms == message.expires_at && fact.not_before.ms == message.due,
         "message {} has other times than asked", number);
  message.possible = {{Stand::gone, 0, false, 0, 0}};
  if (doom != DeadReason::none) {
    message.stand = Stand::doomed;
    ++counts_[static_cast<std::size_t>(Stand::doomed)];
    begin_death();
    deaths_.note(place.lsn, [this, key = fact.key] { return is_dead(key); });
    return say(message, Stand::dead, place.lsn);
  }
  mailbox.made_room = false;
  expire_transient(now);
  drop_transient(asked.mailbox, 1);
  expect(mailbox.load < mailbox.limits.max_messages || room_refused,
         "message {} was taken into a full mailbox ({} of {})", number, mailbox.load, mailbox.limits.max_messages);
  ++counts_[static_cast<std::size_t>(Stand::pending)];
  ++mailbox.load;
  say(message, Stand::ready, place.lsn, message.due);
}

// Which of the messages asked for it is that was accepted: a copy that a schedule sends, a dead letter sent again and
// what the server writes itself are messages of their own.
std::uint64_t Model::identify(const AcceptedFact& fact, const Routing& routing, std::uint64_t content,
                              std::int64_t now) {
  const auto to = index_of(names_by_id_[fact.mailbox]);
  const bool is_resent = resent_ != 0;
  if (is_resent) content = std::exchange(resent_, 0);
  if (!is_resent && routing.from == names_[bus()]) {
    const auto owed = bounces_.came(routing.cause, to);
    const auto& dead = published_[owed.number];
    const auto hops = dead.caused ? dead.caused->hops : 0;
    const auto number =
        add({.mailbox = to,
             .sender = bus(),
             .silent = true,
             .conversation = dead.conversation,
             .caused = Caused::after(owed.id, hops, dead.caused ? dead.caused->chain : std::vector<Uuid>{})});
    return number;
  }
  expect(content < published_.size(), "a message was accepted that nobody published");
  if (!is_resent && published_[content].scheduled) {
    checkers.schedules.on_accepted(content, fact.key, now);
    auto copy = published_[content];
    copy.scheduled = false;
    return add(copy);
  }
  if (auto& asked = published_[content]; asked.routed) {
    expect(asked.routed->empty() ? to == unrouted() : asked.routed->contains(to),
           "{} was routed to {}, where no route sends it", content, names_by_id_[fact.mailbox]);
    asked.mailbox = to;
    checkers.routes.went(to);
  }
  return content;
}

void Model::check_noted(const Published& asked, const AcceptedFact& fact, std::uint64_t number) {
  expect(names_by_id_[fact.mailbox] == names_[asked.mailbox] && names_by_id_[fact.sender] == names_[asked.sender],
         "message {} from {} to {} was noted from {} to {}", number, names_[asked.sender], names_[asked.mailbox],
         names_by_id_[fact.sender], names_by_id_[fact.mailbox]);
  expect(fact.priority == asked.priority, "message {} has priority {}", number, fact.priority);
  expect(fact.flags == flags_of(asked), "the flags of {} say other things than were asked: {:x}, not {:x}", number,
         fact.flags, flags_of(asked));
}

void Model::check_causes(const Published& asked, const AcceptedFact& fact, const Routing& routing) {
  const auto& caused = asked.caused;
  const auto hops = caused ? caused->hops : 0;
  expect(fact.hops == hops && routing.hops == hops, "a message has {} and {} hops instead of {}", fact.hops,
         routing.hops, hops);
  if (!caused) return expect(routing.cause.is_nil(), "a message has a cause that nobody gave");
  std::vector<Uuid> chain;
  for (std::size_t i = 0; i < routing.chain.size(); i += 16) chain.push_back(load<Uuid>(routing.chain.data() + i));
  expect(routing.cause == caused->cause && chain == caused->chain,
         "a message has another chain of causes, of {} instead of {}", chain.size(), caused->chain.size());
  if (chain.size() > 1) rules_.saw(Rule::chain_kept);
  if (chain.size() == kChainKept && caused->hops > kChainKept) rules_.saw(Rule::chain_full);
}

// Why a message must be dead when it comes.
DeadReason Model::verdict(const Published& asked, std::int64_t now) {
  if (asked.routed && asked.routed->empty()) return DeadReason::no_route;
  if (!asked.caused || asked.sender == bus()) return DeadReason::none;
  const bool trips = checkers.guards.trips(asked.sender, asked.mailbox, asked.conversation, asked.caused->hops, now);
  return trips ? DeadReason::guard : DeadReason::none;
}

Caused Model::caused_by(const Uuid& cause, std::uint32_t said) {
  const auto address = message_address(cause);
  const auto* const message = address ? find_key(address->key) : nullptr;
  Caused caused;
  if (message != nullptr && message->stand == Stand::leased) {
    const auto& its = message->asked.caused;
    caused = its ? Caused::after(cause, its->hops, its->chain) : Caused::after(cause, 0, {});
  } else {
    const auto known = address ? settled_.find(address->key) : settled_.end();
    caused = Caused::after(cause, std::max(said, known == settled_.end() ? 0 : known->second.hops), {});
  }
  caused.said = said;
  return caused;
}

void Model::on_schedule(FactKind kind, FactPlace place, Bytes body, std::int64_t now) {
  if (kind == FactKind::schedule_set)
    return checkers.schedules.on_set(load<ScheduleSetFact>(body.data()), place.lsn, now);
  if (kind == FactKind::schedule_removed)
    return checkers.schedules.on_removed(load<std::uint64_t>(body.data()), place.lsn, room_refused);
  const auto fact = load<ScheduleFiredFact>(body.data());
  const auto firing = checkers.schedules.on_fired(fact, place.lsn, now);
  if (firing.failed) return rules_.saw(Rule::schedule_failed);
  if (!firing.topic.empty()) {
    held_events_.emplace(place.lsn, DueEvent{firing.topic, firing.number, firing.fired});
    return;
  }
  if (firing.message == 0) {  // it failed, and nobody who has credit listened
    unheard_failure_ = true;
    return rules_.saw(Rule::schedule_failed);
  }
  expect(in_group_, "a schedule's message and what is noted of its firing are written in pieces");
  firings_.begin();
  firings_.note(place.lsn, [this, key = firing.message] { return is_alive(key) || is_dead(key); });
  firings_.note(place.lsn, [this, fact] { return checkers.schedules.is_kept(fact.number, fact.fired); });
  firings_.end();
}

void Model::on_conversation(FactPlace place, Bytes body) {
  const auto fact = load<ConversationFact>(body.data());
  const std::string name(as_text(body.subspan(sizeof fact)));
  const Cost sum{static_cast<std::uint64_t>(fact.tokens), fact.messages};
  if (!checkers.costs.on_summed(name, sum, place.lsn)) return;
  together_.note(place.lsn, [this, name, sum] {
    const auto told = recovered_->causes().conversation(name);
    return told && told->messages >= sum.messages;
  });
}

// A message that is taken back, or the result of one that is settled by its id: its settlement follows in the same
// group.
void Model::on_named(FactKind kind, FactPlace place, Bytes body, std::int64_t now) {
  auto* const message = find_key(load<MessageRef>(body.data()).key);
  expect(message != nullptr && message->waits(), "a message was taken back, or settled by its id, that does not wait");
  expect((cancelling != 0 && message->number == cancelling) || deleting == message->asked.mailbox,
         "{} was taken back, or settled, and nobody asked for it", message->number);
  if (kind == FactKind::result_noted) {
    const auto fact = load<ResultFact>(body.data());
    expect(settling_by_id && as_text(body.subspan(sizeof fact)) == kResultText, "a result says something else");
    expect(fact.deliveries == message->deliveries + 1 && fact.at.ms == now, "{}: its result has another number or time",
           message->number);
    expect(fact.holder == 0 || names_by_id_.contains(fact.holder), "{}: settled by nobody", message->number);
    return rules_.saw(Rule::result_noted);
  }
  remember(message->key, std::nullopt);
  rules_.saw(Rule::message_cancelled);
  left(*message, Stand::gone, place.lsn);
}

void Model::on_settled(FactPlace place, Bytes body) {
  for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
    auto* const message = find_key(load<MessageRef>(body.data() + at).key);
    expect(message != nullptr, "an unknown message was settled");
    if (settling_by_id && message->number == cancelling) {
      expect(message->waits(), "{} was settled by its id and is {}", message->number, name(message->stand));
      note_settled(*message);
      left(*message, Stand::gone, place.lsn);
      continue;
    }
    if (message->asked.once) {
      expect(message->stand == Stand::ready, "{}, at most once, is {} and was handed out", message->number,
             name(message->stand));
      expect(!message->seen, "{}, at most once, is handed out twice", message->number);
      move(*message, Stand::handing);
      message->handed_at = place.lsn;
      say(*message, Stand::gone, place.lsn);
      continue;
    }
    expect(message->stand == Stand::leased && settling.contains(message->lease), "{} was settled without an ack",
           message->number);
    together_.note(place.lsn, [this, key = message->key] { return !is_alive(key); });
    note_settled(*message);
    left(*message, Stand::gone, place.lsn);
  }
}

void Model::left(ModelMessage& message, Stand stand, Lsn lsn) {
  const auto key = message.key;
  move(message, stand);
  leave_group(message);
  say(message, stand, lsn);
  if (message.asked.transient) message.possible = {{Stand::gone, 0, false, 0, 0}};
  forget_if_certain(key);
}

void Model::forget_if_certain(MessageKey key) {
  auto* const message = find_key(key);
  if (message == nullptr || message->stand != Stand::gone || message->possible.size() > 1) return;
  --counts_[static_cast<std::size_t>(Stand::gone)];
  if (message->asked.transient == false)
    rules_.saw(message->asked.once ? Rule::once_never_again : Rule::ack_answered_never_again);
  messages_.erase(key);
}

void Model::saw_key(MessageKey key) {
  expect(key > any_key_, "key {} was given after {}", key, any_key_);
  any_key_ = key;
}

// Of its key is known that it follows those seen before: all are drawn from one sequence.
void Model::entered(Engine& engine, std::uint64_t number, std::int64_t expires_at) {
  NameId box{1};
  while (engine.name_of(box) != names_[published_[number].mailbox]) ++box;
  const auto first = std::max(any_key_ + 1, make_key(engine.now(), 0));
  const auto waits = [&](MessageKey key) {
    return engine.mailboxes().receipt(make_uuid({.key = key, .mailbox = box, .node = engine.node()})).state ==
           ReceiptState::queued;
  };
  auto key = first;
  while (!waits(key) && key < first + 1'000) key += 1;
  expect(waits(key), "{} entered, and there is no such message", number);
  any_key_ = key;
  auto& message = messages_[any_key_];
  keys_[number] = any_key_;
  message.number = number;
  message.asked = published_[number];
  message.key = any_key_;
  message.content = number;
  message.expires_at = expires_at;
  message.possible = {{Stand::gone, 0, false, 0, 0}};
  ++counts_[static_cast<std::size_t>(Stand::pending)];
  ++mailboxes_[message.asked.mailbox].load;
  make_ready(message);
}

void Model::leased(ModelMessage& message, LeaseToken token) {
  move(message, Stand::leased);
  message.lease = token;
  message.seen = true;
}

void Model::on_configured(FactPlace place, const MailboxConfiguredFact& fact) {
  const auto limits = limits_of(fact);
  const auto own = static_cast<std::uint8_t>(fact.own & kOwnAll);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] != names_by_id_[fact.mailbox]) continue;
    auto& mailbox = mailboxes_[i];
    // Copied forward, if nobody asked for it.
    const auto wanted = configuring.value_or(ModelMailbox::Setting{mailbox.limits, 0, mailbox.own});
    expect(same(limits, wanted.limits) && own == wanted.own, "the settings of {} are noted as others than they are",
           names_[i]);
    mailbox.limits = limits;
    mailbox.own = own;
    mailbox.settings.push_back({limits, place.lsn, own});
  }
}

void Model::on_deleted(FactPlace place, const MailboxDeletedFact& fact) {
  expect(deleting.has_value() && names_[*deleting] == names_by_id_[fact.mailbox],
         "mailbox {} was deleted and nobody asked for it", names_by_id_[fact.mailbox]);
  auto& mailbox = mailboxes_[*deleting];
  drop_all_transient(*deleting);
  expect(mailbox.load == 0 && mailbox.dead.empty(), "mailbox {} was deleted with {} messages and {} dead letters",
         names_[*deleting], mailbox.load, mailbox.dead.size());
  mailbox.limits = options_.mailbox;
  mailbox.own = 0;
  mailbox.settings.push_back({mailbox.limits, place.lsn, 0});
  checkers.reads.on_deleted(names_[*deleting], place.lsn);
  rules_.saw(Rule::mailbox_deleted);
}

// No fact tells that a message in memory has expired; what comes later in the same instant may take its room.
void Model::expire_transient(std::int64_t now) {
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    if (message.asked.transient && message.waits() && message.expires_at != 0 && message.expires_at <= now)
      left(message, Stand::gone);
  }
}

// After Engine::advance(): what had to happen by now has happened.
void Model::advanced(Engine& engine, std::int64_t now) {
  used_keys_.passed(now);
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    if (message.waits() && message.expires_at != 0 && message.expires_at <= now) {
      expect(message.asked.transient, "{} should have expired at {}, and it is {}", message.number, message.expires_at,
             now);
      left(message, Stand::gone);
    } else if (message.stand == Stand::scheduled && message.due_unknown) {
      if (engine.mailboxes().receipt(message.id).state == ReceiptState::queued)
        message.due = std::min(message.due, now);
    }
  }
  come_due(now + 1);
}

void Model::handed_out(Lsn to) {
  if (count(Stand::handing) == 0) return;
  std::map<Lsn, MessageKey> out;  // in the order of the log
  for (const auto& [key, message] : messages_) {
    if (message.stand == Stand::handing && message.possible.size() == 1 && message.handed_at <= to)
      out[message.handed_at] = key;
  }
  for (const auto& [lsn, key] : out) {
    auto& message = *find_key(key);
    note_settled(message);
    move(message, Stand::gone);
    leave_group(message);
    forget_if_certain(message.key);
  }
}

void Model::note_settled(const ModelMessage& message) {
  const auto& asked = message.asked;
  remember(message.key, Settled{.id = message.id,
                                .hops = asked.caused ? asked.caused->hops : 0,
                                .silent_for = asked.silent ? std::optional(asked.sender) : std::nullopt});
}

void Model::remember(MessageKey key, std::optional<Settled> settled) {
  receipts_.push_back(key);
  if (settled) settled_[key] = *settled;
  while (receipts_.size() > options_.receipts_max) {
    if (settled_.erase(receipts_.front()) != 0) rules_.saw(Rule::receipt_forgotten);
    receipts_.pop_front();
  }
}

bool Model::is_unwanted(const Published& asked) {
  if (!asked.caused || asked.routed) return false;
  const auto key = message_address(asked.caused->cause)->key;
  const auto* const cause = find_key(key);
  if (cause != nullptr && cause->stand == Stand::leased)
    return cause->asked.silent && cause->asked.sender == asked.mailbox;
  const auto settled = settled_.find(key);
  if (settled == settled_.end() || settled->second.silent_for != asked.mailbox) return false;
  rules_.saw(Rule::no_reply_after_settling);
  return true;
}

}  // namespace folkmoot::simulation
