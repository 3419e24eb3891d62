#include "engine/dead/dead_letters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/bulletins.hpp"
#include "engine/checks.hpp"
#include "engine/message_bytes.hpp"

namespace folkmoot {
namespace {

Result<void> resubmitted_envelope(Bytes envelope, const Resubmission& how, bool without_causes, std::string& content,
                                  std::string& out) {
  auto message = decode_message(envelope);
  if (!message) return std::unexpected(message.error());
  if (how.edit) {
    if (auto done = how.edit(*message, content); !done) return done;
  }
  message->timestamp = 0;
  message->key = message->mode == DeliveryMode::exactly_once ? message->id.text() : std::string{};
  message->id = {};
  message->deliver_at = message->delay_ms = message->expires_at = 0;
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
  // What somebody else has changed is not its sender's any more.
  if (how.edit || how.content || !how.changes.empty()) message->provenance.reset();
  std::string plain;
  if (auto done = encode_with_provenance(*message, plain); !done) return done;
  if (how.changes.empty()) {
    out = std::move(plain);
    return {};
  }
  return merge_envelopes(as_bytes(plain), how.changes, out, Recipient::optional);
}

}  // namespace

Bytes DeadLetters::bytes_of_letter(const DeadLetter& letter) {
  return read_message(to_.ledger, letter.message.entry.place());
}

// -- coming

void DeadLetters::enter(NameId mailbox, const DeadLetter& letter) {
  ++to_.counters.dead_now;
  auto& box = boxes_[mailbox];
  auto& kept = box.letters[letter.message.entry.key];
  kept = letter;
  kept.message.entry.flags &= static_cast<std::uint16_t>(~Entry::kExpires);
  watch(mailbox, box);
}

void DeadLetters::tell(NameId mailbox, const DeadLetter& letter, std::string_view text) {
  const auto& entry = letter.message.entry;
  const bool by_guard = letter.reason == DeadReason::guard;
  ++to_.counters.dead;
  ++to_.counters.dead_by_reason[static_cast<std::size_t>(letter.reason)];
  if (letter.reason == DeadReason::expired) ++to_.counters.expired;
  if (by_guard) ++to_.counters.guarded;
  // Kept, the death of an event that tells of a death would be the next one's cause.
  const bool is_own = to_.names[letter.message.sender] == kServerName;
  const auto tell = [&](std::string_view topic) {
    if (!to_.announcer.is_heard(topic)) return;
    bulletins::Death death{.id = id_of(mailbox, entry.key),
                           .mailbox = to_.names[mailbox],
                           .from = to_.names[letter.message.sender],
                           .reason = letter.reason,
                           .text = text,
                           .at = letter.at,
                           .deliveries = static_cast<std::uint32_t>(entry.deliveries)};
    Result<Routing> routing;
    if (by_guard) {
      routing = read_routing(bytes_of_letter(letter));
      if (!routing) to_.effects.unreadable(routing.error());
      death.chain = {routing->hops, routing->chain};
    }
    const auto event = bulletins::event_of(death);
    is_own ? to_.announcer.announce_unkept(topic, event) : to_.announcer.announce(topic, event);
  };
  tell("bus.dead");
  if (by_guard) tell("bus.guard");
}

void DeadLetters::bound(NameId mailbox) {
  auto& letters = boxes_[mailbox].letters;
  while (letters.size() > options_.dead_max) purge(mailbox, letters.begin());
}

// -- staying, and going

DeadLetter* DeadLetters::find(NameId mailbox, MessageKey key) {
  const auto box = boxes_.find(mailbox);
  if (box == boxes_.end()) return nullptr;
  const auto letter = box->second.letters.find(key);
  return letter == box->second.letters.end() ? nullptr : &letter->second;
}

DeadLetter* DeadLetters::find(const Uuid& id) {
  const auto address = message_address(id);
  return address && address->node == to_.run.node() ? find(address->mailbox, address->key) : nullptr;
}

std::size_t DeadLetters::count(NameId mailbox) const {
  const auto box = boxes_.find(mailbox);
  return box == boxes_.end() ? 0 : box->second.letters.size();
}

std::size_t DeadLetters::purge(NameId mailbox, std::size_t limit, Durable& noted) {
  const auto box = boxes_.find(mailbox);
  if (box == boxes_.end()) return 0;
  auto& letters = box->second.letters;
  std::size_t gone = 0;
  for (; gone < limit && !letters.empty() && to_.ledger.has_room(Urgency::settling, sizeof(MessageRef)); ++gone)
    noted.add(purge(mailbox, letters.begin()));
  return gone;
}

void DeadLetters::drop(NameId mailbox, MessageKey key) {
  auto& box = boxes_.at(mailbox);
  drop(box, box.letters.find(key));
}

void DeadLetters::drop(Box& box, Letters::iterator at) {
  const auto& letter = at->second;
  if (letter.message.entry.has(Entry::kRefers)) to_.references.drop(at->first);
  to_.attempts.forget(at->first);
  to_.ledger.release(letter.message.entry.place());
  to_.ledger.release(letter.place);
  box.letters.erase(at);
  --to_.counters.dead_now;
}

Durable DeadLetters::purge(NameId mailbox, Letters::iterator letter) {
  auto& message = letter->second.message;
  const auto noted =
      to_.ledger.note(FactKind::dead_purged,
                      {bytes_of(MessageRef(message.entry.key, mailbox, message.sender, message.entry.priority))});
  // It may be back after a crash, and must find its content then: what it refers to stays for this run.
  if (noted.lsn == 0) message.entry.flags &= static_cast<std::uint16_t>(~Entry::kRefers);
  drop(boxes_.at(mailbox), letter);
  return Durable(noted);
}

void DeadLetters::start() {
  for (auto& [mailbox, box] : boxes_) watch(mailbox, box);
}

// The timers that were set mean nothing any more.
void DeadLetters::on_options() {
  for (auto& [mailbox, box] : boxes_) {
    box.timer = 0;
    watch(mailbox, box);
  }
}

// When the oldest will be too old, but not before a minute has passed.
void DeadLetters::watch(NameId mailbox, Box& box) {
  constexpr Duration kLookMs{60'000};
  if (options_.dead_ttl_ms == 0 || box.timer != 0 || box.letters.empty() || !to_.run.is_started()) return;
  const auto oldest = std::ranges::min_element(box.letters, {}, [](const auto& each) { return each.second.at; });
  box.timer = std::max(oldest->second.at + options_.dead_ttl_ms, to_.run.now() + kLookMs);
  to_.agenda.add({.at = box.timer, .id = 0, .place = mailbox.value, .kind = TimerKind::dead});
}

void DeadLetters::drop_old(NameId mailbox) {
  auto& box = boxes_.at(mailbox);
  box.timer = 0;
  for (auto at = box.letters.begin(); at != box.letters.end();) {
    const auto letter = at++;
    if (letter->second.at + options_.dead_ttl_ms <= to_.run.now()) purge(mailbox, letter);
  }
  watch(mailbox, box);
}

bool DeadLetters::is_live(const Timer& timer) const {
  if (timer.kind == TimerKind::redrive) {
    return redrives_.holds(timer.slot()) && redrives_[timer.slot()]->number == timer.id;
  }
  const auto box = boxes_.find(timer.mailbox());
  return box != boxes_.end() && box->second.timer == timer.at;
}

void DeadLetters::due(const Timer& timer) {
  timer.kind == TimerKind::redrive ? redrive_some(timer.slot()) : drop_old(timer.mailbox());
}

// -- by hand

bool DeadLetters::fits(const DeadQuery& query, NameId mailbox, MessageKey key, const DeadLetter& letter) {
  if (query.reason != DeadReason::none && letter.reason != query.reason) return false;
  if (query.before != 0 && letter.at >= query.before) return false;
  if (!query.id.is_nil() && id_of(mailbox, key) != query.id) return false;
  return !query.fits || query.fits(bytes_of_letter(letter));
}

void DeadLetters::each(const DeadQuery& query, const Uuid& after, const std::function<bool(const DeadView&)>& each) {
  const auto from = message_address(after).value_or(MessageAddress{});
  std::string text;
  walk(query, from.mailbox, from.key, [&](NameId mailbox, auto dead) {
    const auto& letter = dead->second;
    // Two reads of the log: the first must be copied before the second.
    text.clear();
    if (letter.place.lsn != 0) text = as_text(to_.ledger.read(letter.place).subspan(sizeof(DeadFact)));
    return each({.id = id_of(mailbox, dead->first),
                 .mailbox = to_.names[mailbox],
                 .reason = letter.reason,
                 .text = text,
                 .at = letter.at,
                 .deliveries = static_cast<std::uint32_t>(letter.message.entry.deliveries),
                 .message = bytes_of_letter(letter)});
  });
}

void DeadLetters::each_attempt(const Uuid& id, const std::function<void(const AttemptView&)>& each) {
  const auto address = message_address(id);
  if (!address || address->node != to_.run.node()) return;
  for (const auto& attempt : to_.attempts.of(address->key)) {
    const auto body = to_.ledger.read(attempt.place);
    const auto fact = load<ReturnedFact>(body.data());
    each({.at = fact.at,
          .holder = to_.names.holds(fact.holder) ? std::string_view(to_.names[fact.holder]) : std::string_view{},
          .end = fact.end,
          .reason = as_text(body.subspan(sizeof fact))});
  }
}

void DeadLetters::purge(Asker caller, const DeadQuery& query, std::size_t limit) {
  std::uint32_t gone = 0;
  bool full = false;
  Durable noted;
  walk(query, 0, 0, [&](NameId mailbox, auto letter) {
    if (gone >= limit) return false;
    full = !to_.ledger.has_room(Urgency::settling, sizeof(MessageRef));
    if (full) return false;
    noted.add(purge(mailbox, letter));
    ++gone;
    return true;
  });
  if (full && gone == 0) {
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that a dead letter is gone"});
  }
  to_.ledger.when_or_now(noted, waiting::Answer{.to = caller, .reply = Purged{gone}});
}

void DeadLetters::resubmit(Asker caller, const Uuid& id, const Resubmission& how) {
  if (auto done = resend(id, how, {.caller = caller}); !done) to_.replies.refuse(caller, done.error());
}

Result<void> DeadLetters::resend(const Uuid& id, const Resubmission& how, const ConfirmTo& to) {
  const auto none = [&] {
    return failure(ErrorCode::not_found, fmt::format("no dead letter has the id {}", id.text()));
  };
  const auto* const letter = find(id);
  if (letter == nullptr) return none();
  const auto bytes = bytes_of_letter(*letter);
  const auto old = read_routing(bytes);
  if (!old) to_.effects.unreadable(old.error());
  // Fresh: at once, with a new id and without its key, which would make it a duplicate of its dead self. Its causes are
  // what they were, but for a tripped guard, whose count would trip again.
  std::string envelope, content(how.content ? as_text(*how.content) : as_text(bytes.subspan(old->bytes)));
  if (auto done =
          resubmitted_envelope(bytes.first(old->bytes), how, letter->reason == DeadReason::guard, content, envelope);
      !done)
    return done;
  IncomingMessage message{.routing = {}, .envelope = as_bytes(envelope), .content = as_bytes(content)};
  if (auto read = read_routing(message.envelope, message.routing, Recipient::optional); !read) return read;
  if (!how.content && !message.routing.content_ref.empty()) message.content = {};  // changed to one by reference
  if (is_now(message.routing)) return failure(ErrorCode::no_recipient, "a dead letter is sent again to a mailbox");
  const Lineage lineage{.cause = message.routing.cause,
                        .hops = message.routing.hops,
                        .chain = std::string(as_text(message.routing.chain))};
  Session as_sender;
  as_sender.name_id = letter->message.sender;
  message.routing.from = {};
  // What nothing caused does not count for the limits on loops.
  auto prepared = to_.post.prepare(as_sender, message, lineage.cause.is_nil() ? nullptr : &lineage);
  if (!prepared) return std::unexpected(std::move(prepared.error()));
  if (prepared->doom == DeadReason::no_route) {
    return failure(ErrorCode::no_recipient, "no route fits it now, either: say to which mailbox it goes");
  }
  prepared->has_costs = false;  // they were added when it was sent first
  auto draft = to_.post.measure(*prepared, {});
  draft.add(sizeof(MessageRef));
  Trail::measure(draft);
  if (!to_.post.make_room(*prepared, draft))
    return failure(ErrorCode::disk_full, "the disk has no room for a dead letter to be sent again");
  // Making room may have buried others, and they may have pushed this one out.
  if (find(id) == nullptr) return none();
  const auto address = *message_address(id);
  const Post::Group group(to_.post, to_.ledger, draft);
  purge(address.mailbox, boxes_.at(address.mailbox).letters.find(address.key));
  if (const auto next = to_.post.commit(*prepared, {}, to); next != 0)
    to_.trail.write(id, id_of(prepared->mailbox, next), StepKind::resent);
  ++to_.counters.resubmitted;
  return {};
}

}  // namespace folkmoot
