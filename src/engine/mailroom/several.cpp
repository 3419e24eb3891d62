// Several messages in one command.
#include <fmt/format.h>

#include <algorithm>

#include "engine/checks.hpp"
#include "engine/mailroom/publishing.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

Error of_message(std::size_t index, const Error& error) {
  return {error.code, fmt::format("message {}: {}", index, error.text)};
}

}  // namespace

void Publishing::publish_batch(Session& session, RequestNumber request, bool quiet,
                               std::span<const Result<IncomingMessage>> messages) {
  const Asker caller{session.id, request};
  const auto batch = to_.replies.open_batch();
  bool refused = false;
  for (const auto& message : messages) {
    if (!message || (is_now(message->routing) && !wants_keeping(message->routing))) {
      auto done = message ? publish_now(session, *message) : std::unexpected(message.error());
      refused |= !done.has_value();
      to_.replies.add(batch, std::move(done));
      continue;
    }
    const auto place = to_.replies.add(batch, Confirm{});
    const ConfirmTo to{.caller = caller, .quiet = true, .batch = batch, .place = place};
    Result<void> done;
    if (wants_keeping(message->routing)) {
      done = to_.announcer.publish_kept(session, *message, to);
    } else if (auto accepted = accept(session, *message, {}, to); !accepted) {
      done = std::unexpected(std::move(accepted.error()));
    }
    if (done) continue;
    refused = true;
    to_.replies.refuse(batch, place, std::move(done.error()));
  }
  to_.ledger.when_or_now({}, waiting::Batch{.to = caller, .quiet = quiet && !refused, .batch = batch});
}

Result<std::vector<Prepared>> Publishing::prepare_all(Session& session,
                                                      std::span<const Result<IncomingMessage>> messages,
                                                      const Lineage* caused) {
  std::vector<Prepared> all;
  all.reserve(messages.size());
  std::vector<NameId> boxes;
  CommandTally together;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i]) return std::unexpected(of_message(i, messages[i].error()));
    const auto& message = *messages[i];
    if (is_now(message.routing)) {
      auto prepared = prepare_now(session, message, caused);
      if (!prepared) return std::unexpected(of_message(i, prepared.error()));
      all.push_back(std::move(*prepared));
      continue;
    }
    auto prepared = prepare(session, message, caused, &together);
    if (!prepared) return std::unexpected(of_message(i, prepared.error()));
    if (prepared->keyed && !prepared->is_duplicate())
      together.keys.emplace(prepared->key.low, CommandTally::KeyUser{i, prepared->mailbox});
    if (prepared->lives() && !prepared->is_duplicate()) boxes.push_back(prepared->mailbox);
    all.push_back(std::move(*prepared));
  }
  std::ranges::sort(boxes);
  for (auto at = boxes.begin(); at != boxes.end();) {
    const auto end = std::find_if(at, boxes.end(), [&](auto box) { return box != *at; });
    const auto more = static_cast<std::uint64_t>(end - at);
    if (auto room = check_room(shelves_.mailboxes[*at], more); !room) return std::unexpected(std::move(room.error()));
    at = end;
  }
  return all;
}

Result<Prepared> Publishing::prepare_now(Session& session, const IncomingMessage& message, const Lineage* caused) {
  if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  if (const auto sender = sender_of(to_.names, session, message); !sender) return std::unexpected(sender.error());
  Prepared prepared{.message = &message};
  if (caused == nullptr) return prepared;
  if (message.routing.topic.empty()) {
    const auto answerer = to_.responder.check_output(session, message, *caused);
    if (!answerer) return std::unexpected(answerer.error());
    prepared.answerer = *answerer;
  }
  prepared.lineage = std::make_unique<Lineage>(*caused);
  to_.causality.hand_on_trace(prepared);
  return prepared;
}

void Publishing::commit_of(std::vector<Prepared>& all, std::size_t place, const ConfirmTo& to) {
  auto& prepared = all[place];
  if (prepared.repeats) prepared.first = all[*prepared.repeats].first;
  const auto key = commit(prepared, {}, to);
  if (key != 0) prepared.first = key;
}

void Publishing::publish_atomic(Session& session, RequestNumber request, bool quiet,
                                std::span<const Result<IncomingMessage>> messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i] && is_now(messages[i]->routing)) {
      return to_.replies.refuse(
          {session.id, request},
          of_message(i, {ErrorCode::invalid_field, "an atomic batch takes messages to mailboxes only"}));
    }
  }
  auto prepared = prepare_all(session, messages, nullptr);
  if (!prepared) return to_.replies.refuse({session.id, request}, prepared.error());
  Draft draft;
  for (const auto& each : *prepared) draft.add(measure(each, {}));
  if (draft.bytes() > to_.ledger.group_bytes_max()) {
    return to_.replies.refuse(
        {session.id, request},
        {ErrorCode::content_too_large, fmt::format("an atomic batch may have {} bytes in all; this has {}",
                                                   to_.ledger.group_bytes_max(), draft.bytes())});
  }
  // Before the group begins: what is dropped for new ones is a fact of its own.
  if (!make_room(*prepared, Urgency::durable, draft)) {
    return to_.replies.refuse({session.id, request}, {ErrorCode::disk_full, "the disk has no room for the batch"});
  }
  const auto slot = to_.replies.open_batch();
  {
    const Post::Group group(post_, to_.ledger, draft);
    for (std::size_t i = 0; i < prepared->size(); ++i) {
      commit_of(
          *prepared, i,
          {.caller = {session.id, request}, .quiet = true, .batch = slot, .place = to_.replies.add(slot, Confirm{})});
    }
  }
  to_.ledger.when_or_now({}, waiting::Batch{.to = {session.id, request}, .quiet = quiet, .batch = slot});
}

