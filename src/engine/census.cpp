// What each part counts for a census, in one place: whoever adds a table adds it here.
#include "engine/census.hpp"

#include "engine/engine.hpp"

namespace folkmoot {

void Ledger::count(Census& census) const {
  census.count("waiting for the disk", queue_.size());
  census.count("groups of facts open", in_group_);
}

void Agenda::count(Census& census) const {
  std::uint64_t live = 0;
  timers_.each([&](const Timer& timer) { live += owner(timer).is_live(timer); });
  census.count("timers", live);
}

void TransientStore::count(Census& census) const {
  census.count("messages in memory", slots_.size());
  census.count("bytes of messages in memory", bytes_);
}

void Sessions::count(Census& census) const {
  std::uint64_t open = 0;
  for (const auto& session : sessions_) open += session != nullptr;
  census.count("sessions", open);
}

void Replies::count(Census& census) const {
  census.count("answers to several messages", batches_.size());
  census.count("lists of refused leases", refused_.size());
}

void Attempts::count(Census& census) const { census.count("messages with attempts", noted_by_key_.size()); }

void ContentTable::count(Census& census) const {
  census.count("contents", all_.size());
  census.count("idle contents", idle_.size());
  census.count("messages that refer to contents", referrers_.size());
}

void Contents::count(Census& census) const { table_.count(census); }

void Causes::count(Census& census) const { census.count("conversations", conversations_.size()); }

void Routes::count(Census& census) const { census.count("routes", routes_.size()); }

void TopicIndex::count(Census& census) const {
  census.count("subscriptions in the index", size_);
  census.count("words of patterns", !root_.unused());
}

void Subscriptions::count(Census& census) const {
  census.count("durable subscriptions", subscriptions_.size());
  index_.count(census);
  census.count("copies of an event", copies_.size() + prepared_.size());
}

void Topics::count(Census& census) const {
  census.count("subscriptions", subscriptions_.size());
  census.count("subscriptions of shards", of_shards_);
  census.count("events to keep later", later_.size());
  index_.count(census);
}

void Requests::count(Census& census) const {
  census.count("requests", requests_.size());
  census.count("reply addresses", slots_.size());
  census.count("requests that are waited for", waited_for_.size());
}

void DeadLetters::count(Census& census) const {
  std::uint64_t letters = 0;
  for (const auto& [mailbox, box] : boxes_) letters += box.letters.size();
  census.count("dead letters", letters);
  census.count("redrives", redrives_.size());
}

void Schedules::count(Census& census) const { census.count("schedules", table_.size()); }

void StreamReads::count(Census& census) const {
  census.count("reads of streams", reads_.size());
  census.count("reads of files", asked_.size() + to_ask_.size());
}

void StreamConsumers::count(Census& census) const {
  census.count("consumers of streams", by_number_.size());
  census.count("consumers of streams that are recovered", recovering_.size());
  census.count("readers of consumers", readers_.size());
}

void StreamPlays::count(Census& census) const { census.count("replays", plays_.size()); }

void Streams::count(Census& census) const {
  std::uint64_t streams = 0;
  each([&](const StreamView&) { ++streams; });
  census.count("streams", streams);
  census.count("streams that are recovered", recovering_.size());
  census.count("streams with events not on disk", dirty_.size() + to_hand_over_.size());
  reads_.count(census);
  consumers_.count(census);
  plays_.count(census);
}

void Registry::count(Census& census) const {
  census.count("agents", count_);
  census.count("addresses with mail held", held_.size() + due_.size());
}

void WebhookTable::count(Census& census) const { census.count("webhooks", rows_.size()); }

void Wakes::count(Census& census) const {
  census.count("wakes", wakes_.size());
  census.count("mailboxes that wake", by_mailbox_.size());
  census.count("wakes due", due_.size());
  census.count("takers of wakes", takers_.size() + waiting_.size());
  census.count("wakes given", given_.size());
}

void Groups::count(Census& census) const {
  census.count("groups", groups_.size());
  census.count("names of groups", by_name_.size());
  census.count("messages in groups", members_.size());
}

void LeaseTable::count(Census& census) const {
  census.count("leases", leases_.size());
  census.count("leases by token", by_token_.size());
  census.count("leases by message", by_key_.size());
}

void Shelves::count(Census& census) const {
  std::uint64_t messages = 0, takers = 0, promised = 0, marks = 0, lanes = 0;
  for (NameId number{1}; number < mailboxes.end(); ++number) {
    const auto* const mailbox = mailboxes.find(number);
    if (mailbox == nullptr) continue;
    messages += mailbox->load();
    takers += mailbox->consumers + !mailbox->waiters.empty() + !mailbox->consumers_ready.empty();
    promised += mailbox->promised;
    marks += std::uint64_t{mailbox->is_dirty} + mailbox->is_stuck + mailbox->is_watched + mailbox->is_held;
    lanes += mailbox->lanes_in_use != 0;
    for (const auto& lane : mailbox->lanes) lanes += lane && !lane->empty();
    census.count("leases of a mailbox", mailbox->lease_head != kNoSlot);
  }
  census.count("messages of mailboxes", messages);
  census.count("takers of mailboxes", takers);
  census.count("places promised in mailboxes", promised);
  census.count("marks of mailboxes", marks);
  census.count("lanes in use", lanes);
  census.count("messages that expire", expiries_.size());
  census.count("messages that wait for a time", scheduled_.size());
  census.count("mailboxes to dispatch", dirty_.size());
  groups.count(census);
}

void Dispatch::count(Census& census) const {
  census.count("consumers", consumers_.size());
  census.count("consumers of shards", of_shards_);
  census.count("waiters", waiters_.size());
  census.count("mailboxes that are stuck", stuck_.size());
  leases.count(census);
}

void Mailroom::count(Census& census) const {
  shelves_.count(census);
  census.count("keys", publishing_.keys.size());
  dispatch_.count(census);
}

Census Engine::census() const {
  Census census;
  ledger_.count(census);
  agenda_.count(census);
  transient_.count(census);
  sessions_.count(census);
  replies_.count(census);
  attempts_.count(census);
  contents_.count(census);
  routes_.count(census);
  causes_.count(census);
  subscriptions_.count(census);
  topics_.count(census);
  requests_.count(census);
  dead_.count(census);
  schedules_.count(census);
  streams_.count(census);
  registry_.count(census);
  mailroom_.count(census);
  wakes_.count(census);
  webhooks_.count(census);
  census.count("messages counted", counters_.ready + counters_.scheduled + counters_.leased + counters_.pending +
                                       counters_.blocked + counters_.dead_now);
  return census;
}

}  // namespace folkmoot
