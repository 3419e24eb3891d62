// Settling, taking back, and dead letters by hand.
#include <algorithm>

#include "message/pack.hpp"
#include "simulation/agents.hpp"

namespace folkmoot::simulation {

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
  mine.held_ids = promises_.held(tokens, engine_->now().ms);
  mine.max = 1;  // an ack: its messages must never come again
  const auto request = session.next_request++;
  session.asks[request] = mine;
  model_.settling = {tokens.begin(), tokens.end()};
  const auto settled = in_hands(tokens);
  call([&] { engine_->ack(session.id, request, quiet, tokens); });
  model_.settling.clear();
  note_settled(tokens, Promises::End::acked);
  if (!refused_) note_settled_requests(settled);
  if (silent) session.asks.erase(request);
}

void Agents::nack(AgentSession& session, const std::vector<LeaseToken>& tokens, std::int64_t delay_ms, bool quiet) {
  model_.nack_delay = delay_ms;
  settle_failed(session, tokens, quiet, [&](RequestNumber request) {
    engine_->nack(session.id, request, quiet, tokens, Duration{delay_ms}, "no time");
  });
}

void Agents::reject(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet) {
  model_.rejecting = true;
  settle_failed(session, tokens, quiet,
                [&](RequestNumber request) { engine_->reject(session.id, request, quiet, tokens, "not mine"); });
  model_.rejecting = false;
}

void Agents::settle_failed(AgentSession& session, const std::vector<LeaseToken>& tokens, bool quiet,
                           const std::function<void(RequestNumber request)>& command) {
  const auto mine = settle(session, tokens);
  const auto request = session.next_request++;
  session.asks[request] = mine;
  model_.settling = {tokens.begin(), tokens.end()};
  call([&] { command(request); });
  model_.settling.clear();
  note_settled(tokens, model_.rejecting ? Promises::End::given_up : Promises::End::given_back);
  if (quiet && mine.refused.empty()) session.asks.erase(request);
  for (const auto token : tokens) expect(leases_.find(token) == nullptr, "a lease lives on after it was given up");
}

void Agents::note_settled(const std::vector<LeaseToken>& tokens, Promises::End how) {
  if (refused_) return;
  for (const auto token : tokens) promises_.settling(token, how, engine_->now().ms);
}

const ModelMessage* Agents::any_message(const std::function<bool(const ModelMessage&)>& fits) {
  std::vector<const ModelMessage*> some;
  for (const auto& [key, message] : model_.messages()) {
    if (!message.asked.transient && fits(message)) some.push_back(&message);
  }
  return some.empty() ? nullptr : random_.pick(some);
}

void Agents::cancel_message(AgentSession& session, bool settles) {
  const auto* const message = any_message([](const ModelMessage&) { return true; });
  if (message == nullptr) return;
  const auto key = message->key;
  auto& mine = ask(session, Ask::Kind::cancel);
  mine.numbers = {message->number};
  mine.settled = message->waits();
  const auto request = session.next_request++;
  model_.cancelling = message->number;
  model_.settling_by_id = settles;
  const auto content = message->content;
  call([&] {
    if (!settles) return engine_->settling().cancel({session.id, request}, message->id);
    engine_->settling().settle({session.id, request}, {.id = message->id, .text = kResultText, .is_kept = true});
  });
  model_.cancelling = 0;
  model_.settling_by_id = false;
  if (!refused_ && promises_.knows(content)) promises_.taking_back(content);
  if (!session.asks.contains(request)) return;
  const auto* const now = model_.find_key(key);
  expect(now == nullptr || now->stand == Stand::gone, "a message was taken back and is still there");
  rules_.saw(settles ? Rule::message_settled_by_id : Rule::message_cancelled_by_id);
}

void Agents::purge(AgentSession& session, std::size_t mailbox, std::size_t limit) {
  auto& mine = ask(session, Ask::Kind::purge);
  const auto request = session.next_request++;
  const auto before = model_.count(Stand::dead);
  model_.purging = true;
  call([&] { engine_->dead().purge({session.id, request}, DeadQuery{.mailbox = model_.names()[mailbox]}, limit); });
  model_.purging = false;
  const auto purged = before - model_.count(Stand::dead);
  expect(purged <= limit, "{} dead letters were purged instead of {}", purged, limit);
  if (session.asks.contains(request)) mine.max = static_cast<std::uint32_t>(purged);
}

