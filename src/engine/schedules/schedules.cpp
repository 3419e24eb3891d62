#include "engine/schedules/schedules.hpp"

#include <fmt/format.h>

#include "base/duration.hpp"
#include "base/strong_format.hpp"
#include "base/utf8.hpp"
#include "engine/bulletins.hpp"
#include "engine/checks.hpp"

namespace folkmoot {
namespace {

constexpr Duration kEveryMin{100};  // ms

void append_text(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint16_t>(text.size());
  out.append(as_text(bytes_of(size))).append(text);
}

// What can be true of one message alone, and not of each that a schedule sends.
Result<void> check_repeated(const Routing& routing) {
  const auto of_no_use = [](std::string_view field, std::string_view instead) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is of one message, and a schedule sends many: {}", field, instead));
  };
  if (routing.mode == DeliveryMode::exactly_once)
    return of_no_use("mode", "exactly_once needs a key for each; a schedule's are sent once as they are");
  if (!routing.key.empty()) return of_no_use("key", "each of them is sent once as it is");
  if (!routing.id.is_nil()) return of_no_use("id", "each of them gets its own");
  if (routing.deliver_at != 0) return of_no_use("deliver_at", "give `delay`, or `first_at` of the schedule");
  if (routing.expires_at != 0) return of_no_use("expires_at", "give `ttl`, or `until` of the schedule");
  return {};
}

bool cut_text(Bytes& bytes, std::string& out) {
  if (bytes.size() < 2) return false;
  const std::size_t size = load<std::uint16_t>(bytes.data());
  if (bytes.size() - 2 < size) return false;
  out = as_text(bytes.subspan(2, size));
  bytes = bytes.subspan(2 + size);
  return true;
}

std::unexpected<Error> wrong(std::string text) { return failure(ErrorCode::invalid_field, std::move(text)); }

}  // namespace

Result<Schedule> Schedules::make(const ScheduleCommand& command, const IncomingMessage& message) {
  const auto now = to_.run.now();
  if (!was_name(command.name)) return failure(ErrorCode::invalid_name, "the schedule's name is none");
  if (command.cron.empty() == (command.every_ms == 0)) return wrong("give exactly one of `every` and `cron`");
  if (command.every_ms != 0 && command.every_ms < kEveryMin)
    return wrong(fmt::format("`every` is {} ms; {} ms is the least", command.every_ms, kEveryMin));
  if (command.until != 0 && command.until <= now) return wrong("`until` is past");
  if (command.first_at != 0 && command.first_at <= now) {
    return wrong(fmt::format("`first_at` is {}, which is past: give a time to come, or leave it out",
                             format_time_ms(command.first_at.ms)));
  }
  if (!message.routing.topic.empty()) {
    if (auto good = check_now(message); !good) return std::unexpected(std::move(good.error()));
  } else if (message.routing.to.starts_with('@') || message.routing.to.starts_with('$')) {
    return wrong("a schedule sends to a mailbox or a topic");
  }
  if (auto good = check_repeated(message.routing); !good) return std::unexpected(std::move(good.error()));
  if (auto good = to_.references.check(message); !good) return std::unexpected(std::move(good.error()));
  Schedule schedule{.name = std::string(command.name),
                    .cron_text = std::string(command.cron),
                    .every_ms = command.every_ms,
                    .until = command.until,
                    .left = command.times};
  if (!command.cron.empty()) {
    auto cron = Cron::parse(command.cron);
    if (!cron) return std::unexpected(std::move(cron.error()));
    schedule.cron = *cron;
  }
  const auto first = command.first_at != 0 ? std::optional(command.first_at) : schedule.next_after(now, now);
  if (!first || (command.until != 0 && *first > command.until)) return wrong("the schedule would never send anything");
  schedule.next = *first;
  return schedule;
}

