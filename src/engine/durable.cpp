// What the disk has taken: confirmations, messages that become ready, answers to settlements.
#include <fmt/format.h>

#include "engine/engine.hpp"

namespace folkmoot {

Confirm Engine::confirm_of(const AcceptedFact& fact) {
  const auto& mailbox = parties_.mailbox(fact.mailbox);
  Confirm confirm{.id = make_uuid({.key = fact.key, .mailbox = fact.mailbox, .node = node_}),
                  .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(mailbox.unread(), ~0u)),
                  .outcome = fact.dead != DeadReason::none                           ? PublishOutcome::dead
                             : fact.not_before > now_                                ? PublishOutcome::scheduled
                             : !mailbox.consumers_ready.empty() && !mailbox.is_stray ? PublishOutcome::offered
                                                                                     : PublishOutcome::queued,
                  .zero = {},
                  .age_ms = kNeverRead};
  if (mailbox.last_read >= 0)
    confirm.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_ - mailbox.last_read));
  return confirm;
}

// What became of the first message with this key.
Confirm Engine::confirm_duplicate(const AcceptedFact& first) {
  auto confirm = confirm_of(first);
  confirm.outcome = PublishOutcome::duplicate;
  confirm.state = receipt(confirm.id).state;
  return confirm;
}

// A message that was dead when it came: it tripped a guard, or no route fitted.
void Engine::enter_stillborn(const Pending& item) {
  const auto& fact = item.fact;
  auto& mailbox = parties_.mailbox(fact.mailbox);
  const QueuedMessage message{Entry(fact.key, item.place, fact.priority, fact.flags & Entry::kRefers), fact.sender};
  // Its death is in the same group of facts.
  const auto body = log_.read(item.dead_place);
  if (!body) effects_.unreadable(body.error());
  const auto at = load<DeadFact>(body->data()).at;
  const std::string text(as_text(body->subspan(sizeof(DeadFact))));
  enter_dead(mailbox, message, fact.dead, at, item.dead_place);
  tell_of_dead(mailbox, message, fact.dead, text);
  bound_dead(mailbox);
}

void Engine::on_durable(Lsn end) {
  while (!pending_.empty() && pending_.front().lsn < end) {
    auto item = std::move(pending_.front());
    pending_.pop();
    resolve(item);
  }
}

void Engine::answer_confirm(const Pending& item, const Confirm& confirm) {
  if (item.in_batch) {
    store(batches_[item.batch].body.data() + item.offset, confirm);
  } else if (!item.quiet) {
    effects_.confirm(item.session, item.request, confirm);
  }
}

// An output of complete(), kept until its settlement was durable. Whoever waited for it may have gone meanwhile: then
// it is for nobody.
void Engine::publish_held(const Pending& item) {
  const auto slot = static_cast<std::uint32_t>(item.place.lsn);
  const std::string bytes(as_text(transient_.get(slot)));
  transient_.drop(slot);
  IncomingMessage message;
  const auto read = read_routing(as_bytes(bytes), message.routing);
  FOLKMOOT_ASSERT(read.has_value());
  message.envelope = as_bytes(bytes).first(message.routing.bytes);
  message.content = as_bytes(bytes).subspan(message.routing.bytes);
  const Lineage lineage{.cause = message.routing.cause,
                        .hops = message.routing.hops,
                        .chain = std::string(as_text(message.routing.chain))};
  const auto& from = parties_[item.fact.sender].name;
  if (!message.routing.topic.empty()) return answer_confirm(item, publish_event(item.session, from, message, &lineage));
  const auto done = respond(from, message, &lineage, true);
  answer_confirm(
      item, done ? *done : Confirm{.id = {}, .count = 0, .outcome = PublishOutcome::sent, .zero = {}, .age_ms = 0});
}

void Engine::resolve(Pending& item) {
  switch (item.kind) {
    case Pending::Kind::started:
      handing_out_ = true;
      break;
    case Pending::Kind::accepted: {
      ++counters_.confirmed;
      if (item.fact.dead != DeadReason::none) {
        enter_stillborn(item);
        if (item.in_batch || !item.quiet) answer_confirm(item, confirm_of(item.fact));
        break;
      }
      --parties_.mailbox(item.fact.mailbox).pending;
      --counters_.pending;
      if (item.fact.flags & Entry::kGrouped) {
        const Entry entry(item.fact.key, item.place, item.fact.priority, 0);
        const std::string group(group_of(entry));
        enter_accepted(item.fact, item.place, group);
      } else {
        enter_accepted(item.fact, item.place, {});
      }
      if (item.in_batch || !item.quiet) answer_confirm(item, confirm_of(item.fact));
      break;
    }
    case Pending::Kind::duplicate: {
      const auto first = confirm_duplicate(item.fact);
      if (!item.is_request) {
        answer_confirm(item, first);
        break;
      }
      refuse(item.session, item.request,
             {ErrorCode::already_exists,
              fmt::format("its `key` was used for message {}, which is {}: the response goes to who asked first",
                          first.id.text(), name(first.state))});
      break;
    }
    case Pending::Kind::output:
      publish_held(item);
      break;
    case Pending::Kind::settled:
      if (!item.quiet || !item.refused.empty()) effects_.settled(item.session, item.request, item.batch, item.refused);
      break;
    case Pending::Kind::handed_out: {
      // At most once: the log knows that it went out, now it may.
      const Entry entry(item.fact.key, item.place, item.fact.priority, Entry::kOnce | Entry::kTransient);
      if (auto* session = find_session(item.session)) {
        ++counters_.delivered;
        const bool more = effects_.deliver(item.session, {.request = item.request,
                                                          .delivery = 1,
                                                          .lease = 0,
                                                          .redelivered = false,
                                                          .of_mailbox = true,
                                                          .message = bytes_of_message(entry)});
        if (!more) set_unwritable(*session);
      }
      transient_.drop(static_cast<std::uint32_t>(entry.place().lsn));
      settled_.add(entry.key, {.at = now_,
                               .silent_for = item.fact.flags & AcceptedFact::kSilent ? item.fact.sender : 0,
                               .deliveries = 1,
                               .hops = item.fact.hops});
      leave_group(parties_.mailbox(item.fact.mailbox), Entry(item.fact.key, {}, item.fact.priority, item.fact.flags));
      break;
    }
    case Pending::Kind::batch: {
      if (!item.quiet) effects_.done(item.session, item.request, as_bytes(batches_[item.batch].body));
      batches_.erase(item.batch);
      break;
    }
    case Pending::Kind::received:
      effects_.done(item.session, item.request, bytes_of(item.batch));
      break;
    case Pending::Kind::contents:
      remove_idle_contents();
      break;
    case Pending::Kind::redrive:
      if (!ends_redrives_ && redrives_.holds(item.batch) && redrives_[item.batch]->number == item.fact.key)
        redrive_some(item.batch);
      break;
    case Pending::Kind::done:
      effects_.done(item.session, item.request, {});
      break;
  }
}

}  // namespace folkmoot
