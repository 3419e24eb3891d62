// Dead letters: what becomes of messages that nobody will get any more. They keep their bytes, the reason and every
// attempt made, until they are resubmitted, purged, too old or too many. Nothing dies in silence: an event says so, and
// the sender if it asked to hear.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.hpp"
#include "message/json_writer.hpp"
#include "message/limits.hpp"
#include "message/retry.hpp"

namespace folkmoot {

// -- dying

// Moves a message that stands nowhere (any more) to the dead letters. The attempt that was its last, its death and what
// its sender hears of it are one group of facts: no crash leaves a part of them.
void Engine::bury(Mailbox& mailbox, const QueuedMessage& message, const Death& death) {
  const auto& entry = message.entry;
  if (entry.has(Entry::kExpires)) expiries_.erase(entry.key);
  if (entry.has(Entry::kTransient)) {
    if (death.reason == DeadReason::expired) ++counters_.expired;
    return leave(mailbox, entry, std::nullopt, 0);
  }
  const auto deliveries = static_cast<std::uint16_t>(entry.deliveries);
  const DeadFact fact{
      MessageRef(entry.key, mailbox.number, message.sender, entry.priority), now_, deliveries, death.reason, {}};
  GroupBound bound{.facts = 1, .body_bytes = sizeof fact + death.text.size()};
  if (death.attempt != nullptr) bound += {.facts = 1, .body_bytes = sizeof *death.attempt + death.text.size()};
  std::optional<Notice> notice;
  if (entry.has(Entry::kBounce)) {
    const auto routing = read_routing(bytes_of_message(entry).head);
    if (!routing) effects_.unreadable(routing.error());
    notice = notice_of(*routing, make_uuid({.key = entry.key, .mailbox = mailbox.number, .node = node_}), deliveries,
                       death.reason, death.text);
    auto with_notice = bound;
    with_notice += notice->bound();
    auto all = with_notice;
    all += death.spared;
    // Nobody is told what there is no room for: the dead letter stays in any case.
    log_.has_room(FactLog::Urgency::durable, all) ? void(bound = with_notice) : notice.reset();
  }
  FactPlace place;
  {
    std::optional<FactGroup> group;
    if (bound.facts > 1 && log_.has_room(FactLog::Urgency::settling, bound)) group.emplace(log_, bound);
    if (death.attempt != nullptr) {
      const auto noted = append_fact(FactKind::message_returned, {bytes_of(*death.attempt), as_bytes(death.text)},
                                     FactLog::Life::live);
      note_attempt(entry.key, noted, deliveries);
    }
    place = append_fact(FactKind::message_dead, {bytes_of(fact), as_bytes(death.text)}, FactLog::Life::live);
    if (notice) post(*notice);
  }
  leave_group(mailbox, entry);
  enter_dead(mailbox, message, death.reason, now_, place);
  tell_of_dead(mailbox, message, death.reason, death.text);
  bound_dead(mailbox);
}

void Engine::enter_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::int64_t at,
                        FactPlace place) {
  if (!mailbox.dead) mailbox.dead = std::make_unique<std::map<MessageKey, DeadLetter>>();
  ++counters_.dead_now;
  auto dead = message;
  dead.entry.flags &= static_cast<std::uint16_t>(~Entry::kExpires);
  (*mailbox.dead)[message.entry.key] = {dead, reason, at, place};
  watch_dead(mailbox);
}

void Engine::tell_of_dead(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, std::string_view text) {
  ++counters_.dead;
  ++counters_.dead_by_reason[static_cast<std::size_t>(reason)];
  if (reason == DeadReason::expired) ++counters_.expired;
  if (reason == DeadReason::guard) ++counters_.guarded;
  const auto tell = [&](std::string_view topic) {
    if (topics_.match(topic).empty()) return;
    std::string json;
    JsonWriter out(json);
    out.begin_object().field("id",
                             make_uuid({.key = message.entry.key, .mailbox = mailbox.number, .node = node_}).text());
    out.field("mailbox", parties_[mailbox.number].name).field("from", parties_[message.sender].name);
    out.field("reason", name(reason)).optional_field("text", text).field("at", now_);
    out.field("deliveries", static_cast<std::uint32_t>(message.entry.deliveries));
    if (reason == DeadReason::guard) append_chain(out, message.entry);
    out.end_object();
    announce(topic, json);
  };
  tell("bus.dead");
  if (reason == DeadReason::guard) tell("bus.guard");
}

