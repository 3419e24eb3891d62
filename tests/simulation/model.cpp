#include "simulation/model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace folkmoot::simulation {

std::string_view name(Stand stand) {
  constexpr std::string_view kNames[] = {"pending", "ready", "blocked", "scheduled", "leased", "handing", "gone", "dead"};
  return kNames[static_cast<std::size_t>(stand)];
}

namespace {

MailboxLimits limits_of(const MailboxConfiguredFact& fact) {
  return {.max_messages = fact.max_messages,
          .default_ttl_ms = fact.default_ttl_ms,
          .overflow = fact.overflow,
          .retry = {.attempts = fact.attempts, .backoff = fact.backoff, .initial_ms = fact.initial_ms, .max_ms = fact.max_ms,
                    .multiplier_permille = fact.multiplier_permille}};
}

}  // namespace

std::uint64_t number_of(Bytes content) {
  expect(content.size() >= 8, "a content of {} bytes is none of ours", content.size());
  return load<std::uint64_t>(content.data());
}

std::uint64_t number_of(const Routing& routing, Bytes content) {
  return routing.content_ref.empty() ? number_of(content) : std::stoull(std::string(routing.correlation));
}

Model::Model(std::vector<std::string> names, const EngineOptions& options, RuleCounts& rules)
    : names_(std::move(names)), options_(options), rules_(rules), published_(1), keys_(1), mailboxes_(names_.size()),
      used_keys_(options), together_(rules) {
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
  message.possible.push_back({stand, lsn, lsn == 0, due, message.deliveries});
  if (lsn != 0) undurable_.emplace(lsn, message.key);
}

void Model::make_ready(ModelMessage& message, bool put_back) {
  const auto& asked = message.asked;
  if (asked.group != 0 && !groups_.enter(asked.mailbox, asked.group, message.key)) {
    rules_.saw(Rule::held_behind_its_group);
    return move(message, Stand::blocked);
  }
  message.put_back = put_back;
  message.place_unknown = false;
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
  make_ready(head, false);
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
    make_ready(message, true);
  }
}

void Model::on_fact(FactKind kind, FactPlace place, Bytes body, std::int64_t now) {
  switch (kind) {
    case FactKind::party_named: {
      const auto number = load<PartyNamedFact>(body.data()).number;
      const std::string text(as_text(body.subspan(sizeof(PartyNamedFact))));
      const auto [known, added] = parties_.emplace(number, text);
      expect(known->second == text, "number {} was {} and is {}", number, known->second, text);
      return;
    }
    case FactKind::message_accepted: return on_accepted(place, body, now);
    case FactKind::message_settled: return on_settled(place, body);
    case FactKind::message_returned: {
      return on_returned(place, load<ReturnedFact>(body.data()), as_text(body.subspan(sizeof(ReturnedFact))), now);
    }
    case FactKind::message_dead: return on_dead(place, load<DeadFact>(body.data()), now);
    case FactKind::dead_purged: return on_purged(place, load<MessageRef>(body.data()).key, now);
    case FactKind::key_used: return;
    case FactKind::mailbox_configured: return on_configured(place, load<MailboxConfiguredFact>(body.data()));
    case FactKind::message_cancelled: {
      auto* const message = find_key(load<MessageRef>(body.data()).key);
      expect(message != nullptr && message->waits(), "a message was taken back that does not wait");
      expect(cancelling != 0 && message->number == cancelling, "{} was taken back and nobody asked for it", message->number);
      rules_.saw(Rule::message_cancelled);
      return left(*message, Stand::gone, place.lsn);
    }
    case FactKind::started: return;
    case FactKind::attempt_noted: return;
    default: expect(false, "a {} fact is none of those that were asked for", folkmoot::name(kind));
  }
}

// After each command: what had to die has, and nothing was dropped for nothing.
void Model::after_call() {
  if (room_refused) dying_.clear();
  for (auto& mailbox : mailboxes_) {
    expect(!mailbox.made_room || room_refused || resending != 0, "a message was dropped for another that did not come");
    mailbox.made_room = false;
  }
  expect(dying_.empty(), "{} messages live on that should be dead", dying_.size());
}

