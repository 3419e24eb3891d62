// What the disk makes certain, what a crash takes back, and the model against the engine.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "simulation/model.hpp"

namespace folkmoot::simulation {
namespace {

Stand stand_of(const ReceiptView& receipt) {
  switch (receipt.state) {
    case ReceiptState::queued:
      return Stand::ready;
    case ReceiptState::scheduled:
      return Stand::scheduled;
    case ReceiptState::offered:
    case ReceiptState::retrieved:
      return Stand::leased;
    case ReceiptState::dead:
      return Stand::dead;
    case ReceiptState::acknowledged:
    case ReceiptState::cancelled:
    case ReceiptState::unknown:
      break;
  }
  return Stand::gone;
}

void note_unsaid(std::set<std::uint32_t>& contents, const ModelMessage& message, Stand stand) {
  if (stand == Stand::gone && message.asked.content != 0) contents.insert(message.asked.content);
}

}  // namespace

void Model::on_durable(Lsn end, std::int64_t now) {
  together_.on_durable(end);
  deaths_.on_durable(end);
  firings_.on_durable(end);
  for (auto* const checker : checkers.all()) checker->on_durable(end);
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
    if (message->stand == Stand::doomed) {
      held_events_.emplace(at->first, DueEvent{.topic = "bus.dead"});
      if (message->doom == DeadReason::guard) held_events_.emplace(at->first, DueEvent{.topic = "bus.guard"});
      move(*message, Stand::dead);
    } else if (message->stand == Stand::pending) {
      // What goes on in the midst of this, a redrive, may find it not there yet.
      message->came_due = call_;
      message->due > now ? move(*message, Stand::scheduled) : make_ready(*message);
    }
    forget_if_certain(message->key);
  }
  for (auto at = held_events_.begin(); at != held_events_.end() && at->first < end; at = held_events_.erase(at)) {
    due_events_.push_back(at->second);
  }
  for (auto& mailbox : mailboxes_) {
    while (mailbox.settings.size() > 1 && mailbox.settings[1].lsn < end)
      mailbox.settings.erase(mailbox.settings.begin());
  }
}

void Model::resync(Engine& engine) {
  room_refused = false;
  for (auto* const checker : checkers.all()) checker->resync(engine);
  auto dead = std::exchange(purged_unsure_, {});  // how many dead letters a mailbox can have had at once in this call
  for (std::size_t i = 0; i < mailboxes_.size(); ++i) dead[i] += mailboxes_[i].dead.size();
  for (const auto& [key, message] : messages_) {
    if (message.asked.transient || (!message.waits() && message.stand != Stand::leased)) continue;
    const auto is = stand_of(engine.mailboxes().receipt(message.id));
    dead[message.asked.mailbox] += is == Stand::dead || is == Stand::gone;  // it died without a fact
  }
  std::vector<std::tuple<std::int64_t, MessageKey, Stand>> in_time;  // what became due or expired
  for (auto at = messages_.begin(); at != messages_.end();) {
    auto& message = (at++)->second;
    const auto was = message.stand;
    if (message.asked.transient || was == Stand::pending || was == Stand::handing || was == Stand::gone ||
        was == Stand::doomed)
      continue;
    const auto receipt = engine.mailboxes().receipt(message.id);
    const auto is = stand_of(receipt);
    if (is == was || (is == Stand::ready && was == Stand::blocked)) continue;
    // Dead, and at once one dead letter too many.
    const bool pushed_out = is == Stand::gone && dead[message.asked.mailbox] > options_.dead_max;
    const bool may = pushed_out             ? true
                     : was == Stand::leased ? is != Stand::gone || message.asked.once
                                            : is == Stand::dead || (was == Stand::dead && is == Stand::gone) ||
                                                  (was == Stand::scheduled && is == Stand::ready);
    expect(may || message.number == cancelling, "{} was {} and is {}", message.number, name(was), name(is));
    if (is != Stand::gone) message.deliveries = receipt.deliveries;
    if (is == Stand::dead) {
      message.dead_at = receipt.at.ms;
      message.death_unsaid = true;
    }
    if (is == Stand::dead || is == Stand::gone) {
      const bool expired = message.expires_at != 0 && message.expires_at <= engine.now().ms;
      in_time.emplace_back(expired ? message.expires_at : std::numeric_limits<std::int64_t>::max(), message.key, is);
    } else if (is == Stand::ready) {
      say(message, Stand::ready, 0);
      if (was == Stand::scheduled) {
        in_time.emplace_back(message.due, message.key, is);
      } else {
        make_ready(message);
      }
    } else {
      say(message, Stand::ready, 0);
      message.due = std::numeric_limits<std::int64_t>::max();
      message.due_unknown = true;
      move(message, is);
    }
  }
  // In the order of their times, which decides who is first of its group.
  std::ranges::sort(in_time);
  for (const auto& [at, key, stand] : in_time) {
    auto& message = *find_key(key);
    note_unsaid(unnoted_contents, message, stand);
    stand == Stand::ready ? make_ready(message) : left(message, stand);
  }
  for (std::size_t i = 0; i < mailboxes_.size(); ++i) {
    MailboxStats stats;
    if (mailboxes_[i].limits.overflow != Overflow::drop_oldest || !engine.mailboxes().stats(names_[i], stats)) continue;
    // Whatever made room there and was transient: no fact tells of it.
    auto& mailbox = mailboxes_[i];
    const auto load = std::max(stats.ready + stats.scheduled + stats.leased, mailbox.limits.max_messages);
    for (auto at = mailbox.ready.begin(); at != mailbox.ready.end() && mailbox.load > load;) {
      auto& message = *find_key(*at++);
      if (message.asked.transient) left(message, Stand::gone);
    }
  }
}