void Engine::append_chain(JsonWriter& out, const Entry& entry) {
  const auto routing = read_routing(bytes_of_message(entry).head);
  if (!routing) effects_.unreadable(routing.error());
  write_chain(out, routing->hops, routing->chain);
}

void Engine::write_chain(JsonWriter& out, std::uint32_t hops, Bytes chain) {
  out.field("hops", hops).key("chain").begin_array();
  for (std::size_t i = 0; i < chain.size(); i += 16) out.value(load<Uuid>(chain.data() + i).text());
  out.end_array();
}

// -- staying, and going

void Engine::drop_dead(Mailbox& mailbox, std::map<MessageKey, DeadLetter>::iterator dead) {
  const auto& letter = dead->second;
  if (letter.message.entry.has(Entry::kRefers)) drop_content(dead->first);
  forget_attempts(letter.message.entry.key);
  log_.release(letter.message.entry.place());
  if (letter.place.lsn != 0) log_.release(letter.place);
  mailbox.dead->erase(dead);
  --counters_.dead_now;
}

void Engine::purge(Mailbox& mailbox, std::map<MessageKey, DeadLetter>::iterator dead) {
  auto& message = dead->second.message;
  const auto noted =
      append_fact(FactKind::dead_purged,
                  {bytes_of(MessageRef(message.entry.key, mailbox.number, message.sender, message.entry.priority))});
  // It may be back after a crash, and must find its content then: what it refers to stays for this run.
  if (noted.lsn == 0) message.entry.flags &= static_cast<std::uint16_t>(~Entry::kRefers);
  drop_dead(mailbox, dead);
}

void Engine::bound_dead(Mailbox& mailbox) {
  while (mailbox.dead->size() > options_.dead_max) purge(mailbox, mailbox.dead->begin());
}

