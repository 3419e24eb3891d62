// What the disk has taken: confirmations, messages that become ready, answers to settlements.
#include "engine/engine.hpp"

namespace folkmoot {

Confirm Engine::confirm_of(const AcceptedFact& fact) {
  const auto& mailbox = parties_.mailbox(fact.mailbox);
  Confirm confirm{.id = make_uuid({.key = fact.key, .mailbox = fact.mailbox, .node = node_}),
                  .count = static_cast<std::uint32_t>(std::min<std::uint64_t>(mailbox.unread(), ~0u)),
                  .outcome = fact.not_before > now_ ? PublishOutcome::scheduled
                             : mailbox.consumers_ready > 0 ? PublishOutcome::offered
                                                           : PublishOutcome::queued,
                  .zero = {},
                  .age_ms = kNeverRead};
  if (mailbox.last_read >= 0) confirm.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_ - mailbox.last_read));
  return confirm;
}

void Engine::on_durable(Lsn end) {
  while (!pending_.empty() && pending_.front().lsn < end) {
    auto& item = pending_.front();
    switch (item.kind) {
      case Pending::Kind::started: handing_out_ = true; break;
      case Pending::Kind::accepted: {
        auto& mailbox = parties_.mailbox(item.fact.mailbox);
        --mailbox.pending;
        --counters_.pending;
        enter_accepted(item.fact, item.place);
        ++counters_.confirmed;
        if (item.in_batch) {
          const auto confirm = confirm_of(item.fact);
          store(batches_[item.batch].body.data() + item.offset, confirm);
        } else if (!item.quiet) {
          effects_.confirm(item.session, item.request, confirm_of(item.fact));
        }
        break;
      }
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
                                                            .message = bytes_of_message(entry)});
          if (!more) set_unwritable(*session);
        }
        leave(entry, false, 1);
        settled_.add(entry.key, {now_, 1});
        break;
      }
      case Pending::Kind::batch: {
        if (!item.quiet) effects_.done(item.session, item.request, as_bytes(batches_[item.batch].body));
        batches_.erase(item.batch);
        break;
      }
      case Pending::Kind::received: effects_.done(item.session, item.request, bytes_of(item.batch)); break;
      case Pending::Kind::done: effects_.done(item.session, item.request, {}); break;
    }
    pending_.pop();
  }
}

}  // namespace folkmoot