void Model::crash() {
  recovered_limits_.clear();  // of a recovery that a crash cut off
  undurable_.clear();
  names_by_id_.clear();
  last_key_ = durable_key_;
  any_key_ = reserved_key_ = MessageKey{};
  groups_.clear();
  closing = 0;
  cancelling = resent_ = 0;
  settling_by_id = false;
  bounces_.crash();
  for (auto* const checker : checkers.all()) checker->crash();
  settled_.clear();
  receipts_.clear();
  held_events_.clear();
  due_events_.clear();
  in_group_ = false;
  purged_unsure_.clear();
  nack_delay = 0;
  rejecting = purging = false;
  deleting.reset();
  configuring.reset();
  arriving.clear();
  settling.clear();
  dying_.clear();
  stopping = room_refused = false;
  unnoted_contents.clear();
}

void Model::on_recovered_fact(FactKind kind, Bytes body) {
  for (auto* const checker : checkers.all()) checker->on_recovered_fact(kind, body);
  if (kind == FactKind::started) {
    reserved_key_ = MessageKey{load<StartedFact>(body.data()).keys_end.value - 1};
  } else if (kind == FactKind::message_accepted) {
    any_key_ = std::max(any_key_, load<AcceptedFact>(body.data()).key);
  } else if (kind == FactKind::name_added) {
    names_by_id_[load<NameAddedFact>(body.data()).number] = as_text(body.subspan(sizeof(NameAddedFact)));
  } else if (kind == FactKind::mailbox_configured) {
    const auto fact = load<MailboxConfiguredFact>(body.data());
    recovered_limits_[fact.mailbox] = {limits_of(fact), 0, static_cast<std::uint8_t>(fact.own & kOwnAll)};
  } else if (kind == FactKind::mailbox_deleted) {
    recovered_limits_.erase(load<MailboxDeletedFact>(body.data()).mailbox);
  }
}

void Model::starting(std::int64_t now) {
  ++call_;
  used_keys_.passed(now);
  any_key_ = std::max({any_key_, reserved_key_, make_key(Instant{now}, 0)});
  // Groups go on in the order of their messages; what became due meanwhile is one of its group now.
  for (auto& [key, message] : messages_) {
    if (message.asked.group == 0) continue;
    if (message.stand == Stand::scheduled && message.deliveries > 0) {
      groups_.enter_away(message.asked.mailbox, message.asked.group, key);
    } else if (message.stand == Stand::ready || (message.stand == Stand::scheduled && message.due <= now)) {
      if (message.stand == Stand::scheduled) rules_.saw(Rule::due_at_start);
      message.due_unknown = false;
      make_ready(message);
    }
  }
}

// After a crash: whether the log has the message, to be delivered some time.
bool Model::is_alive(MessageKey key) {
  const auto* const message = find_key(key);
  if (message == nullptr) return false;
  const auto stand = stand_of(recovered_->mailboxes().receipt(message->id));
  return stand != Stand::gone && stand != Stand::dead;
}

bool Model::is_dead(MessageKey key) {
  const auto* const message = find_key(key);
  return message != nullptr && stand_of(recovered_->mailboxes().receipt(message->id)) == Stand::dead;
}