void Schedules::set(Session& session, RequestNumber request, const ScheduleCommand& command,
                    const IncomingMessage& message) {
  // Kept as it will be sent: whose it is, who sets it, whatever becomes of them.
  if (!message.provenance.empty()) {
    const auto envelope = with_provenance(message.envelope, message.routing, message.provenance);
    IncomingMessage kept = message;
    kept.envelope = as_bytes(envelope);
    kept.provenance = {};
    kept.routing = {};
    if (auto read = read_routing(kept.envelope, kept.routing); !read)
      return to_.replies.refuse({session.id, request}, read.error());
    return set(session, request, command, kept);
  }
  const Asker caller{session.id, request};
  auto schedule = make(command, message);
  if (!schedule) return to_.replies.refuse(caller, schedule.error());
  const auto sender = sender_of(to_.names, session, message);
  if (!sender) return to_.replies.refuse(caller, sender.error());
  schedule->sender = *sender;
  auto* const old = table_.find(command.name);
  if (old == nullptr && table_.size() >= options_.schedules_max) {
    return to_.replies.refuse(caller,
                              {ErrorCode::limit_reached, fmt::format("there are {} schedules already", table_.size())});
  }
  schedule->number = to_.run.next_key().value;  // never used twice
  const ScheduleSetFact fact{
      schedule->number, schedule->next, schedule->every_ms, schedule->until, schedule->left, 0, *sender, 0};
  std::string texts;
  append_text(texts, schedule->name);
  append_text(texts, schedule->cron_text);
  schedule->message_at = static_cast<std::uint32_t>(sizeof fact + texts.size());
  Draft draft;
  to_.names.measure(*sender, draft);
  if (old != nullptr) draft.add(sizeof old->number);
  draft.add(schedule->message_at + message.envelope.size() + message.content.size());
  if (!to_.ledger.has_room(Urgency::durable, draft)) {
    return to_.replies.refuse(caller,
                              {ErrorCode::disk_full, fmt::format("no room to keep the schedule {}", command.name)});
  }
  {
    const Ledger::Group group(to_.ledger, draft);
    to_.names.note(*sender);
    if (old != nullptr) drop(old->number);
    schedule->place = to_.ledger.write(
        FactKind::schedule_set, {bytes_of(fact), as_bytes(texts), message.envelope, message.content}, Life::live);
  }
  if (!message.routing.content_ref.empty())
    schedule->content = to_.references.refer(read_content_ref(message.envelope, message.routing));
  const Durable noted(schedule->place);
  watch(table_.add(std::move(*schedule)));
  to_.ledger.when_or_now(noted, waiting::Answer{.to = caller});
}

void Schedules::remove(Asker caller, std::string_view name) {
  const auto* const schedule = table_.find(name);
  if (schedule == nullptr) {
    return to_.replies.refuse(caller, {ErrorCode::not_found, fmt::format("there is no schedule {}", printable(name))});
  }
  if (!to_.ledger.has_room(Urgency::settling, sizeof(std::uint64_t))) {
    return to_.replies.refuse(caller, {ErrorCode::disk_full, "no room to note that the schedule is gone"});
  }
  to_.ledger.when_or_now(drop(schedule->number), waiting::Answer{.to = caller});
}

void Schedules::each(const std::function<void(const Schedule&)>& each) const {
  for (const auto& [number, schedule] : table_.all()) each(schedule);
}

void Schedules::start() {
  for (const auto& [number, schedule] : table_.all()) watch(schedule);
}

void Schedules::watch(const Schedule& schedule) {
  to_.agenda.add({.at = schedule.next, .id = schedule.number, .place = 0, .kind = TimerKind::schedule});
}

bool Schedules::is_live(const Timer& timer) const {
  const auto* const schedule = table_.find(timer.id);
  return schedule != nullptr && schedule->next == timer.at;
}

Durable Schedules::drop(std::uint64_t number) {
  const Durable noted(to_.ledger.note(FactKind::schedule_removed, {bytes_of(number)}));
  if (!noted) table_.find(number)->content = nullptr;  // it may be back after a crash: its content stays for this run
  forget(number);
  return noted;
}

void Schedules::forget(std::uint64_t number) {
  auto* const schedule = table_.find(number);
  if (schedule == nullptr) return;
  to_.ledger.release(schedule->place);
  if (schedule->content != nullptr) to_.references.drop(schedule->content);
  table_.remove(number);
}

void Schedules::fire(std::uint64_t number) {
  auto& schedule = *table_.find(number);
  const std::string copy(as_text(to_.ledger.read(schedule.place).subspan(schedule.message_at)));
  IncomingMessage message;
  const auto read = read_routing(as_bytes(copy), message.routing);
  if (!read) to_.effects.unreadable(read.error());
  message.envelope = as_bytes(copy).first(message.routing.bytes);
  message.content = as_bytes(copy).subspan(message.routing.bytes);
  message.routing.from = {};
  // Of schedules that an earlier version took: each is a message of its own, and goes out when it is due.
  message.routing.key = {};
  message.routing.id = {};
  message.routing.deliver_at = 0;

  const auto next = schedule.left == 1 ? std::nullopt : schedule.next_after(schedule.next, to_.run.now());
  const ScheduleFiredFact fact{number, next.value_or(Instant{}), schedule.left > 0 ? schedule.left - 1 : 0,
                               schedule.fired + 1};
  if (const auto sent = send(schedule, message, fact); !sent) {
    const auto at = to_.run.now();
    to_.announcer.announce("bus.schedule", bulletins::event_of_failed_schedule(schedule.name, sent.error(), at));
    note(schedule, fact);
  }
  ++to_.counters.schedules_fired;
  if (next) return watch(schedule);
  drop(number);
}

