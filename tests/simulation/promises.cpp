#include "simulation/promises.hpp"

#include <set>
#include <utility>

namespace folkmoot::simulation {

Promises::Promises(std::vector<std::string> names, const EngineOptions& options)
    : names_(std::move(names)), options_(options), together_(1), attempts_least_(options.mailbox.retry.attempts) {
  if (options.mailbox.overflow != Overflow::drop_oldest) return;
  for (std::size_t i = 0; i < names_.size(); ++i) dropping_.insert(i);
}

// --- What agents ask for
// ----------------------------------------------------------------------------------------------

void Promises::publishing(std::uint64_t number, const Published& asked, std::int64_t now) {
  auto& sent = sent_[number];
  if (sent.times == 0 && asked.key != 0) ++numbers_of_key_[asked.key];
  sent.asked = asked;
  sent.at = std::max(sent.at, now);  // sent again after the clock went back, it is still the one that was sent first
  sent.refused = false;
  ++sent.times;
}

void Promises::together(const std::vector<std::uint64_t>& numbers, const Uuid* input) {
  const auto group = together_.size();
  auto& members =
      together_.emplace_back(std::vector<std::uint64_t>{}, input != nullptr ? std::optional(*input) : std::nullopt)
          .numbers;
  std::set<std::uint64_t> keys;
  for (const auto number : numbers) {
    auto& sent = sent_.at(number);
    if (sent.asked.key != 0 && !keys.insert(sent.asked.key).second) continue;  // a copy of one of them
    members.push_back(number);
    sent.group = group;
  }
  if (input != nullptr) copies_[*input].input_of = group;
}

std::vector<Uuid> Promises::held(const std::vector<LeaseToken>& tokens, std::int64_t now) const {
  std::vector<Uuid> ids;
  for (const auto token : tokens) {
    const auto found = held_.find(token);
    if (found != held_.end() && (found->second.deadline == 0 || found->second.deadline > now))
      ids.push_back(found->second.id);
  }
  return ids;
}

void Promises::settling(LeaseToken token, End how, std::int64_t now) {
  for (const auto& id : held({token}, now)) {
    copies_[id].end_asked |= how != End::given_back;
    let_go(token);
  }
}

void Promises::extending(LeaseToken token, SessionId session, std::int64_t deadline, std::int64_t now) {
  for (const auto& id : held({token}, now)) held_[token] = {.id = id, .session = session, .deadline = deadline};
}

void Promises::configuring(std::size_t mailbox, const MailboxLimits& limits) {
  if (limits.overflow == Overflow::drop_oldest) dropping_.insert(mailbox);
  attempts_least_ = std::min<std::uint32_t>(attempts_least_, limits.retry.attempts);
}

void Promises::closing(SessionId session) {
  for (auto at = held_.begin(); at != held_.end();) {
    const auto& [token, holding] = *at++;
    if (holding.session == session && holding.deadline == 0) let_go(token);
  }
}

void Promises::let_go(LeaseToken token) {
  const auto found = held_.find(token);
  copies_[found->second.id].held = 0;
  held_.erase(found);
}

// --- What they are told
// -----------------------------------------------------------------------------------------------

void Promises::confirmed(std::uint64_t number, const Confirm& confirm) {
  auto& sent = sent_.at(number);
  const auto& id = confirm.id;
  // Of several messages that used the key one after the other, as it was forgotten between, a duplicate is any.
  const bool is_known = owners_.contains(id);
  if (!is_known && confirm.outcome == PublishOutcome::duplicate && numbers_of_key_[sent.asked.key] > 1) return;
  const auto owner = owners_.try_emplace(id, number).first->second;
  if (owner != number) {
    return expect(sent.asked.key != 0 && sent_.at(owner).asked.key == sent.asked.key,
                  "promise 7: {} is confirmed as {}", number, owner);
  }
  sent.there = true;
  sent.ids.insert(id);
  expect(sent.ids.size() == 1 || sent.revoked || sent.asked.scheduled, "promise 7: {} is confirmed as {} messages",
         number, sent.ids.size());
  if (sent.group != 0) happened(sent.group);
}

void Promises::refused(std::uint64_t number) {
  auto& sent = sent_.at(number);
  sent.refused = sent.times == 1;  // else it may have come in when it was asked for before
}

void Promises::delivered(std::uint64_t number, const Routing& routing, LeaseToken lease, const Holding& holding,
                         std::int64_t now) {
  // 1. A message is what was published.
  const auto found = sent_.find(number);
  expect(found != sent_.end(), "promise 1: {} comes, and nobody published it", number);
  auto& sent = found->second;
  const auto& asked = sent.asked;
  auto& copy = copies_[routing.id];
  expect(!sent.refused, "promise 1: {} comes, and it was refused", number);
  expect(routing.from == names_[asked.sender] && routing.priority == asked.priority,
         "promise 1: {} comes from {} with priority {}", number, routing.from, routing.priority);
  expect(sent.revoked || asked.routed || routing.to == names_[asked.mailbox], "promise 1: {} comes to {}", number,
         routing.to);

  // 3. What was acked, and that was answered, never comes again.  4. At most once.
  expect(!copy.acked, "promise 3: {} was acknowledged, and comes again", number);
  expect(!asked.once || copy.deliveries == 0, "promise 4: {}, at most once, comes again", number);

  // 5. One holder at a time; of a group, one message until its end.
  if (copy.held != 0) {
    const auto& other = held_.at(copy.held);
    expect(other.deadline != 0 && other.deadline <= now, "promise 5: {} comes to a second holder", number);
    let_go(copy.held);
  }
  if (asked.group != 0 && !asked.transient && !sent.revoked) {
    auto& first = groups_held_[{std::string(routing.to), asked.group}];
    if (const auto before = copies_.find(first); before != copies_.end() && first != routing.id) {
      const auto& other = sent_.at(before->second.number);
      expect(before->second.end_asked || other.revoked || may_have_died(other, before->second),
             "promise 5: {} comes while {} of its group is not settled", number, before->second.number);
    }
    first = routing.id;
  }

  // 6. In order: of one sender and priority, or of one group.
  if (!sent.came && is_plain(sent)) {
    const auto group = asked.group != 0 ? std::to_string(asked.group) : std::string(routing.from);
    auto& last = first_deliveries_[{std::string(routing.to), group, asked.group != 0 ? Priority{0} : asked.priority}];
    // Its death may have made way for the other, and a crash have taken that back.
    const bool undone = last.life != life_ && may_have_died(sent, copy);
    expect(number > last.number || undone, "promise 6: {} comes after {}", number, last.number);
    last = {number, life_};
  }

  // 7. One key, one message; and without a key, one of each publish.
  sent.ids.insert(routing.id);
  const auto owner = owners_.try_emplace(routing.id, number).first->second;
  expect(owner == number, "promise 7: {} comes with the id of {}", number, owner);
  expect(sent.ids.size() == 1 || sent.revoked || asked.scheduled, "promise 7: {} comes as {} messages", number,
         sent.ids.size());

  // 9. In its time, by the clock of this server or of one before.
  passed(now);
  // Sent again, it may be the first one that comes.
  const auto due = asked.delay_ms == 0 ? asked.deliver_at : sent.times == 1 ? sent.at + asked.delay_ms : 0;
  expect(sent.revoked || asked.scheduled || due <= latest_, "promise 9: {} comes at {} and was to come at {}", number,
         now, due);
  const auto life = asked.ttl_ms.value_or(0), began = std::max(sent.at + asked.delay_ms, asked.deliver_at);
  const auto ends = asked.expires_at != 0 ? asked.expires_at : life != 0 ? began + life : 0;
  expect(lease == 0 || sent.revoked || asked.scheduled || ends == 0 || ends > now,
         "promise 9: {} comes at {}, and was to live until {}", number, now, ends);

  // 8. Together.
  if (copy.input_of != 0) did_not_happen(std::exchange(copy.input_of, 0));
  sent.there = true;
  if (sent.group != 0) happened(sent.group);

  sent.came = true;
  copy.number = number;
  ++copy.deliveries;
  if (asked.once) copy.end_asked = true;
  if (lease == 0) return;
  copy.held = lease;
  held_[lease] = holding;
}

// One of them is there: so all are, and what they were made of is settled.
void Promises::happened(std::size_t group) {
  for (const auto number : together_[group].numbers) {
    auto& sent = sent_.at(number);
    expect(!sent.refused, "promise 8: {} did not happen, and what belongs to it did", number);
    sent.there = true;
    sent.group = 0;
  }
  if (const auto& input = together_[group].input) acknowledged(*input);
}

// The input comes again: so none of the outputs is there.
void Promises::did_not_happen(std::size_t group) {
  for (const auto number : together_[group].numbers) {
    auto& sent = sent_.at(number);
    if (sent.group == group) sent.refused = true;
  }
}

void Promises::crash() {
  while (!held_.empty()) let_go(held_.begin()->first);
  groups_held_.clear();
  ++life_;
}

// 2. What was confirmed is not lost.
void Promises::drained() const {
  for (const auto& [number, sent] : sent_) {
    if (!sent.there || sent.revoked || sent.asked.scheduled || sent.asked.transient) continue;
    if (sent.ids.empty()) {
      expect(sent.asked.once || may_have_died(sent, {}), "promise 8: {} belongs to what is there, and never came",
             number);
      continue;
    }
    const auto found = copies_.find(*sent.ids.begin());
    const auto copy = found == copies_.end() ? Copy{} : found->second;
    // At most once, it may have been lost on its way out.
    expect(copy.acked || copy.end_asked || sent.asked.once || may_have_died(sent, copy),
           "promise 2: {} was confirmed, came {} times, and is lost", number, copy.deliveries);
  }
}

// --- What can be said of a message
// ------------------------------------------------------------------------------------

/// Waits its turn among its sender's others, or its group's.
bool Promises::is_plain(const Sent& sent) const {
  const auto& asked = sent.asked;
  return !asked.once && !asked.transient && asked.key == 0 && asked.deliver_at <= sent.at && asked.delay_ms == 0 &&
         !asked.routed && !asked.scheduled && !sent.revoked;
}

/// Whether it may have become a dead letter, which may have been purged since.
bool Promises::may_have_died(const Sent& sent, const Copy& copy) const {
  const auto& asked = sent.asked;
  const auto own = asked.retry ? asked.retry->attempts : 0u;
  const bool timed = asked.expires_at != 0 || asked.ttl_ms.value_or(options_.mailbox.default_ttl_ms.ms) != 0;
  const auto& guard = options_.guard;
  const bool guarded = asked.caused && (guard.hops_max < GuardLimits{}.hops_max || guard.pair_per_minute != 0 ||
                                        guard.conversation_per_minute != 0);
  return timed || guarded || asked.routed || dropping_.contains(asked.mailbox) ||
         copy.deliveries >= (own != 0 ? own : attempts_least_);
}

}  // namespace folkmoot::simulation
