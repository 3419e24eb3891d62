// Several messages in one command: batches, of which each message stands for itself; atomic ones; and complete(), which
// settles a message and publishes what came of it. All or none is one group of facts in the log.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"
#include "message/limits.hpp"

namespace folkmoot {
namespace {

Error of_message(std::size_t index, const Error& error) {
  return {error.code, fmt::format("message {}: {}", index, error.text)};
}

}  // namespace

// The answer to several messages grows in a batch: for each a u16 of 0 and a Confirm, or an error's code, length and
// text.
std::uint32_t Engine::open_batch(SessionId session, std::uint32_t request) {
  return batches_.insert({.session = session, .request = request, .body = {}});
}

void Engine::add_error(std::uint32_t batch, const Error& error) {
  ++counters_.refused;
  const auto code = static_cast<std::uint16_t>(error.code);
  const auto text = std::string_view(error.text).substr(0, 60'000);
  const auto bytes = static_cast<std::uint16_t>(text.size());
  batches_[batch].body.append(as_text(bytes_of(code))).append(as_text(bytes_of(bytes))).append(text);
}

// Returns where the Confirm stands.
std::uint32_t Engine::add_confirm(std::uint32_t batch, const Confirm& confirm) {
  const std::uint16_t done = 0;
  auto& body = batches_[batch].body;
  body.append(as_text(bytes_of(done)));
  const auto at = static_cast<std::uint32_t>(body.size());
  body.append(as_text(bytes_of(confirm)));
  return at;
}

void Engine::publish_batch(SessionId id, std::uint32_t request, bool quiet,
                           std::span<const Result<IncomingMessage>> messages) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto slot = open_batch(id, request);
  bool refused = false;
  for (const auto& message : messages) {
    if (!message) {
      refused = true;
      add_error(slot, message.error());
      continue;
    }
    if (is_now(message->routing)) {
      const auto done = publish_now(*session, *message);
      if (done) {
        add_confirm(slot, *done);
      } else {
        refused = true;
        add_error(slot, done.error());
      }
      continue;
    }
    const auto start = batches_[slot].body.size();
    const auto offset = add_confirm(slot, {});
    const auto done = accept(*session, *message, {},
                             {.session = id,
                              .request = request,
                              .kind = Pending::Kind::accepted,
                              .quiet = true,
                              .in_batch = true,
                              .batch = slot,
                              .offset = offset});
    if (!done) {
      refused = true;
      batches_[slot].body.resize(start);
      add_error(slot, done.error());
    }
  }
  push_pending(
      {.session = id, .request = request, .kind = Pending::Kind::batch, .quiet = quiet && !refused, .batch = slot});
}

// All of them looked up and checked, and all together have room.
Result<std::vector<Prepared>> Engine::prepare_all(Session& session, std::span<const Result<IncomingMessage>> messages,
                                                  const Lineage* caused) {
  std::vector<Prepared> all;
  all.reserve(messages.size());
  std::vector<std::uint32_t> boxes;
  CommandTally together;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i]) return std::unexpected(of_message(i, messages[i].error()));
    const auto& message = *messages[i];
    if (is_now(message.routing)) {
      // Its own errors now, as it can have none later.
      if (auto good = check_now(message); !good) return std::unexpected(of_message(i, good.error()));
      if (auto good = check_content(message); !good) return std::unexpected(of_message(i, good.error()));
      if (const auto sender = sender_of(session, message); !sender)
        return std::unexpected(of_message(i, sender.error()));
      all.push_back({.message = &message});
      if (caused == nullptr) continue;
      all.back().lineage = std::make_unique<Lineage>(*caused);
      hand_on_trace(all.back());
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
    if (auto room = check_room(parties_.mailbox(*at), more); !room) return std::unexpected(std::move(room.error()));
    at = end;
  }
  return all;
}

// One of a command's messages, those before it done. A copy of one of them is answered with that one, whose key may be
// forgotten by now for those of others between.
void Engine::commit_of(std::vector<Prepared>& all, std::size_t place, Pending&& as) {
  auto& prepared = all[place];
  if (prepared.repeats) prepared.first = all[*prepared.repeats].first;
  const auto key = commit(prepared, {}, std::move(as));
  if (key != 0) prepared.first = key;
}

void Engine::publish_atomic(SessionId id, std::uint32_t request, bool quiet,
                            std::span<const Result<IncomingMessage>> messages) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i] && is_now(messages[i]->routing)) {
      return refuse(id, request,
                    of_message(i, {ErrorCode::invalid_field, "an atomic batch takes messages to mailboxes only"}));
    }
  }
  auto prepared = prepare_all(*session, messages, nullptr);
  if (!prepared) return refuse(id, request, std::move(prepared.error()));
  GroupBound bound;
  for (const auto& each : *prepared) bound += each.bound();
  if (bound.bytes() > log_.group_bytes_max()) {
    return refuse(id, request,
                  {ErrorCode::content_too_large, fmt::format("an atomic batch may have {} bytes in all; this has {}",
                                                             log_.group_bytes_max(), bound.bytes())});
  }
  // Before the group begins: what is dropped for new ones is a fact of its own.
  if (!make_room(*prepared, FactLog::Urgency::durable, bound)) {
    return refuse(id, request, {ErrorCode::disk_full, "the disk has no room for the batch"});
  }
  const auto slot = open_batch(id, request);
  {
    const CommitGroup group(*this, bound);
    for (std::size_t i = 0; i < prepared->size(); ++i) {
      commit_of(*prepared, i,
                {.session = id,
                 .request = request,
                 .kind = Pending::Kind::accepted,
                 .quiet = true,
                 .in_batch = true,
                 .batch = slot,
                 .offset = add_confirm(slot, {})});
    }
  }
  push_pending({.session = id, .request = request, .kind = Pending::Kind::batch, .quiet = quiet, .batch = slot});
}