// Room was made for messages that come together before the first of them.
void Model::begin_group() {
  together_.begin();
  for (const auto& [mailbox, more] : arriving) drop_transient(mailbox, more);
}

// Room is made by dropping the oldest; if that was transient, no fact tells of it.
void Model::drop_transient(std::size_t index, std::size_t more) {
  auto& mailbox = mailboxes_[index];
  if (mailbox.limits.overflow != Overflow::drop_oldest || room_refused) return;
  while (mailbox.load + more > mailbox.limits.max_messages && !mailbox.ready.empty()) {
    auto& oldest = *find_key(*mailbox.ready.begin());
    if (!oldest.asked.transient) return;
    left(oldest, Stand::gone);
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
    expect((fact.dead != DeadReason::none) == (message->stand == Stand::dead), "the copy of {} says dead {}", number,
           name(fact.dead));
    expect(fact.deliveries == message->deliveries, "the copy of {} has {} deliveries instead of {}", number, fact.deliveries,
           message->deliveries);
    rules_.saw(Rule::copied_forward);
    return say(*message, message->stand == Stand::dead ? Stand::dead : Stand::ready, place.lsn, message->due);
  }
  if (resending != 0) number = resent;
  expect(number < published_.size() && keys_[number] == 0, "message {} was accepted twice or never published", number);
  expect(fact.key > last_key_, "message {} has key {}, and {} was used before", number, fact.key, last_key_);
  last_key_ = fact.key;
  saw_key(fact.key);
  const auto& asked = published_[number];
  auto& mailbox = mailboxes_[asked.mailbox];
  mailbox.made_room = false;
  if (asked.key != 0) {
    expect(!used_keys_.must_know(asked.key, now), "message {} was accepted with a key that stands for {}", number, used_keys_.find(asked.key));
    rules_.saw(used_keys_.find(asked.key) != 0 ? Rule::key_used_again : Rule::key_used);
    used_keys_.used(asked.key, fact.key, now);
  }
  together_.came(fact.key, place.lsn);
  drop_transient(asked.mailbox, 1);
  expect(mailbox.load < mailbox.limits.max_messages || room_refused, "message {} was taken into a full mailbox ({} of {})", number,
         mailbox.load, mailbox.limits.max_messages);
  expect(parties_[fact.mailbox] == names_[asked.mailbox] && parties_[fact.sender] == names_[asked.sender],
         "message {} from {} to {} was noted from {} to {}", number, names_[asked.sender], names_[asked.mailbox],
         parties_[fact.sender], parties_[fact.mailbox]);
  expect(fact.priority == asked.priority, "message {} has priority {}", number, fact.priority);
  keys_[number] = fact.key;
  auto& message = messages_[fact.key];
  message.number = number;
  message.asked = asked;
  message.key = fact.key;
  message.content = number_of(*routing, body.subspan(sizeof fact + routing->bytes));
  message.id = routing->id;
  const auto ttl = asked.ttl_ms != 0 ? asked.ttl_ms : mailbox.limits.default_ttl_ms;
  message.expires_at = ttl != 0 ? now + ttl : 0;
  message.due = asked.deliver_at > now ? asked.deliver_at : 0;
  expect(fact.expires_at == message.expires_at && fact.not_before == message.due, "message {} has other times than asked", number);
  message.possible = {{Stand::gone, 0, false, 0, 0}};
  ++counts_[static_cast<std::size_t>(Stand::pending)];
  ++mailbox.load;
  say(message, Stand::ready, place.lsn, message.due);
}