// What complete() will do.
struct Publishing::Plan {
  Lineage caused;
  std::vector<Prepared> outputs;
  Draft draft;
};

Result<Publishing::Plan> Publishing::plan(Session& session, const Lease& lease,
                                          std::span<const Result<IncomingMessage>> outputs) {
  const auto id = make_uuid({.key = lease.entry.key, .mailbox = lease.mailbox, .node = to_.run.node()});
  Plan plan{.caused = to_.causality.caused_by(id, shelves_.bytes_of(lease.entry), lease.entry.deliveries + 1u),
            .outputs = {},
            .draft = {}};
  const auto& silent = plan.caused.silent_for;
  for (std::size_t i = 0; i < outputs.size() && !silent.empty(); ++i) {
    if (!outputs[i] || outputs[i]->routing.to != silent) continue;
    return std::unexpected(of_message(i, {ErrorCode::no_reply_wanted, fmt::format("{} expects no reply", silent)}));
  }
  auto prepared = prepare_all(session, outputs, &plan.caused);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  plan.outputs = std::move(*prepared);
  plan.draft.add(sizeof(MessageRef));
  std::size_t held = 0;
  // Settling alone may use the reserve, new messages may not.
  auto urgency = Urgency::settling;
  for (const auto& each : plan.outputs) {
    if (each.mailbox == 0) {
      held += Outputs::bytes_max(*each.message);
      if (Causality::has_costs(*each.message)) Causality::measure_costs(*each.message, plan.draft);
      continue;
    }
    plan.draft.add(measure(each, {}));
    urgency = Urgency::durable;
  }
  const auto most = to_.ledger.group_bytes_max();
  if (plan.draft.bytes() > most) {
    return failure(ErrorCode::content_too_large,
                   fmt::format("the outputs may have {} bytes in all; these have {}", most, plan.draft.bytes()));
  }
  if (!to_.transient.has_room(held))
    return failure(ErrorCode::busy, "too many answers wait for the disk: the lease stays");
  if (!make_room(plan.outputs, urgency, plan.draft))
    return failure(ErrorCode::disk_full, "no room to keep the outputs: the lease stays");
  return plan;
}

void Publishing::complete(Session& session, RequestNumber request, LeaseToken token,
                          std::span<const Result<IncomingMessage>> outputs) {
  const Asker caller{session.id, request};
  const auto slot = dispatch_.leases.find(token);
  if (slot == kNoSlot || !to_.sessions.may_act_for(session.id, dispatch_.leases[slot].holder)) {
    return to_.replies.refuse(
        caller, {ErrorCode::lease_lost, "the lease is not current: nothing was settled, nothing published"});
  }
  auto plan = this->plan(session, dispatch_.leases[slot], outputs);
  if (!plan) return to_.replies.refuse(caller, plan.error());
  const auto batch = to_.replies.open_batch();
  const auto lease = dispatch_.end_lease(slot);
  auto& mailbox = shelves_.mailboxes[lease.mailbox];
  shelves_.note_read(mailbox);
  Durable settled;
  {
    const Post::Group group(post_, to_.ledger, plan->draft);
    // Settled first: in the order of the log, that is what the outputs wait for.
    const MessageRef ref(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
    settled = Durable(to_.ledger.note(FactKind::message_settled, {bytes_of(ref)}));
    for (std::size_t i = 0; i < plan->outputs.size(); ++i) {
      const ConfirmTo to{.caller = caller, .quiet = true, .batch = batch, .place = to_.replies.add(batch, Confirm{})};
      if (plan->outputs[i].mailbox != 0) {
        commit_of(plan->outputs, i, to);
        continue;
      }
      const auto& message = *plan->outputs[i].message;
      const auto sender = sender_of(to_.names, session, message);
      FOLKMOOT_ASSERT(sender.has_value());  // prepare_all() has seen to it
      if (Causality::has_costs(message)) to_.causality.sum_costs(message);
      to_.outputs.hold(settled, to, *sender, message, plan->caused, plan->outputs[i].answerer);
    }
    settling_.leave(mailbox, lease);
  }
  ++to_.counters.completed;
  ++to_.counters.acknowledged;
  to_.ledger.when_or_now(settled, waiting::Batch{.to = caller, .quiet = false, .batch = batch});
}

}  // namespace folkmoot
