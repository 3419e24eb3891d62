// Repeated messages: each time one is due its message is accepted, and that it was sent is noted in the same group of
// facts, so that no restart sends it twice.
#include <fmt/format.h>

#include "base/utf8.hpp"
#include "engine/engine.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kEveryMin = 100;  // ms

void append_text(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint16_t>(text.size());
  out.append(as_text(bytes_of(size))).append(text);
}

bool cut_text(Bytes& bytes, std::string& out) {
  if (bytes.size() < 2) return false;
  const std::size_t size = load<std::uint16_t>(bytes.data());
  if (bytes.size() - 2 < size) return false;
  out = as_text(bytes.subspan(2, size));
  bytes = bytes.subspan(2 + size);
  return true;
}

}  // namespace

void Engine::set_schedule(SessionId id, std::uint32_t request, const ScheduleCommand& command,
                          const IncomingMessage& message) {
  auto* const session = find_session(id);
  if (session == nullptr) return;
  const auto wrong = [&](std::string text) { return refuse(id, request, {ErrorCode::invalid_field, std::move(text)}); };
  if (!is_name(command.name)) return refuse(id, request, {ErrorCode::invalid_name, "the schedule's name is none"});
  if (command.cron.empty() == (command.every_ms == 0)) return wrong("give exactly one of `every` and `cron`");
  if (command.every_ms != 0 && command.every_ms < kEveryMin)
    return wrong(fmt::format("`every` is {} ms; {} ms is the least", command.every_ms, kEveryMin));
  if (command.until != 0 && command.until <= now_) return wrong("`until` is past");
  if (!message.routing.topic.empty()) {
    if (auto good = check_now(message); !good) return refuse(id, request, std::move(good.error()));
  } else if (message.routing.to.starts_with('@') || message.routing.to.starts_with('$')) {
    return wrong("a schedule sends to a mailbox or a topic");
  }
  if (message.routing.mode == DeliveryMode::exactly_once) {
    return wrong("`mode` exactly_once needs a key for each message; a schedule's are sent once as they are");
  }
  if (auto good = check_content(message); !good) return refuse(id, request, std::move(good.error()));
  Schedule schedule{.name = std::string(command.name),
                    .cron_text = std::string(command.cron),
                    .every_ms = command.every_ms,
                    .until = command.until,
                    .left = command.times};
  if (!command.cron.empty()) {
    auto cron = Cron::parse(command.cron);
    if (!cron) return refuse(id, request, std::move(cron.error()));
    schedule.cron = *cron;
  }
  const auto first = command.first_at > now_ ? std::optional(command.first_at) : schedule.next_after(now_, now_);
  if (!first || (command.until != 0 && *first > command.until)) return wrong("the schedule would never send anything");
  schedule.next = *first;
  const auto sender = sender_of(*session, message);
  if (!sender) return refuse(id, request, sender.error());
  schedule.sender = *sender;
  auto* const old = schedules_.find(command.name);
  if (old == nullptr && schedules_.size() >= options_.schedules_max) {
    return refuse(id, request,
                  {ErrorCode::limit_reached, fmt::format("there are {} schedules already", schedules_.size())});
  }
  schedule.number = next_key();  // never used twice
  const ScheduleSetFact fact{
      schedule.number, schedule.next, schedule.every_ms, schedule.until, schedule.left, 0, *sender, 0};
  std::string texts;
  append_text(texts, schedule.name);
  append_text(texts, schedule.cron_text);
  schedule.message_at = static_cast<std::uint32_t>(sizeof fact + texts.size());
  const auto bytes = schedule.message_at + message.envelope.size() + message.content.size();
  const GroupBound bound{.facts = 3, .body_bytes = bytes + 1024};
  if (!log_.has_room(FactLog::Urgency::durable, bound)) {
    return refuse(id, request, {ErrorCode::disk_full, fmt::format("no room to keep the schedule {}", command.name)});
  }
  {
    const FactGroup group(log_, bound);
    journal_party(*sender);
    if (old != nullptr) drop_schedule(old->number);
    const Bytes parts[] = {bytes_of(fact), as_bytes(texts), message.envelope, message.content};
    schedule.place = log_.append(FactKind::schedule_set, parts, FactLog::Life::live);
  }
  if (!message.routing.content_ref.empty())
    schedule.content = contents_.refer(read_content_ref(message.envelope, message.routing));
  const auto lsn = schedule.place.lsn;
  watch(schedules_.add(std::move(schedule)));
  push_pending({.lsn = lsn, .session = id, .request = request, .kind = Pending::Kind::done});
}

void Engine::watch(const Schedule& schedule) {
  add_timer({.at = schedule.next, .id = schedule.number, .box = 0, .kind = TimerKind::schedule});
}

// Forgets a schedule, with a fact that says so.
void Engine::drop_schedule(std::uint64_t number) {
  const auto noted = append_fact(FactKind::schedule_removed, {bytes_of(number)});
  if (noted.lsn == 0)
    schedules_.find(number)->content = nullptr;  // it may be back after a crash: its content stays for this run
  forget_schedule(number);
}

void Engine::forget_schedule(std::uint64_t number) {
  auto* const schedule = schedules_.find(number);
  if (schedule == nullptr) return;
  log_.release(schedule->place);
  if (schedule->content != nullptr) {
    contents_.drop(schedule->content, now_);
    watch_contents();
  }
  schedules_.remove(number);
}