void Model::on_settled(FactPlace place, Bytes body) {
  for (std::size_t at = 0; at < body.size(); at += sizeof(MessageRef)) {
    auto* const message = find_key(load<MessageRef>(body.data() + at).key);
    expect(message != nullptr, "an unknown message was settled");
    if (message->asked.once) {
      expect(message->stand == Stand::ready, "{}, at most once, is {} and was handed out", message->number, name(message->stand));
      expect(!message->seen, "{}, at most once, is handed out twice", message->number);
      move(*message, Stand::handing);
      leave_group(*message);
      say(*message, Stand::gone, place.lsn);
      continue;
    }
    expect(message->stand == Stand::leased && settling.contains(message->lease), "{} was settled without an ack", message->number);
    together_.went(message->key, place.lsn);
    left(*message, Stand::gone, place.lsn);
  }
}

void Model::on_returned(FactPlace place, const ReturnedFact& fact, std::string_view reason, std::int64_t now) {
  auto* const message = find_key(fact.message.key);
  expect(message != nullptr && message->stand == Stand::leased, "a message was given back that is not leased");
  say(*message, Stand::ready, place.lsn, fact.not_before);
  message->possible.back().deliveries = fact.deliveries;
  if (stopping) return;
  expect(fact.deliveries == message->deliveries + 1, "{} was given back with {} deliveries after {}", message->number,
         fact.deliveries, message->deliveries);
  message->deliveries = fact.deliveries;
  message->attempts.push_back({.deliveries = fact.deliveries, .at = fact.at, .holder = fact.holder != 0 ? parties_[fact.holder] : "",
                               .reason = std::string(reason), .end = fact.end});
  check_delay(*message, fact, now);
  come_due(now + 1);
  if (fact.deliveries >= policy(*message).attempts || (message->expires_at != 0 && message->expires_at <= now)) dying_.insert(message->key);
  message->due = fact.not_before;
  if (fact.not_before > now) {
    move(*message, Stand::scheduled);
    rules_.saw(Rule::delayed_return);
  } else {
    make_ready(*message, true);
  }
}

void Model::on_dead(FactPlace place, const DeadFact& fact, std::int64_t now) {
  auto* const message = find_key(fact.message.key);
  expect(message != nullptr, "an unknown message died");
  auto& mailbox = mailboxes_[message->asked.mailbox];
  const auto was = message->stand;
  const auto number = message->number;
  if (was == Stand::dead) return say(*message, Stand::dead, place.lsn);  // the words of one that was copied forward
  expect(message->waits() || was == Stand::leased, "{} is {} and died", number, name(was));
  dying_.erase(message->key);
  message->dead_at = fact.at;
  come_due(fact.reason == DeadReason::expired ? message->expires_at : now + 1);
  if (fact.reason == DeadReason::rejected) {
    expect(was == Stand::leased && rejecting && settling.contains(message->lease), "{} was rejected by nobody", number);
    ++message->deliveries;
    rules_.saw(Rule::rejected_to_dead);
  }
  expect(fact.deliveries == message->deliveries, "{} died after {} deliveries, not {}", number, message->deliveries, fact.deliveries);
  switch (fact.reason) {
    case DeadReason::expired:
      expect(message->expires_at != 0 && message->expires_at <= now, "{} expired at {}, not {}", number, now, message->expires_at);
      rules_.saw(Rule::expired_to_dead);
      break;
    case DeadReason::max_deliveries:
      expect(message->deliveries >= policy(*message).attempts, "{} died after {} of {} deliveries", number, message->deliveries,
             policy(*message).attempts);
      rules_.saw(Rule::max_deliveries_to_dead);
      break;
    case DeadReason::overflow:
      expect(mailbox.limits.overflow == Overflow::drop_oldest &&
                 mailbox.load + newcomers(message->asked.mailbox) > mailbox.limits.max_messages,
             "{} was dropped from a mailbox with room ({} of {})", number, mailbox.load, mailbox.limits.max_messages);
      // Of older ones that were transient no fact tells.
      while (*mailbox.ready.begin() != message->key && find_key(*mailbox.ready.begin())->asked.transient) {
        left(*find_key(*mailbox.ready.begin()), Stand::gone);
      }
      expect(was == Stand::ready && *mailbox.ready.begin() == message->key, "{} was dropped and is not the oldest", number);
      mailbox.made_room = true;
      rules_.saw(Rule::overflow_to_dead);
      break;
    case DeadReason::rejected: break;
    default: expect(false, "{} died as {}", number, name(fact.reason));
  }
  left(*message, Stand::dead, place.lsn);
}

