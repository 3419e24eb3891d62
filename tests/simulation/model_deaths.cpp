// Failures, deaths, and what becomes of dead letters.
#include <algorithm>
#include <cmath>

#include "simulation/model.hpp"

namespace folkmoot::simulation {

void Model::on_returned(FactPlace place, const ReturnedFact& fact, std::string_view reason, std::int64_t now) {
  auto* const message = find_key(fact.message.key);
  expect(message != nullptr && message->stand == Stand::leased, "a message was given back that is not leased");
  say(*message, Stand::ready, place.lsn, fact.not_before.ms);
  message->possible.back().deliveries = fact.deliveries;
  expect(fact.deliveries == message->deliveries + 1, "{} was given back with {} deliveries after {}", message->number,
         fact.deliveries, message->deliveries);
  message->deliveries = fact.deliveries;
  message->attempts.push_back({.deliveries = fact.deliveries,
                               .at = fact.at.ms,
                               .holder = fact.holder != 0 ? names_by_id_[fact.holder] : "",
                               .reason = std::string(reason),
                               .end = fact.end});
  check_delay(*message, fact, now);
  come_due(now + 1);
  const bool rejected = fact.end == AttemptEnd::rejected;
  expect(!rejected || (rejecting && settling.contains(message->lease)), "{} was rejected by nobody", message->number);
  if (rejected || fact.deliveries >= policy(*message).attempts ||
      (message->expires_at != 0 && message->expires_at <= now)) {
    dying_.insert(message->key);
    begin_death();
    deaths_.note(place.lsn, [this, key = message->key, deliveries = fact.deliveries] {
      const auto* const now_is = find_key(key);
      return now_is == nullptr || !is_alive(key) ||
             recovered_->mailboxes().receipt(now_is->id).deliveries >= deliveries;
    });
  }
  message->due = fact.not_before.ms;
  if (fact.not_before.ms > now) {
    move(*message, Stand::scheduled);
    rules_.saw(Rule::delayed_return);
  } else {
    make_ready(*message);
  }
}

void Model::on_dead(FactPlace place, const DeadFact& fact, std::int64_t now) {
  auto* const message = find_key(fact.message.key);
  expect(message != nullptr, "an unknown message died");
  const auto was = message->stand;
  const auto number = message->number;
  message->died_of = fact.reason;
  if (was == Stand::dead) {  // the words of one that was copied forward
    expect(fact.at.ms == message->dead_at, "{} died at {}, and its copy says {}", number, message->dead_at, fact.at);
    return say(*message, Stand::dead, place.lsn);
  }
  if (was == Stand::doomed) {
    expect(fact.reason == message->doom && fact.deliveries == 0, "{} died as {}", number, folkmoot::name(fact.reason));
    message->dead_at = fact.at.ms;
    say(*message, Stand::dead, place.lsn);
    return owe_bounce(*message, fact.reason);
  }
  expect(message->waits() || was == Stand::leased, "{} is {} and died", number, name(was));
  const bool is_noted = dying_.erase(message->key) != 0;  // the attempt that was its last
  if (!is_noted) begin_death();
  message->dead_at = fact.at.ms;
  // What is due comes in the order of its times, schedules' messages among the rest.
  come_due(fact.reason == DeadReason::expired    ? message->expires_at
           : fact.reason == DeadReason::overflow ? checkers.schedules.next_due(now) + 1
                                                 : now + 1);
  if (fact.reason == DeadReason::rejected) {
    expect(rejecting && (is_noted || settling.contains(message->lease)), "{} was rejected by nobody", number);
    expect(is_noted || room_refused, "{} was rejected, and its history does not tell", number);
    if (!is_noted) ++message->deliveries;
    rules_.saw(Rule::rejected_to_dead);
  }
  // The attempt that failed last may not have had room, and this shorter fact has.
  if (room_refused && was == Stand::leased && fact.reason != DeadReason::rejected)
    message->deliveries = fact.deliveries;
  expect(fact.deliveries == message->deliveries, "{} died after {} deliveries, not {}", number, message->deliveries,
         fact.deliveries);
  check_reason(*message, fact.reason, now);
  deaths_.note(place.lsn, [this, key = message->key] { return !is_alive(key); });
  left(*message, Stand::dead, place.lsn);
  owe_bounce(*message, fact.reason);
  if (!in_group_ && !message->asked.bounce) settle_bounces();
}

// Why it died, but for a rejection.
void Model::check_reason(const ModelMessage& message, DeadReason reason, std::int64_t now) {
  auto& mailbox = mailboxes_[message.asked.mailbox];
  const auto number = message.number;
  switch (reason) {
    case DeadReason::expired:
      expect(message.expires_at != 0 && message.expires_at <= now, "{} expired at {}, not {}", number, now,
             message.expires_at);
      rules_.saw(Rule::expired_to_dead);
      break;
    case DeadReason::max_deliveries:
      expect(message.deliveries >= policy(message).attempts, "{} died after {} of {} deliveries", number,
             message.deliveries, policy(message).attempts);
      rules_.saw(Rule::max_deliveries_to_dead);
      break;
    case DeadReason::overflow:
      expect(mailbox.limits.overflow == Overflow::drop_oldest &&
                 mailbox.load + newcomers(message.asked.mailbox) > mailbox.limits.max_messages,
             "{} was dropped from a mailbox with room ({} of {})", number, mailbox.load, mailbox.limits.max_messages);
      // What it waited for in its group may have gone out in this turn.
      if (message.stand == Stand::blocked) {
        const auto head = std::ranges::find_if(messages_, [&](const auto& each) {
          const auto& asked = each.second.asked;
          return each.second.stand == Stand::handing && asked.mailbox == message.asked.mailbox &&
                 asked.group == message.asked.group;
        });
        if (head != messages_.end()) handed_out(head->second.handed_at);
      }
      // Of older ones that were transient no fact tells, and who waited behind one in its group is ready then; those
      // that became due meanwhile may not have come yet.
      for (auto at = mailbox.ready.begin(); at != mailbox.ready.end() && *at != message.key;) {
        const auto key = *at;
        auto& older = *find_key(key);
        if (older.came_due != call_) {
          expect(older.asked.transient,
                 "{} was dropped and is not the oldest: {} is {} (once {}, group {}, {} deliveries)", number,
                 older.number, name(older.stand), older.asked.once, older.asked.group, older.deliveries);
          left(older, Stand::gone);
        }
        at = mailbox.ready.upper_bound(key);
      }
      expect(message.stand == Stand::ready && mailbox.ready.contains(message.key), "{} was dropped and is {}", number,
             name(message.stand));
      mailbox.made_room = true;
      if (arriving.empty()) checkers.guards.begin_together();  // the one it makes room for was decided on before
      rules_.saw(Rule::overflow_to_dead);
      break;
    case DeadReason::rejected:
      break;
    default:
      expect(false, "{} died as {}", number, folkmoot::name(reason));
  }
}

// The attempt that failed last, the death and what the sender is told belong together, if there is room for all of it.
void Model::begin_death() {
  if (!in_group_) settle_bounces();
  if (!deaths_.is_open() && (in_group_ || !disk_limited)) deaths_.begin();
}

void Model::owe_bounce(const ModelMessage& message, DeadReason reason) {
  const auto& asked = message.asked;
  if ((!asked.bounce && reason != DeadReason::guard) || asked.sender == bus()) return;
  const auto to = asked.reply_to.value_or(asked.sender);
  std::size_t promised = 0;
  if (reason == DeadReason::overflow)
    promised = arriving.empty() ? to == asked.mailbox : arriving.contains(to) ? arriving.at(to) : 0;
  bounces_.owe({.number = message.number, .id = message.id, .to = to, .promised = promised});
}

// What was owed with the deaths so far has come, or had no room.
void Model::settle_bounces() {
  bounces_.end([&](const OwedBounce& owed) {
    const auto& mailbox = mailboxes_[owed.to];
    return !disk_limited && mailbox.load + owed.promised < mailbox.limits.max_messages;
  });
  if (deaths_.is_open()) deaths_.end();
}

void Model::on_purged(FactPlace place, MessageKey key, std::int64_t now) {
  auto* const message = find_key(key);
  if (message != nullptr && room_refused) ++purged_unsure_[message->asked.mailbox];
  // Its death may not have had room, and this shorter fact has.
  if (message != nullptr && room_refused && (message->waits() || message->stand == Stand::leased))
    return left(*message, Stand::gone, place.lsn);
  expect(message != nullptr && message->stand == Stand::dead, "a message was purged that is not dead");
  const auto& dead = mailboxes_[message->asked.mailbox].dead;
  if (purging) {
    rules_.saw(Rule::dead_purged_by_hand);
  } else if (in_group_) {
    resent_ = checkers.redrives.goes(key, now);
    together_.note(place.lsn, [this, key] { return !is_dead(key) && !is_alive(key); });
    rules_.saw(Rule::dead_resubmitted);
  } else if (options_.dead_ttl_ms != 0 && message->dead_at + options_.dead_ttl_ms.ms <= now) {
    rules_.saw(Rule::dead_too_old);
  } else {
    // The fact of the death that made it one too many may not have had room, and this shorter one has.
    expect(room_refused || dead.size() > options_.dead_max, "{} was purged at {} dead letters", message->number,
           dead.size());
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
  const auto waited = fact.not_before == 0 ? 0 : fact.not_before.ms - now;
  if (fact.end != AttemptEnd::nacked)
    return expect(waited == 0, "{} waits {} ms for a lost holder", message.number, waited);
  if (nack_delay >= 0)
    return expect(waited == nack_delay, "{} waits {} ms instead of {}", message.number, waited, nack_delay);
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
         "{} waits {} ms before attempt {}; its policy says {} to {}", message.number, waited, fact.deliveries + 1,
         least, most);
  if (waited > 0) rules_.saw(Rule::retry_delay);
}

void Model::check_attempts(Engine& engine, const ModelMessage& message) {
  const auto& noted = message.attempts;
  const auto kept = options_.attempts_kept;
  auto at = noted.size() > kept ? noted.size() - kept : 0;
  if (at > 0) rules_.saw(Rule::attempts_forgotten);
  engine.dead().each_attempt(message.id, [&](const AttemptView& attempt) {
    expect(at < noted.size(), "{} has a history of more than {} attempts", message.number, noted.size());
    const auto& was = noted[at++];
    expect(attempt.at.ms == was.at && attempt.end == was.end && attempt.holder == was.holder &&
               attempt.reason == was.reason,
           "the history of {} is wrong at attempt {}: {} {} by {} at {}", message.number, at, name(attempt.end),
           attempt.reason, attempt.holder, attempt.at);
  });
  expect(at == noted.size(), "the history of {} ends with attempt {} of {}", message.number, at, noted.size());
  if (!noted.empty()) rules_.saw(Rule::attempts_told);
}

}  // namespace folkmoot::simulation