void Engine::complete(SessionId id, std::uint32_t request, LeaseToken token,
                      std::span<const Result<IncomingMessage>> outputs) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  auto slot = leases_.find(token);
  if (slot == kNoSlot) {
    return refuse(id, request,
                  {ErrorCode::lease_lost, "the lease is not current: nothing was settled, nothing published"});
  }
  const auto caused = caused_by(leases_[slot]);
  if (!caused.silent_for.empty()) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] && outputs[i]->routing.to == caused.silent_for) {
        return refuse(
            id, request,
            of_message(i, {ErrorCode::no_reply_wanted, fmt::format("{} expects no reply", caused.silent_for)}));
      }
    }
  }
  auto prepared = prepare_all(*session, outputs, &caused);
  if (!prepared) return refuse(id, request, std::move(prepared.error()));
  GroupBound bound{.facts = 1, .body_bytes = sizeof(MessageRef)};
  std::size_t held = 0;
  // Settling alone may use the reserve, new messages may not.
  auto urgency = FactLog::Urgency::settling;
  for (const auto& each : *prepared) {
    if (each.mailbox == 0) {
      held += each.message->envelope.size() + kStampBytesMax + each.message->content.size();
      if (has_costs(*each.message))
        bound += {.facts = 1, .body_bytes = sizeof(ConversationFact) + each.message->routing.conversation.size()};
      continue;
    }
    bound += each.bound();
    urgency = FactLog::Urgency::durable;
  }
  if (bound.bytes() > log_.group_bytes_max()) {
    return refuse(id, request,
                  {ErrorCode::content_too_large, fmt::format("the outputs may have {} bytes in all; these have {}",
                                                             log_.group_bytes_max(), bound.bytes())});
  }
  if (!transient_.has_room(held))
    return refuse(id, request, {ErrorCode::busy, "too many answers wait for the disk: the lease stays"});
  if (!make_room(*prepared, urgency, bound)) {
    return refuse(id, request, {ErrorCode::disk_full, "no room to keep the outputs: the lease stays"});
  }

  const auto batch = open_batch(id, request);
  const auto lease = end_lease(slot);
  auto& mailbox = parties_.mailbox(lease.mailbox);
  mailbox.last_read = now_;
  {
    const CommitGroup group(*this, bound);
    // Settled first: in the order of the log, that is what the outputs wait for.
    const MessageRef ref(lease.entry.key, lease.mailbox, lease.sender, lease.entry.priority);
    last_fact_ = 0;
    append_fact(FactKind::message_settled, {bytes_of(ref)});
    for (std::size_t i = 0; i < prepared->size(); ++i) {
      const auto& each = (*prepared)[i];
      if (each.mailbox == 0) {
        const auto sender = sender_of(*session, *each.message);
        FOLKMOOT_ASSERT(sender.has_value());  // prepare_all() has seen to it
        if (has_costs(*each.message)) sum_conversation(*each.message);
        hold_output({.session = id, .quiet = true, .in_batch = true, .batch = batch, .offset = add_confirm(batch, {})},
                    *sender, *each.message, caused);
        continue;
      }
      commit_of(*prepared, i,
                {.session = id,
                 .request = request,
                 .kind = Pending::Kind::accepted,
                 .quiet = true,
                 .in_batch = true,
                 .batch = batch,
                 .offset = add_confirm(batch, {})});
    }
    leave(mailbox, lease.entry, ReceiptState::acknowledged, lease.entry.deliveries + 1u, &lease);
  }
  ++counters_.completed;
  ++counters_.acknowledged;
  push_pending({.lsn = last_fact_,
                .session = id,
                .request = request,
                .kind = Pending::Kind::batch,
                .quiet = false,
                .batch = batch});
}

// What needs no disk itself, an event or the response to a request, and waits for the fact appended last: it goes out
// when that is durable. Requires: transient_ has room for it.
void Engine::hold_output(Pending&& as, std::uint32_t sender, const IncomingMessage& message, const Lineage& lineage) {
  // Kept as it will be read again: with its causes, which may no longer be known by then.
  std::string envelope(message.envelope.size() + kStampBytesMax, '\0');
  envelope.resize(stamp(message.envelope, message.routing,
                        stamp_of(message.routing.id, parties_[sender].name, {}, {}, &lineage),
                        reinterpret_cast<std::uint8_t*>(envelope.data())));
  as.kind = Pending::Kind::output;
  as.lsn = last_fact_;
  as.place = {transient_.put(as_bytes(envelope), message.content), 0};
  as.fact = {.sender = sender};
  push_pending(std::move(as));
}

}  // namespace folkmoot