void Model::on_purged(FactPlace place, MessageKey key, std::int64_t now) {
  auto* const message = find_key(key);
  expect(message != nullptr && message->stand == Stand::dead, "a message was purged that is not dead");
  const auto& dead = mailboxes_[message->asked.mailbox].dead;
  if (purging) {
    rules_.saw(Rule::dead_purged_by_hand);
  } else if (resending != 0 && message->number == resending) {
    together_.went(key, place.lsn);
    rules_.saw(Rule::dead_resubmitted);
  } else if (options_.dead_ttl_ms != 0 && message->dead_at + options_.dead_ttl_ms <= now) {
    rules_.saw(Rule::dead_too_old);
  } else {
    // The fact of the death that made it one too many may not have had room, and this shorter one has.
    expect(room_refused || dead.size() > options_.dead_max, "{} was purged at {} dead letters", message->number, dead.size());
    expect(*dead.begin() == key, "purged {}, which is not the oldest dead letter", message->number);
    rules_.saw(Rule::dead_purged);
  }
  left(*message, Stand::gone, place.lsn);
}

RetryPolicy Model::policy(const ModelMessage& message) {
  const auto& own = mailboxes_[message.asked.mailbox].limits.retry;
  auto policy = message.asked.retry.value_or(own);
  if (policy.attempts == 0) policy.attempts = own.attempts;
  return policy;
}

// What was asked for, or between what the policy's words say.
void Model::check_delay(const ModelMessage& message, const ReturnedFact& fact, std::int64_t now) {
  const auto waited = fact.not_before == 0 ? 0 : fact.not_before - now;
  if (fact.end != AttemptEnd::nacked) return expect(waited == 0, "{} waits {} ms for a lost holder", message.number, waited);
  if (nack_delay >= 0) return expect(waited == nack_delay, "{} waits {} ms instead of {}", message.number, waited, nack_delay);
  const auto policy = this->policy(message);
  auto most = static_cast<double>(policy.initial_ms);
  for (std::uint32_t i = 1; i < fact.deliveries; ++i) {
    if (policy.backoff == Backoff::linear) most += static_cast<double>(policy.initial_ms);
    if (policy.backoff >= Backoff::exponential) most *= policy.multiplier_permille / 1000.0;
  }
  if (policy.max_ms != 0) most = std::min(most, static_cast<double>(policy.max_ms));
  const auto least = policy.backoff == Backoff::exponential_jitter ? most / 2 : most;
  // Down to whole milliseconds, attempt by attempt, and each of them grows with those that follow.
  const auto rounding = fact.deliveries * std::pow(policy.multiplier_permille / 1000.0, fact.deliveries);
  expect(static_cast<double>(waited) >= least - rounding && static_cast<double>(waited) <= most + rounding,
         "{} waits {} ms before attempt {}; its policy says {} to {}", message.number, waited, fact.deliveries + 1, least, most);
  if (waited > 0) rules_.saw(Rule::retry_delay);
}

void Model::check_attempts(Engine& engine, const ModelMessage& message) {
  const auto& noted = message.attempts;
  auto at = noted.size() > kAttemptsKept ? noted.size() - kAttemptsKept : 0;
  engine.each_attempt(message.id, [&](const AttemptView& attempt) {
    expect(at < noted.size(), "{} has a history of more than {} attempts", message.number, noted.size());
    const auto& was = noted[at++];
    expect(attempt.at == was.at && attempt.end == was.end && attempt.holder == was.holder && attempt.reason == was.reason,
           "the history of {} is wrong at attempt {}: {} {} by {} at {}", message.number, at, name(attempt.end), attempt.reason,
           attempt.holder, attempt.at);
  });
  expect(at == noted.size(), "the history of {} ends with attempt {} of {}", message.number, at, noted.size());
  if (!noted.empty()) rules_.saw(Rule::attempts_told);
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
  if (message->asked.transient == false) rules_.saw(message->asked.once ? Rule::once_never_again : Rule::ack_answered_never_again);
  messages_.erase(key);
}