void Model::recovered(Engine& engine) {
  std::map<std::string, ModelMailbox::Setting> settings;
  for (const auto& [number, limits] : recovered_limits_) settings[names_by_id_[number]] = limits;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    auto& mailbox = mailboxes_[i];
    const auto found = settings.find(names_[i]);
    const auto now = found == settings.end() ? ModelMailbox::Setting{options_.mailbox, 0, 0} : found->second;
    const auto told = engine.mailboxes().settings(names_[i]);
    expect(!told || (same(told->limits, now.limits) && told->own == now.own),
           "after the crash the mailbox of {} has other limits than the log says", names_[i]);
    mailbox.limits = now.limits;
    mailbox.own = now.own;
    bool may = false;
    for (const auto& setting : mailbox.settings) may |= same(setting.limits, now.limits) && setting.own == now.own;
    expect(may, "after the crash the mailbox of {} has limits it should not have", names_[i]);
    mailbox.settings = {now};
    mailbox.made_room = false;
  }
  recovered_ = &engine;
  for (auto* const checker : checkers.all()) checker->recovered(engine, names_);
  for (auto* const groups : {&together_, &deaths_, &firings_}) groups->recovered();
  for (auto at = messages_.begin(); at != messages_.end();) {
    const auto key = at->first;
    auto& message = (at++)->second;
    const auto was = message.stand;
    const auto number = message.number;
    const auto receipt = engine.mailboxes().receipt(message.id);
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
    expect(may, "after the crash {} is {}; it was {}, and the log had {} facts of it that were not durable", number,
           name(is), name(was), message.possible.size() - 1);
    if ((was == Stand::pending || was == Stand::doomed) && is == Stand::gone) {
      used_keys_.lost(key);
      keys_[number] = 0;
    }
    if (was == Stand::pending) rules_.saw(is == Stand::gone ? Rule::unconfirmed_lost : Rule::unconfirmed_kept);
    if (was == Stand::gone && is != Stand::gone) rules_.saw(Rule::ack_lost);
    expect(!message.asked.once || !message.seen || is == Stand::gone || is == Stand::dead, "{}, at most once, is back",
           number);
    check_death(message, is, receipt.at.ms);
    message.possible = {{said, 0, false, message.due, receipt.deliveries, receipt.at.ms}};
    message.ready_since = turn();
    move(message, is);
    if (is != Stand::gone) {
      expect(receipt.deliveries <= message.deliveries, "{} has {} deliveries; it had {}", number, receipt.deliveries,
             message.deliveries);
      message.deliveries = receipt.deliveries;
      message.dead_at = receipt.at.ms;
      std::erase_if(message.attempts,
                    [&](const Attempted& attempt) { return attempt.deliveries > message.deliveries; });
      check_attempts(engine, message);
      last_key_ = std::max(last_key_, message.key);
      expect(is == Stand::dead || receipt.recipient == names_[message.asked.mailbox], "{} is in the mailbox of {}",
             number, receipt.recipient);
    }
    forget_if_certain(message.key);
  }
  for (auto& mailbox : mailboxes_) mailbox.load = mailbox.in_flight = 0;
  for (auto& [key, message] : messages_) mailboxes_[message.asked.mailbox].load += message.stand <= Stand::leased;
}

// It died when one of the facts says that it did.
void Model::check_death(const ModelMessage& message, Stand is, std::int64_t at) {
  if (is != Stand::dead) return;
  const bool may = message.death_unsaid || std::ranges::any_of(message.possible, [&](const auto& possible) {
                     return possible.stand == Stand::dead && (possible.soft || possible.died == at);
                   });
  expect(may, "after the crash {} died at {}; it was at {}", message.number, at, message.dead_at);
  rules_.saw(Rule::death_dated);
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
    if (message.asked.transient || message.stand == Stand::pending || message.stand == Stand::doomed) continue;
    if (message.stand == Stand::handing || message.stand == Stand::gone) continue;
    const auto receipt = engine.mailboxes().receipt(message.id);
    expect(stand_of(receipt) == (message.stand == Stand::blocked ? Stand::ready : message.stand),
           "the receipt of {} says {}; it is {}", message.number, name(receipt.state), name(message.stand));
    const auto deliveries = message.deliveries + (message.stand == Stand::leased);
    expect(message.stand != Stand::dead || receipt.at.ms == message.dead_at, "{} died at {}, and its receipt says {}",
           message.number, message.dead_at, receipt.at);
    expect(receipt.deliveries == deliveries, "the receipt of {} counts {} deliveries instead of {}", message.number,
           receipt.deliveries, deliveries);
    check_attempts(engine, message);
    rules_.saw(Rule::receipt_asked);
  }
  for (const auto& [key, settled] : settled_) {
    MailboxStats stats;
    const auto mailbox = engine.name_of(message_address(settled.id)->mailbox);
    if (!engine.mailboxes().stats(mailbox, stats)) continue;  // it was deleted
    const auto receipt = engine.mailboxes().receipt(settled.id);
    expect(receipt.state == ReceiptState::acknowledged, "the receipt of a message that was settled says {}",
           name(receipt.state));
    rules_.saw(Rule::receipt_told);
  }
  for (const auto* const checker : checkers.all()) checker->compare(engine);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    MailboxStats stats;
    if (!engine.mailboxes().stats(names_[i], stats)) continue;
    const auto& mailbox = mailboxes_[i];
    expect(stats.ready + stats.scheduled + stats.leased == mailbox.load && stats.dead == mailbox.dead.size(),
           "mailbox {} has {} + {} + {} messages and {} dead; the model has {} and {}", names_[i], stats.ready,
           stats.scheduled, stats.leased, stats.dead, mailbox.load, mailbox.dead.size());
  }
}

}  // namespace folkmoot::simulation