// Sees to it that dead letters are looked at when the first of them is too old; not more often than once a minute.
void Engine::watch_dead(Mailbox& mailbox) {
  if (options_.dead_ttl_ms == 0 || mailbox.dead_timer != 0 || !mailbox.dead || mailbox.dead->empty() || !started_)
    return;
  const auto oldest = std::ranges::min_element(*mailbox.dead, {}, [](const auto& each) { return each.second.at; });
  mailbox.dead_timer = std::max(oldest->second.at + options_.dead_ttl_ms, now_ + 60'000);
  add_timer({.at = mailbox.dead_timer, .id = 0, .box = mailbox.number, .kind = TimerKind::dead});
}

void Engine::drop_old_dead(Mailbox& mailbox) {
  mailbox.dead_timer = 0;
  for (auto at = mailbox.dead->begin(); at != mailbox.dead->end();) {
    const auto dead = at++;
    if (dead->second.at + options_.dead_ttl_ms <= now_) purge(mailbox, dead);
  }
  watch_dead(mailbox);
}

// -- by hand

bool Engine::fits(const DeadQuery& query, Mailbox& mailbox, MessageKey key, const DeadLetter& letter) {
  if (query.reason != DeadReason::none && letter.reason != query.reason) return false;
  if (query.before != 0 && letter.at >= query.before) return false;
  if (!query.id.is_nil() && make_uuid({.key = key, .mailbox = mailbox.number, .node = node_}) != query.id) return false;
  return !query.fits || query.fits(bytes_of_message(letter.message.entry).head);
}

void Engine::each_dead(const DeadQuery& query, const Uuid& after, const std::function<bool(const DeadView&)>& each) {
  const auto from = message_address(after).value_or(MessageAddress{});
  std::string text;
  walk_dead(query, from.mailbox, from.key, [&](Mailbox& mailbox, auto dead) {
    const auto& letter = dead->second;
    // Two reads of the log: the first must be copied before the second.
    text.clear();
    if (letter.place.lsn != 0) {
      const auto fact = log_.read(letter.place);
      if (!fact) effects_.unreadable(fact.error());
      text = as_text(fact->subspan(sizeof(DeadFact)));
    }
    return each({.id = make_uuid({.key = dead->first, .mailbox = mailbox.number, .node = node_}),
                 .mailbox = parties_[mailbox.number].name,
                 .reason = letter.reason,
                 .text = text,
                 .at = letter.at,
                 .deliveries = static_cast<std::uint32_t>(letter.message.entry.deliveries),
                 .message = bytes_of_message(letter.message.entry).head});
  });
}

void Engine::purge_dead(SessionId id, std::uint32_t request, const DeadQuery& query, std::size_t limit) {
  std::uint32_t gone = 0;
  bool full = false;
  last_fact_ = 0;
  walk_dead(query, 0, 0, [&](Mailbox& mailbox, auto dead) {
    if (gone >= limit) return false;
    full = !log_.has_room(FactLog::Urgency::settling, sizeof(MessageRef));
    if (full) return false;
    purge(mailbox, dead);
    ++gone;
    return true;
  });
  if (full && gone == 0)
    return refuse(id, request, {ErrorCode::disk_full, "no room to note that a dead letter is gone"});
  const auto slot = batches_.insert({.session = id, .request = request, .body = std::string(as_text(bytes_of(gone)))});
  push_pending({.lsn = last_fact_, .session = id, .request = request, .kind = Pending::Kind::batch, .batch = slot});
}

void Engine::resubmit(SessionId id, std::uint32_t request, const Uuid& dead_id, const Resubmission& how) {
  if (find_session(id) == nullptr) return;
  auto done = resend_dead(dead_id, how, {.session = id, .request = request});
  if (!done) refuse(id, request, std::move(done.error()));
}

// A dead letter goes out as a new message, answered as `as` says, in one group of facts with its own end.
Result<void> Engine::resend_dead(const Uuid& dead_id, const Resubmission& how, Pending as) {
  const auto address = message_address(dead_id);
  Mailbox* mailbox = nullptr;
  if (address && address->node == node_ && parties_.holds(address->mailbox))
    mailbox = parties_[address->mailbox].mailbox.get();
  const auto none = [&] {
    return failure(ErrorCode::not_found, fmt::format("no dead letter has the id {}", dead_id.text()));
  };
  if (mailbox == nullptr || !mailbox->dead) return none();
  const auto dead = mailbox->dead->find(address->key);
  if (dead == mailbox->dead->end()) return none();

  const auto& letter = dead->second;
  const auto bytes = bytes_of_message(letter.message.entry).head;
  const auto old = read_routing(bytes);
  if (!old) effects_.unreadable(old.error());
  // Fresh: at once, with a new id and without its key, which would make it a duplicate of its dead self. Its causes are
  // what they were, but for a tripped guard, whose count would trip again.
  std::string envelope;
  if (auto done = resubmitted_envelope(bytes.first(old->bytes), how, letter.reason == DeadReason::guard, envelope);
      !done)
    return done;
  const std::string content(how.content ? as_text(*how.content) : as_text(bytes.subspan(old->bytes)));
  IncomingMessage message{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(content)};
  if (auto read = read_routing(message.envelope, message.routing, Recipient::optional); !read) return read;
  if (!how.content && !message.routing.content_ref.empty()) message.content = {};  // changed to one by reference
  if (is_now(message.routing)) return failure(ErrorCode::no_recipient, "a dead letter is sent again to a mailbox");
  const Lineage lineage{.cause = message.routing.cause,
                        .hops = message.routing.hops,
                        .chain = std::string(as_text(message.routing.chain))};
  Session as_sender;
  as_sender.party = letter.message.sender;
  message.routing.from = {};
  // What nothing caused does not count for the limits on loops.
  auto prepared = prepare(as_sender, message, lineage.cause.is_nil() ? nullptr : &lineage);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  if (prepared->doom == DeadReason::no_route) {
    return failure(ErrorCode::no_recipient, "no route fits it now, either: say to which mailbox it goes");
  }
  prepared->has_costs = false;  // they were added when it was sent first
  auto bound = prepared->bound();
  bound += {.facts = 1, .body_bytes = sizeof(MessageRef)};
  if (!make_room(*prepared, bound))
    return failure(ErrorCode::disk_full, "the disk has no room for a dead letter to be sent again");
  // Making room may have buried others, and they may have pushed this one out.
  const auto still = mailbox->dead->find(address->key);
  if (still == mailbox->dead->end()) return none();
  const CommitGroup group(*this, bound);
  purge(*mailbox, still);
  as.kind = Pending::Kind::accepted;
  commit(*prepared, {}, std::move(as));
  ++counters_.resubmitted;
  return {};
}

Result<void> Engine::resubmitted_envelope(Bytes envelope, const Resubmission& how, bool without_causes,
                                          std::string& out) {
  auto message = decode_message(envelope);
  if (!message) return std::unexpected(message.error());
  message->timestamp = 0;
  message->key = message->mode == DeliveryMode::exactly_once ? message->id.text() : std::string{};
  message->id = {};
  message->deliver_at = 0;
  if (how.content) {  // what was said of the old one
    message->encoding.clear();
    message->content_ref.reset();
  }
  if (message->reply_to.starts_with('@')) message->reply_to.clear();  // of a requester long gone
  if (message->to == kUnrouted) message->to.clear();                  // routes are asked anew
  if (without_causes) {
    message->cause = {};
    message->hops = 0;
    message->chain.clear();
  }
  std::string plain;
  if (auto done = encode_envelope(*message, plain); !done) return done;
  if (how.changes.empty()) {
    out = std::move(plain);
    return {};
  }
  return merge_envelopes(as_bytes(plain), how.changes, out, Recipient::optional);
}

// -- attempts

void Engine::note_attempt(MessageKey key, FactPlace place, std::uint16_t deliveries) {
  if (place.lsn == 0) return;
  auto& noted = attempts_[key];
  // Recovery may meet an attempt and its copy.
  if (const auto known = std::ranges::find(noted, deliveries, &Attempt::deliveries); known != noted.end()) {
    log_.release(known->place);
    known->place = place;
    return;
  }
  noted.push_back({place, deliveries});
  if (noted.size() <= kAttemptsKept) return;
  log_.release(noted.front().place);
  noted.erase(noted.begin());
}

// A message's record was copied forward: what recovery would meet before it goes behind it, as it says nothing of
// unknown messages.
void Engine::copy_history(MessageKey key, DeadLetter* letter, FactPlace* pending_death) {
  const auto copy = [&](FactKind kind, FactPlace& place) {
    if (place.lsn == 0) return;
    const auto body = log_.read(place);
    if (!body) effects_.unreadable(body.error());
    if (!log_.has_room(FactLog::Urgency::settling, body->size())) return;
    const std::string bytes(as_text(*body));
    const auto moved = append_fact(kind, {as_bytes(bytes)}, FactLog::Life::live);
    log_.release(place);
    place = moved;
  };
  if (const auto noted = attempts_.find(key); noted != attempts_.end()) {
    for (auto& attempt : noted->second) copy(FactKind::attempt_noted, attempt.place);
  }
  if (pending_death != nullptr) copy(FactKind::message_dead, *pending_death);
  if (letter != nullptr) copy(FactKind::message_dead, letter->place);
}

void Engine::forget_attempts(MessageKey key) {
  const auto noted = attempts_.find(key);
  if (noted == attempts_.end()) return;
  for (const auto& attempt : noted->second) log_.release(attempt.place);
  attempts_.erase(noted);
}

void Engine::each_attempt(const Uuid& id, const std::function<void(const AttemptView&)>& each) {
  const auto address = message_address(id);
  if (!address || address->node != node_) return;
  const auto noted = attempts_.find(address->key);
  if (noted == attempts_.end()) return;
  for (const auto& attempt : noted->second) {
    const auto body = log_.read(attempt.place);
    if (!body) effects_.unreadable(body.error());
    const auto fact = load<ReturnedFact>(body->data());
    each({.at = fact.at,
          .holder = parties_.holds(fact.holder) ? std::string_view(parties_[fact.holder].name) : std::string_view{},
          .end = fact.end,
          .reason = as_text(body->subspan(sizeof fact))});
  }
}

// SplitMix64 (Steele, Lea, Flood 2014), from the seed that start() was given.
std::uint64_t Engine::chance() {
  auto z = chance_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

RetryPolicy Engine::policy_of(const Mailbox& mailbox, const Entry& entry) {
  const auto& own = limits(mailbox).retry;
  if (!entry.has(Entry::kPolicy)) return own;
  const auto bytes = bytes_of_message(entry).head;
  const auto routing = read_routing(bytes);
  if (!routing) effects_.unreadable(routing.error());
  return over(read_retry(bytes, *routing), own);
}

}  // namespace folkmoot