void Model::saw_key(MessageKey key) {
  expect(key > any_key_, "key {} was given after {}", key, any_key_);
  any_key_ = key;
}

void Model::drew_key(std::int64_t now) { any_key_ = std::max(any_key_ + 1, make_key(static_cast<std::uint64_t>(now), 0)); }

void Model::entered(std::uint64_t number, std::int64_t now, std::int64_t expires_at) {
  drew_key(now);
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
  make_ready(message, false);
}

void Model::leased(ModelMessage& message, LeaseToken token) {
  move(message, Stand::leased);
  message.lease = token;
  message.seen = true;
}

void Model::on_configured(FactPlace place, const MailboxConfiguredFact& fact) {
  const auto limits = limits_of(fact);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] != parties_[fact.mailbox]) continue;
    mailboxes_[i].limits = limits;
    mailboxes_[i].settings.push_back({limits, place.lsn});
  }
}

void Model::on_durable(Lsn end, std::int64_t now) {
  together_.on_durable(end);
  for (auto at = undurable_.begin(); at != undurable_.end() && at->first < end; at = undurable_.erase(at)) {
    auto* const message = find_key(at->second);
    if (message == nullptr) continue;
    auto& possible = message->possible;
    for (std::size_t i = possible.size(); i-- > 0;) {
      if (possible[i].soft || possible[i].lsn >= end || possible[i].lsn == 0) continue;
      possible.erase(possible.begin(), possible.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
    durable_key_ = std::max(durable_key_, message->key);
    if (message->stand == Stand::pending) {
      message->due > now ? move(*message, Stand::scheduled) : make_ready(*message, false);
    }
    forget_if_certain(message->key);
  }
  for (auto& mailbox : mailboxes_) {
    while (mailbox.settings.size() > 1 && mailbox.settings[1].lsn < end) mailbox.settings.erase(mailbox.settings.begin());
  }
}

// After Engine::advance(): what had to happen by now has happened.
void Model::advanced(Engine& engine, std::int64_t now) {
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    if (message.waits() && message.expires_at != 0 && message.expires_at <= now) {
      expect(message.asked.transient, "{} should have expired at {}, and it is {}", message.number, message.expires_at, now);
      left(message, Stand::gone);
    } else if (message.stand == Stand::scheduled && message.due_unknown) {
      if (engine.receipt(message.id).state == ReceiptState::queued) message.due = std::min(message.due, now);
    }
  }
  come_due(now + 1);
}

namespace {

Stand stand_of(const ReceiptView& receipt) {
  switch (receipt.state) {
    case ReceiptState::queued: return Stand::ready;
    case ReceiptState::scheduled: return Stand::scheduled;
    case ReceiptState::offered:
    case ReceiptState::retrieved: return Stand::leased;
    case ReceiptState::dead: return Stand::dead;
    case ReceiptState::acknowledged:
    case ReceiptState::cancelled:
    case ReceiptState::unknown: break;
  }
  return Stand::gone;
}

}  // namespace

void Model::resync(Engine& engine) {
  room_refused = false;
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    const auto was = message.stand;
    if (message.asked.transient || was == Stand::pending || was == Stand::handing || was == Stand::gone) continue;
    const auto receipt = engine.receipt(message.id);
    const auto is = stand_of(receipt);
    if (is == was || (is == Stand::ready && was == Stand::blocked)) continue;
    // Dead, and at once one dead letter too many.
    const bool pushed_out = is == Stand::gone && mailboxes_[message.asked.mailbox].dead.size() >= options_.dead_max;
    const bool may = pushed_out                ? true
                     : was == Stand::leased ? is != Stand::gone || message.asked.once
                     : is == Stand::dead || (was == Stand::dead && is == Stand::gone) || (was == Stand::scheduled && is == Stand::ready);
    expect(may || message.number == cancelling, "{} was {} and is {}", message.number, name(was), name(is));
    if (is != Stand::gone) message.deliveries = receipt.deliveries;
    if (is == Stand::dead || is == Stand::gone) {
      left(message, is);
    } else if (is == Stand::ready) {
      say(message, Stand::ready, 0);
      make_ready(message, true);
    } else {
      say(message, Stand::ready, 0);
      message.due = std::numeric_limits<std::int64_t>::max();
      message.due_unknown = true;
      move(message, is);
    }
  }
}