// On error nothing has changed, and the firing is not noted yet.
Result<void> Schedules::send(Schedule& schedule, const IncomingMessage& message, const ScheduleFiredFact& fact) {
  if (!message.routing.topic.empty()) {
    // Not before the log knows of it: the next run would send it again.
    if (!to_.ledger.has_room(Urgency::settling, sizeof fact) || !to_.outputs.has_room(message)) {
      return failure(ErrorCode::disk_full, "no room to note that the event is sent");
    }
    to_.outputs.hold(note(schedule, fact), {.quiet = true}, schedule.sender, message, {});
    return {};
  }
  Session as_sender;
  as_sender.name_id = schedule.sender;
  const auto prepared = to_.post.prepare(as_sender, message, nullptr);
  if (!prepared) return std::unexpected(prepared.error());
  auto draft = to_.post.measure(*prepared, {});
  draft.add(sizeof fact);
  if (!to_.post.make_room(*prepared, draft)) {
    return failure(ErrorCode::disk_full, "the disk has no room for the message");
  }
  const Post::Group group(to_.post, to_.ledger, draft);
  to_.post.commit(*prepared, {}, {.quiet = true});
  note(schedule, fact);
  return {};
}

Durable Schedules::note(Schedule& schedule, const ScheduleFiredFact& fact) {
  apply(schedule, fact);
  return Durable(to_.ledger.note(FactKind::schedule_fired, {bytes_of(fact)}));
}

void Schedules::apply(Schedule& schedule, const ScheduleFiredFact& fact) {
  schedule.next = fact.next;
  schedule.left = fact.left;
  schedule.fired = fact.fired;
}

Result<void> Schedules::enter(const Fact& fact) {
  if (fact.kind == FactKind::schedule_set) return enter_set(fact);
  if (fact.kind == FactKind::schedule_removed) {
    std::uint64_t number = 0;
    if (!read_fact(fact.body, number)) return cannot_be(fact.kind, "is too short");
    forget(number);
    return {};
  }
  ScheduleFiredFact fired;
  if (!read_fact(fact.body, fired)) return cannot_be(fact.kind, "is too short");
  if (auto* const schedule = table_.find(fired.number)) apply(*schedule, fired);
  if (fired.next == 0) forget(fired.number);  // for the last time: that it was removed may have been cut off
  return {};
}

Result<void> Schedules::enter_set(const Fact& fact) {
  const auto broken = [] { return failure(ErrorCode::damaged, "a schedule_set fact breaks off"); };
  ScheduleSetFact said;
  if (!read_fact(fact.body, said)) return broken();
  Schedule schedule{.number = said.number,
                    .every_ms = said.every_ms,
                    .next = said.next,
                    .until = said.until,
                    .left = said.left,
                    .fired = said.fired,
                    .sender = said.sender,
                    .place = fact.place};
  auto rest = fact.body.subspan(sizeof said);
  if (!cut_text(rest, schedule.name) || !cut_text(rest, schedule.cron_text) || !to_.names.await(said.sender))
    return broken();
  const auto routing = read_routing(rest);
  if (!routing) return broken();
  if (!schedule.cron_text.empty()) {
    auto cron = Cron::parse(schedule.cron_text);
    if (!cron) return std::unexpected(cron.error());
    schedule.cron = *cron;
  }
  schedule.message_at = static_cast<std::uint32_t>(fact.body.size() - rest.size());
  to_.ledger.retain(fact.place);
  // Its copy knows of firings that had no room for a fact, too.
  if (auto* const known = table_.find(said.number)) {
    to_.ledger.release(known->place);
    known->place = fact.place;
    apply(*known, {said.number, said.next, said.left, said.fired});
    return {};
  }
  if (auto* const before = table_.find(schedule.name)) forget(before->number);
  if (!routing->content_ref.empty()) schedule.content = to_.references.refer(read_content_ref(rest, *routing));
  table_.add(std::move(schedule));
  return {};
}

bool Schedules::keep(const Fact& fact) {
  ScheduleSetFact said;
  if (fact.kind != FactKind::schedule_set || !read_fact(fact.body, said)) return true;
  auto* const schedule = table_.find(said.number);
  if (schedule == nullptr || schedule->place != fact.place) return true;
  said.next = schedule->next;
  said.left = schedule->left;
  said.fired = schedule->fired;
  to_.ledger.copy(fact.kind, schedule->place, {bytes_of(said), fact.body.subspan(sizeof said)});
  return true;
}

}  // namespace folkmoot