// A dead letter as it comes again: fresh, and without the causes if those were too many.
Published Agents::sent_again(const ModelMessage& dead) const {
  auto again = dead.asked;
  again.key = 0;
  again.deliver_at = again.delay_ms = again.expires_at = 0;
  again.tokens = 0;  // added when it was sent first
  again.routed.reset();
  again.handed_on.clear();  // nobody waits there by then
  if (dead.doom == DeadReason::guard) again.caused.reset();
  return again;
}

void Agents::resubmit(AgentSession& session) {
  if (model_.checkers.redrives.any()) return;  // either may be the first to take a dead letter
  const auto* const dead = any_message([](const ModelMessage& message) { return message.stand == Stand::dead; });
  if (dead == nullptr) return;
  const auto key = dead->key;
  auto& mine = ask(session, Ask::Kind::publish);
  auto again = sent_again(*dead);
  if (dead->asked.mailbox == model_.unrouted()) {
    if (model_.checkers.routes.any()) route(again);
    if (!again.routed || again.routed->empty()) mine.error = ErrorCode::no_recipient;
    if (!mine.error) rules_.saw(Rule::routed_anew);
  }
  mine.numbers = {model_.add(again)};
  mine.resend_of = dead->number;
  const auto number = mine.numbers[0];
  const auto request = session.next_request++;
  auto& job = model_.checkers.redrives.begin({session.id, request});
  job.order = {key};
  if (promises_.knows(dead->content)) promises_.taking_back(dead->content);
  job.becomes = {{key, number}};
  model_.together().begin();
  call([&] { engine_->resubmit(session.id, request, dead->id, {}); });
  model_.together().end();
  model_.checkers.redrives.end({session.id, request});
  if (!session.asks.contains(request)) return;
  expect(
      model_.find(number) != nullptr && (model_.find_key(key) == nullptr || model_.find_key(key)->stand == Stand::gone),
      "a dead letter was sent again, and is still dead or not sent");
}

void Agents::redrive(AgentSession& session, std::size_t mailbox, std::optional<std::size_t> to, std::uint32_t limit,
                     std::uint32_t per_second) {
  if (model_.checkers.redrives.any()) return;
  ask(session, Ask::Kind::redrive);
  const auto request = session.next_request++;
  auto& job = model_.checkers.redrives.begin({session.id, request});
  job.began = engine_->now().ms;
  job.per_second = per_second;
  for (const auto key : model_.mailbox(mailbox).dead) {
    if (limit != 0 && job.order.size() >= limit) break;
    const auto& dead = *model_.find_key(key);
    auto again = sent_again(dead);
    if (promises_.knows(dead.content)) promises_.taking_back(dead.content);
    if (to) again.mailbox = *to, again.changed = true;
    job.order.push_back(key);
    job.becomes[key] = model_.add(again);
  }
  std::string changes;
  if (to) PackWriter(changes).map(1).uint(static_cast<std::uint64_t>(Field::to)).str(model_.names()[*to]);
  const RedriveCommand command{.query = {.mailbox = model_.names()[mailbox]},
                               .how = {.changes = as_bytes(changes)},
                               .limit = limit,
                               .per_second = per_second};
  call([&] { engine_->redrive(session.id, request, command); });
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
      lease->session = lease->taker = session.id;
      lease->agent = session.agent;
      rules_.saw(Rule::lease_bound_again);
    } else {
      lease->deadline = engine_->now().ms + lease_ms;
      rules_.saw(Rule::lease_extended);
    }
  }
  const auto request = session.next_request++;
  session.asks[request] = mine;
  call([&] { engine_->extend(session.id, request, false, tokens, Duration{lease_ms}); });
  if (refused_) return;
  for (const auto token : tokens) {
    const auto now = engine_->now().ms;
    lease_ms == 0 ? promises_.extending(token, session.id, 0, now) : promises_.extending(token, 0, now + lease_ms, now);
  }
}

}  // namespace folkmoot::simulation