void Model::handed_out() {
  if (count(Stand::handing) == 0) return;
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    if (message.stand != Stand::handing || message.possible.size() > 1) continue;
    move(message, Stand::gone);
    forget_if_certain(message.key);
  }
}

void Model::crash() {
  undurable_.clear();
  parties_.clear();
  last_key_ = durable_key_;
  any_key_ = reserved_key_ = 0;
  groups_.clear();
  closing = cancelling = resending = resent = 0;
  nack_delay = 0;
  rejecting = purging = false;
  arriving.clear();
  settling.clear();
  dying_.clear();
  stopping = room_refused = false;
}

void Model::on_recovered_fact(FactKind kind, Bytes body) {
  if (kind == FactKind::started) {
    reserved_key_ = load<StartedFact>(body.data()).keys_end - 1;
  } else if (kind == FactKind::message_accepted) {
    any_key_ = std::max(any_key_, load<AcceptedFact>(body.data()).key);
  } else if (kind == FactKind::party_named) {
    parties_[load<PartyNamedFact>(body.data()).number] = as_text(body.subspan(sizeof(PartyNamedFact)));
  } else if (kind == FactKind::mailbox_configured) {
    const auto fact = load<MailboxConfiguredFact>(body.data());
    recovered_limits_[fact.mailbox] = limits_of(fact);
  }
}

void Model::starting(std::int64_t now) {
  any_key_ = std::max({any_key_, reserved_key_, make_key(static_cast<std::uint64_t>(now), 0)});
}