void Engine::remove_schedule(SessionId id, std::uint32_t request, std::string_view name) {
  const auto* const schedule = schedules_.find(name);
  if (schedule == nullptr) {
    return refuse(
        id, request,
        {ErrorCode::not_found, fmt::format("there is no schedule {}", is_name(name) ? name : "(unprintable)")});
  }
  if (!log_.has_room(FactLog::Urgency::settling, sizeof(std::uint64_t))) {
    return refuse(id, request, {ErrorCode::disk_full, "no room to note that the schedule is gone"});
  }
  last_fact_ = 0;
  drop_schedule(schedule->number);
  push_pending({.lsn = last_fact_, .session = id, .request = request, .kind = Pending::Kind::done});
}

void Engine::fire(std::uint64_t number) {
  auto& schedule = *schedules_.find(number);
  const auto body = log_.read(schedule.place);
  if (!body) effects_.unreadable(body.error());
  const std::string copy(as_text(body->subspan(schedule.message_at)));
  IncomingMessage message;
  const auto read = read_routing(as_bytes(copy), message.routing);
  if (!read) effects_.unreadable(read.error());
  message.envelope = as_bytes(copy).first(message.routing.bytes);
  message.content = as_bytes(copy).subspan(message.routing.bytes);
  message.routing.from = {};
  message.routing.key = {};  // nor an id that would serve as one: each is a message of its own
  message.routing.id = {};

  const auto next = schedule.left == 1 ? std::nullopt : schedule.next_after(schedule.next, now_);
  const ScheduleFiredFact fact{number, next.value_or(0), schedule.left > 0 ? schedule.left - 1 : 0, schedule.fired + 1};
  const auto note = [&] {
    append_fact(FactKind::schedule_fired, {bytes_of(fact)});
    apply_fired(schedule, fact);
  };
  const auto failed = [&](const Error& error) {
    std::string json;
    JsonWriter(json)
        .begin_object()
        .field("schedule", schedule.name)
        .field("error", error.describe())
        .field("at", now_)
        .end_object();
    announce("bus.schedule", json);
    note();
  };
  const auto send = [&]() -> void {
    if (!message.routing.topic.empty()) {
      // Not before the log knows of it: the next run would send it again.
      const bool room = log_.has_room(FactLog::Urgency::settling, sizeof fact) &&
                        transient_.has_room(message.envelope.size() + kStampBytesMax + message.content.size());
      if (!room) return failed({ErrorCode::disk_full, "no room to note that the event is sent"});
      note();
      return hold_output({.quiet = true}, schedule.sender, message, {});
    }
    Session as_sender;
    as_sender.party = schedule.sender;
    const auto prepared = prepare(as_sender, message, nullptr);
    if (!prepared) return failed(prepared.error());
    auto bound = prepared->bound();
    bound += {.facts = 1, .body_bytes = sizeof fact};
    if (!make_room(*prepared, bound)) return failed({ErrorCode::disk_full, "the disk has no room for the message"});
    const CommitGroup group(*this, bound);
    commit(*prepared, {}, {.kind = Pending::Kind::accepted, .quiet = true});
    note();
  };
  send();
  ++counters_.schedules_fired;
  if (next) return watch(schedule);
  drop_schedule(number);
}

void Engine::apply_fired(Schedule& schedule, const ScheduleFiredFact& fact) {
  schedule.next = fact.next;
  schedule.left = fact.left;
  schedule.fired = fact.fired;
}

Result<void> Engine::recover_schedule(FactPlace place, Bytes body) {
  const auto broken = [] { return failure(ErrorCode::damaged, "a schedule_set fact breaks off"); };
  if (body.size() < sizeof(ScheduleSetFact)) return broken();
  const auto fact = load<ScheduleSetFact>(body.data());
  Schedule schedule{.number = fact.number,
                    .every_ms = fact.every_ms,
                    .next = fact.next,
                    .until = fact.until,
                    .left = fact.left,
                    .fired = fact.fired,
                    .sender = fact.sender,
                    .place = place};
  auto rest = body.subspan(sizeof fact);
  if (!cut_text(rest, schedule.name) || !cut_text(rest, schedule.cron_text) || !await_party(fact.sender))
    return broken();
  const auto routing = read_routing(rest);
  if (!routing) return broken();
  if (!schedule.cron_text.empty()) {
    auto cron = Cron::parse(schedule.cron_text);
    if (!cron) return std::unexpected(cron.error());
    schedule.cron = *cron;
  }
  schedule.message_at = static_cast<std::uint32_t>(body.size() - rest.size());
  log_.retain(place);
  if (auto* const known =
          schedules_.find(fact.number)) {  // its copy, which knows of firings that had no room for a fact, too
    log_.release(known->place);
    known->place = place;
    apply_fired(*known, {fact.number, fact.next, fact.left, fact.fired});
    return {};
  }
  if (auto* const before = schedules_.find(schedule.name)) forget_schedule(before->number);
  if (!routing->content_ref.empty()) schedule.content = contents_.refer(read_content_ref(rest, *routing));
  schedules_.add(std::move(schedule));
  return {};
}

void Engine::each_schedule(const std::function<void(const Schedule&)>& each) const {
  for (const auto& [number, schedule] : schedules_.all()) each(schedule);
}

}  // namespace folkmoot