void Model::recovered(Engine& engine) {
  const auto same = [](const MailboxLimits& a, const MailboxLimits& b) {
    return a.max_messages == b.max_messages && a.default_ttl_ms == b.default_ttl_ms && a.overflow == b.overflow &&
           a.retry == b.retry;
  };
  std::map<std::string, MailboxLimits> settings;
  for (const auto& [number, limits] : recovered_limits_) settings[parties_[number]] = limits;
  recovered_limits_.clear();
  for (std::size_t i = 0; i < names_.size(); ++i) {
    auto& mailbox = mailboxes_[i];
    const auto found = settings.find(names_[i]);
    mailbox.limits = found == settings.end() ? options_.mailbox : found->second;
    bool may = false;
    for (const auto& setting : mailbox.settings) may |= same(setting.limits, mailbox.limits);
    expect(may, "after the crash the mailbox of {} has limits it should not have", names_[i]);
    mailbox.settings = {{mailbox.limits, 0}};
    mailbox.made_room = false;
  }
  together_.recovered([&](MessageKey key) {
    const auto* const message = find_key(key);
    return message != nullptr && stand_of(engine.receipt(message->id)) != Stand::gone;
  });
  for (auto at = messages_.begin(); at != messages_.end();) {
    const auto key = at->first;
    auto& message = (at++)->second;
    const auto was = message.stand;
    const auto number = message.number;
    const auto receipt = engine.receipt(message.id);
    const auto is = message.asked.transient ? Stand::gone : stand_of(receipt);
    const auto said = is == Stand::scheduled ? Stand::ready : is;
    bool may = false;
    std::int64_t due = 0;
    for (const auto& possible : message.possible) {
      if (possible.stand != said) continue;
      may = true;
      if (possible.deliveries == receipt.deliveries) due = std::max(due, possible.due);
    }
    message.due = due;
    message.due_unknown = is == Stand::scheduled;
    expect(may, "after the crash {} is {}; it was {}, and the log had {} facts of it that were not durable", number, name(is),
           name(was), message.possible.size() - 1);
    if (was == Stand::pending && is == Stand::gone) {
      used_keys_.lost(key);
      keys_[number] = 0;
    }
    if (was == Stand::pending) rules_.saw(is == Stand::gone ? Rule::unconfirmed_lost : Rule::unconfirmed_kept);
    if (was == Stand::gone && is != Stand::gone) rules_.saw(Rule::ack_lost);
    expect(!message.asked.once || !message.seen || is == Stand::gone || is == Stand::dead, "{}, at most once, is back", number);
    message.possible = {{said, 0, false, message.due, receipt.deliveries}};
    message.place_unknown = true;
    message.put_back = false;
    message.ready_since = turn();
    move(message, is);
    if (is != Stand::gone) {
      expect(receipt.deliveries <= message.deliveries, "{} has {} deliveries; it had {}", number, receipt.deliveries,
             message.deliveries);
      message.deliveries = receipt.deliveries;
      message.dead_at = receipt.at;
      std::erase_if(message.attempts, [&](const Attempted& attempt) { return attempt.deliveries > message.deliveries; });
      check_attempts(engine, message);
      last_key_ = std::max(last_key_, message.key);
      expect(is == Stand::dead || receipt.recipient == names_[message.asked.mailbox], "{} is in the mailbox of {}", number,
             receipt.recipient);
    }
    forget_if_certain(message.key);
  }
  for (auto& [key, message] : messages_) {
    if (message.asked.group == 0) continue;
    if (message.stand == Stand::ready) make_ready(message, false);
    if (message.stand == Stand::scheduled && message.deliveries > 0) groups_.enter_away(message.asked.mailbox, message.asked.group, key);
    message.place_unknown = true;
  }
  for (auto& mailbox : mailboxes_) mailbox.load = mailbox.in_flight = 0;
  for (auto& [key, message] : messages_) mailboxes_[message.asked.mailbox].load += message.stand <= Stand::leased;
}

void Model::compare(Engine& engine, bool deep) {
  const auto& counters = engine.counters();
  const auto same = [&](std::string_view what, std::uint64_t theirs, Stand stand) {
    expect(theirs == count(stand), "the engine counts {} {} messages, the model {}", theirs, what, count(stand));
  };
  same("ready", counters.ready, Stand::ready);
  same("blocked", counters.blocked, Stand::blocked);
  same("scheduled", counters.scheduled, Stand::scheduled);
  same("leased", counters.leased, Stand::leased);
  same("pending", counters.pending, Stand::pending);
  same("dead", counters.dead_now, Stand::dead);
  if (!deep) return;
  for (auto& [key, message] : messages_) {
    if (message.asked.transient || message.stand == Stand::pending) continue;
    if (message.stand == Stand::handing || message.stand == Stand::gone) continue;
    const auto receipt = engine.receipt(message.id);
    expect(stand_of(receipt) == (message.stand == Stand::blocked ? Stand::ready : message.stand), "the receipt of {} says {}; it is {}", message.number, name(receipt.state),
           name(message.stand));
    const auto deliveries = message.deliveries + (message.stand == Stand::leased);
    expect(receipt.deliveries == deliveries, "the receipt of {} counts {} deliveries instead of {}", message.number,
           receipt.deliveries, deliveries);
    check_attempts(engine, message);
    rules_.saw(Rule::receipt_asked);
  }
  for (std::size_t i = 0; i < names_.size(); ++i) {
    MailboxStats stats;
    if (!engine.mailbox_stats(names_[i], stats)) continue;
    const auto& mailbox = mailboxes_[i];
    expect(stats.ready + stats.scheduled + stats.leased == mailbox.load && stats.dead == mailbox.dead.size(),
           "mailbox {} has {} + {} + {} messages and {} dead; the model has {} and {}", names_[i], stats.ready, stats.scheduled,
           stats.leased, stats.dead, mailbox.load, mailbox.dead.size());
  }
}

}  // namespace folkmoot::simulation
