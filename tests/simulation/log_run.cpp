#include "simulation/log_run.hpp"

#include <algorithm>

#include "simulation/violation.hpp"

namespace folkmoot::simulation {
namespace {

constexpr std::size_t kHeadBytes = 25;  // number, thing, salt, what
constexpr std::size_t kThingsMax = 400;
constexpr std::int64_t kNeverMs = std::int64_t{1} << 40;

}  // namespace

LogRun::LogRun(std::uint64_t seed)
    : random_(seed),
      options_([this] {
        Options options;
        auto& journal = options.journal;
        journal.segment_bytes = kSegmentBytesMin;
        journal.cache_bytes = random_.one_in(2) ? 0 : 512 * 1024;
        journal.sync = random_.one_in(3)   ? SyncPolicy::always
                       : random_.one_in(2) ? SyncPolicy::interval
                                           : SyncPolicy::never;
        // Time passes only for the journal's owner; so a sync is due always, or when it is called for.
        journal.sync_interval_ms = random_.one_in(4) ? 0 : kNeverMs;
        journal.bytes_max =
            random_.one_in(4) ? static_cast<std::uint64_t>(random_.between(4, 8)) * kSegmentBytesMin : 0;
        journal.reserve_bytes = static_cast<std::size_t>(random_.between(2, 16)) * 1024;
        journal.id.emplace();
        for (auto& byte : *journal.id) byte = static_cast<std::uint8_t>(random_.next());
        options.power_fails = !random_.one_in(5);
        options.sync_fails_one_in = random_.one_in(3) ? static_cast<std::uint32_t>(random_.between(10, 100)) : 0;
        options.full_percent = random_.one_in(3) ? 60 : 0;
        options.refused_percent = random_.one_in(2) ? 40 : 0;
        options.body_max =
            static_cast<std::size_t>(random_.one_in(2) ? random_.between(16, 600) : random_.between(2'000, 14'000));
        return options;
      }()),
      sealing_(seed),
      sealed_(sealing_.one_in(2)),
      disk_(random_.next()) {}

LogRun::~LogRun() = default;

std::string LogRun::describe() const {
  const auto& journal = options_.journal;
  return fmt::format(
      "a journal alone, {}: bodies to {} bytes; sync {}{}, cache {}, bytes_max {}, reserve {}; power fails {}, sync "
      "fails "
      "1 "
      "in {}, full disk in {}% of lives, writes refused {}%",
      sealed_ ? "sealed" : "plain", options_.body_max,
      journal.sync == SyncPolicy::always     ? "always"
      : journal.sync == SyncPolicy::interval ? "interval"
                                             : "never",
      journal.sync_interval_ms == 0 ? " (at once)" : "", journal.cache_bytes, journal.bytes_max, journal.reserve_bytes,
      options_.power_fails, options_.sync_fails_one_in, options_.full_percent, options_.refused_percent);
}

RunTally LogRun::tally() const {
  auto tally = tally_;
  tally.disk = disk_.tally();
  return tally;
}

// -- facts

std::string LogRun::body_of(std::uint64_t number) const {
  const auto& said = said_[number];
  std::string body(said.bytes, '\0');
  store(body.data(), number);
  store(body.data() + 8, said.thing);
  store(body.data() + 16, said.salt);
  body[24] = static_cast<char>(said.what);
  Random more(said.salt);
  for (auto at = kHeadBytes; at < body.size(); ++at) body[at] = static_cast<char>(more.next());
  return body;
}

// While promises are refused, there is room for ends until the reserve is used up.
bool LogRun::has_room(FactLog::Urgency urgency, std::size_t bytes) {
  const bool room = journal_->has_room(urgency, bytes);
  if (urgency == FactLog::Urgency::durable && room)
    reserve_ = std::min(options_.journal.reserve_bytes, kSegmentBytesMin / 4);
  const auto failed = disk_.tally().sync_failures > failures_before_;
  const auto need = record_bytes(bytes + seal_bytes()) + 2 * kMarkBytes;
  expect(urgency == FactLog::Urgency::durable || room || failed || !reserve_ || *reserve_ < need,
         "an end has no room, and {} bytes of the reserve are left", reserve_.value_or(0));
  return room;
}

FactPlace LogRun::append(std::uint64_t thing, What what, std::size_t more, FactLog::Life life) {
  const auto number = said_.size();
  said_.push_back({.thing = thing, .salt = random_.next(), .what = what, .bytes = kHeadBytes + more});
  const auto body = body_of(number);
  // In several parts, as engines write them.
  const auto cut = random_.below(body.size() + 1);
  const Bytes parts[] = {as_bytes(body).first(cut), as_bytes(body).subspan(cut)};
  const auto kind = what == What::ended ? FactKind::message_settled : FactKind::message_accepted;
  const auto place = journal_->append(kind, parts, life);
  said_.back().lsn = place.lsn;
  // Marks take their part, and what is left of a segment when the next begins.
  if (reserve_) *reserve_ -= std::min(*reserve_, journal_->bytes_in_log(place) + kMarkBytes);
  ++tally_.facts;
  ++tally_.operations;
  return place;
}

bool LogRun::begin_thing(std::size_t more) {
  if (!has_room(FactLog::Urgency::durable, kHeadBytes + more)) return false;
  const auto thing = ++last_thing_;
  alive_[thing] = append(thing, What::begun, more, FactLog::Life::live);
  return true;
}

bool LogRun::end_thing(std::uint64_t thing) {
  if (!has_room(FactLog::Urgency::settling, kHeadBytes)) return false;
  append(thing, What::ended, 0, FactLog::Life::dead);
  const auto at = alive_.find(thing);
  journal_->release(at->second);
  alive_.erase(at);
  return true;
}

// As an engine notes its run: what is alive is never nothing, and moves on.
void LogRun::note_life() {
  if (!begin_thing(random_.below(64))) return;
  if (life_ != 0 && alive_.contains(life_)) end_thing(life_);
  life_ = last_thing_;
}

std::uint64_t LogRun::any_thing() {
  const auto at = std::next(alive_.begin(), static_cast<std::ptrdiff_t>(random_.below(alive_.size())));
  return at->first;
}

// All of it or none: begun and ended together, or several of each.
void LogRun::group() {
  const auto facts = static_cast<std::size_t>(random_.between(1, 6));
  std::vector<std::size_t> bodies;
  GroupBound bound;
  for (std::size_t i = 0; i < facts; ++i) {
    bodies.push_back(random_.below(std::min<std::size_t>(options_.body_max, 4'000) + 1));
    bound += {.facts = 2, .body_bytes = 2 * kHeadBytes + bodies.back()};
  }
  if (!journal_->has_room(FactLog::Urgency::durable, bound)) return;
  const auto first = said_.size();
  {
    const FactGroup open(*journal_, bound);
    for (const auto more : bodies) {
      expect(begin_thing(more), "a group that had room has none for one of its facts");
      if (alive_.size() > 1 && random_.one_in(2)) {
        const auto thing = any_thing();
        if (thing != life_) expect(end_thing(thing), "a group that had room has none for an end");
      }
    }
  }
  const auto last = said_.size() - 1;
  if (last == first) return;
  for (auto number = first; number <= last; ++number) said_[number].group = last;
}

// -- a life

// Half of the journals are sealed, and then a start in four has another key for what is new, or none.
void LogRun::choose_seal(JournalOptions& options) {
  if (!sealed_) return;
  segments_before_ = new_segments_;
  if (sealing_.one_in(4)) new_segments_ = static_cast<NewSegments>(sealing_.below(3));
  options.keys = seal_keys(new_segments_);
  options.run = ++journal_runs_;
  rules_.saw(Rule::log_sealed);
  if (new_segments_ != segments_before_) rules_.saw(Rule::log_seal_changed);
}

std::size_t LogRun::seal_bytes() const { return sealed_ && new_segments_ != NewSegments::plain ? kSealBytes : 0; }

bool LogRun::start() {
  auto options = options_.journal;
  if (healed_) options.bytes_max = 0;
  choose_seal(options);
  auto journal = Journal::open(disk_, options);
  if (!journal) {
    const auto code = journal.error().code;
    expect(code == ErrorCode::io_error || (code == ErrorCode::disk_full && disk_.faults.full),
           "the journal does not open: {}", journal.error().text);
    disk_.faults.full = false;  // a first start needs room
    return false;
  }
  journal_ = std::move(*journal);
  found_.clear();
  std::map<std::uint64_t, FactPlace> alive;
  const auto report = journal_->recover([&](FactKind, FactPlace place, Bytes body) -> Result<void> {
    expect(body.size() >= kHeadBytes, "a fact of {} bytes is none of ours", body.size());
    const auto number = load<std::uint64_t>(body.data());
    expect(number != 0 && number < said_.size(), "fact {} was never appended", number);
    expect(as_text(body) == body_of(number), "fact {} comes back with other bytes", number);
    found_.push_back({number, place});
    const auto& said = said_[number];
    const auto known = alive.find(said.thing);
    if (said.what == What::ended) {
      if (known == alive.end()) return {};
      journal_->release(known->second);
      alive.erase(known);
      return {};
    }
    journal_->retain(place);
    if (known != alive.end()) journal_->release(known->second);
    alive[said.thing] = place;
    return {};
  });
  if (!report) {
    const bool is_another = new_segments_ != segments_before_;
    const bool no_room = report.error().code == ErrorCode::disk_full && (disk_.faults.full || is_another);
    expect(report.error().code == ErrorCode::io_error || no_room, "recovery refuses: {}", report.error().text);
    disk_.faults.full = false;
    new_segments_ = segments_before_;  // for another key a segment is needed at once
    return false;
  }
  alive_ = std::move(alive);
  check_recovered(*report);
  ++tally_.lives;
  durable_ = synced_ = journal_->durable_end();
  must_have_ = must_have_after_power_ = said_.size() - 1;
  life_ = 0;
  reserve_.reset();
  failures_before_ = disk_.tally().sync_failures;
  note_life();
  return true;
}

void LogRun::check_recovered(const RecoveryReport& report) {
  expect(report.clean_stop || !after_clean_stop_,
         "an orderly stop was not recognised: {} facts in {} segments, {} bytes cut at {}", report.facts,
         report.segments, report.cut_bytes, report.cut_offset);
  after_clean_stop_ = false;
  expect(report.facts == found_.size() && report.segments == journal_->stats().segments,
         "recovery says that it found {} facts in {} segments", report.facts, report.segments);
  if (report.cut_bytes > 0) rules_.saw(Rule::log_tail_cut);
  for (std::size_t i = 1; i < found_.size(); ++i) {
    expect(found_[i].number == found_[i - 1].number + 1, "fact {} follows {}", found_[i].number, found_[i - 1].number);
  }
  const auto last = found_.empty() ? 0 : found_.back().number;
  expect(last >= must_have_, "the log ends with fact {}, and {} was promised", last, must_have_);
  expect(said_[last].group == 0 || said_[last].group == last, "a group is cut behind fact {}", last);
  if (last + 1 < said_.size()) rules_.saw(Rule::log_unpromised_lost);
  std::set<std::uint64_t> there;
  for (std::uint64_t number = 1; number <= last; ++number) {
    const auto& said = said_[number];
    said.what == What::ended ? static_cast<void>(there.erase(said.thing)) : static_cast<void>(there.insert(said.thing));
  }
  for (const auto thing : there)
    expect(alive_.contains(thing), "thing {} was begun, and not ended by fact {}, and is gone", thing, last);
  for (const auto& [thing, place] : alive_) expect(there.contains(thing), "thing {} was ended, and is back", thing);
  said_.resize(last + 1);
}

void LogRun::submit() {
  if (journal_->submitted()) return;
  const auto segments = journal_->stats().segments;
  journal_->submit(steady_);
  const auto now = journal_->stats().segments;
  if (now < segments) rules_.saw(now + 1 < segments ? Rule::log_segments_removed : Rule::segment_removed);
}

bool LogRun::write() {
  if (!journal_->submitted()) return true;
  bool good = true;
  const bool interleave = !healed_ && random_.one_in(4);
  journal_->write_and_sync([&] {
    if (!interleave) return;
    good = collect();
    if (!good) return;
    if (has_room(FactLog::Urgency::durable, options_.body_max + kHeadBytes)) begin_thing(random_.below(200));
    submit();
  });
  return good;
}

bool LogRun::collect() {
  const auto end = journal_->collect();
  if (!end) {
    expect(end.error().code == ErrorCode::io_error, "the journal gives up: {}", end.error().text);
    rules_.saw(Rule::sync_failed);
    return false;
  }
  expect(*end >= durable_ && *end <= journal_->appended_end(), "what is durable ends at {}, after {}", *end, durable_);
  if (is_synced_at_once() && *end > durable_) {
    proved_ = durable_;  // as the mark of the batch that was written now says
    synced_ = *end;
  }
  durable_ = *end;
  for (const auto& held : holds_)
    expect(journal_->begin() <= held.position, "a segment is gone that somebody held at {}", held.position);
  return true;
}

bool LogRun::compact() {
  const auto keep = [&](FactKind, FactPlace place, Bytes body) {
    const auto number = load<std::uint64_t>(body.data());
    expect(number < said_.size() && as_text(body) == body_of(number), "fact {} has other bytes", number);
    const auto said = said_[number];
    const auto alive = alive_.find(said.thing);
    if (alive == alive_.end() || !(alive->second == place)) return true;
    if (random_.one_in(50)) return false;
    const auto more = said.bytes - kHeadBytes;
    const auto copy = append(said.thing, What::copied, more, FactLog::Life::live);
    journal_->release(place);
    alive_[said.thing] = copy;
    rules_.saw(Rule::log_copied);
    return true;
  };
  if (!journal_->compaction_due()) return true;
  const auto done = journal_->compact_step(static_cast<std::size_t>(random_.between(1'000, 40'000)), keep);
  if (done) return true;
  if (harm_) rules_.saw(Rule::log_rot_refused);
  expect(done.error().code == ErrorCode::io_error || (harm_ && done.error().code == ErrorCode::damaged),
         "compaction fails: {}", done.error().text);
  return false;
}

// False if what was asked for has rotted.
bool LogRun::read() {
  if (alive_.empty()) return true;
  const auto place = alive_.at(any_thing());
  const auto body = journal_->read(place);
  if (!body) {
    expect(harm_.has_value(), "the log cannot give back what it has: {}", body.error().text);
    rules_.saw(Rule::log_rot_refused);
    return false;
  }
  const auto number = load<std::uint64_t>(body->data());
  expect(number < said_.size() && said_[number].lsn == place.lsn && as_text(*body) == body_of(number),
         "another fact is read at {} than stands there", place.lsn);
  return true;
}

void LogRun::hold() {
  if (holds_.size() < 2 && random_.one_in(3)) {
    const auto at = journal_->begin() + random_.below(journal_->appended_end() - journal_->begin() + 1);
    holds_.push_back({journal_->hold(at), at});
    return rules_.saw(Rule::log_held);
  }
  if (holds_.empty()) return;
  auto& held = holds_[random_.below(holds_.size())];
  if (random_.one_in(2)) {
    held.position = held.position + random_.below(journal_->appended_end() - held.position + 1);
    return journal_->move_hold(held.hold, held.position);
  }
  journal_->let_go(held.hold);
  holds_.erase(holds_.begin() + (&held - holds_.data()));
}

// The owner decides things.
void LogRun::decide(std::uint64_t what) {
  if (what < 30) {
    for (auto count = random_.between(1, 5); count > 0 && alive_.size() < kThingsMax; --count)
      if (!begin_thing(random_.below(options_.body_max + 1))) rules_.saw(Rule::log_refused_for_room);
  } else if (what < 45) {
    for (auto count = random_.between(1, 8); count > 0 && alive_.size() > 1; --count) {
      const auto thing = any_thing();
      if (thing != life_) end_thing(thing);
    }
  } else if (what < 47) {  // nearly all at once: several segments may go together
    const auto things = alive_;
    for (const auto& [thing, place] : things)
      if (thing != life_ && !random_.one_in(20)) end_thing(thing);
    note_life();
  } else if (what < 52) {
    group();
  } else if (what < 55) {
    hold();
  } else {
    note_life();
  }
}

// The last that is known to be on the disk is a fact whose end is looked for in one step (tail.cpp), and the mark that
// tells of it begins in that step and ends in the next. False when the disk failed.
bool LogRun::end_across_a_step() {
  constexpr std::size_t kStepBytes = 4096;
  const auto commit = [&] {
    submit();
    return write() && collect();
  };
  if (!write() || !collect() || !commit()) return false;
  const auto body =
      kStepBytes - static_cast<std::size_t>(random_.between(1, 3)) * kRecordAlign - record_bytes(0) - seal_bytes();
  if (alive_.size() < kThingsMax) begin_thing(body - kHeadBytes);
  if (!commit()) return false;
  note_life();
  ends_across_ = true;
  return commit();
}

void LogRun::sync_written() {
  if (journal_->submitted() || options_.journal.sync == SyncPolicy::always) return;
  journal_->sync_written();
  if (disk_.tally().sync_failures == failures_before_) synced_ = std::max(synced_, durable_);
}

bool LogRun::turn() {
  ++step_;
  const auto what = random_.below(100);
  bool good = true;
  if (what < 58) {
    decide(what);
  } else if (what < 66) {
    good = read();
  } else if (what < 70) {
    steady_ += random_.between(0, 2'000);
  } else if (what < 80) {
    submit();
  } else if (what < 88) {
    good = write();
  } else if (what < 93) {
    good = collect();
  } else if (what < 95) {
    sync_written();
  } else {
    good = compact();
  }
  const auto most = options_.journal.bytes_max;
  expect(most == 0 || healed_ || disk_.bytes() <= most, "the journal takes {} bytes of the {} it may", disk_.bytes(),
         most);
  return good;
}

LogRun::End LogRun::live_once() {
  const auto stopped = [&] { return options_.power_fails && random_.one_in(2) ? End::power : End::process; };
  try {
    if (options_.power_fails && random_.one_in(10))
      disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 12)));
    if (!start()) return stopped();
    const bool fills_up = random_.percent(options_.full_percent);
    disk_.faults.sync_fails_one_in = options_.sync_fails_one_in;
    disk_.faults.write_refused_percent = options_.refused_percent;
    const auto steps = random_.between(20, 250);
    const auto power_goes = options_.power_fails && !random_.one_in(4) ? random_.between(0, steps) : -1;
    const auto rots = random_.one_in(6) ? random_.between(0, steps) : -1;
    for (std::int64_t i = 0; i < steps; ++i) {
      if (i == power_goes) disk_.fail_power_in(static_cast<std::uint64_t>(random_.between(1, 10)));
      if (fills_up && random_.one_in(25)) disk_.faults.full = !disk_.faults.full;
      if (i == rots) harm_ = rot(true);
      if (!turn()) return stopped();
    }
    if (!harm_ && is_synced_at_once() && random_.one_in(8)) {
      end_across_a_step();
      return stopped();
    }
    if (!harm_ && random_.one_in(6)) {
      disk_.keep_power();
      return stop_clean() ? End::clean : End::process;
    }
    return stopped();
  } catch (const PowerLoss&) {
    return End::power;
  }
}

bool LogRun::stop_clean() {
  disk_.faults.sync_fails_one_in = 0;
  const auto before = journal_->appended_end();
  const auto closed = journal_->close(true);
  if (!closed) {
    const auto code = closed.error().code;
    // It may be tried again only a second after it was refused.
    expect(code == ErrorCode::io_error || (code == ErrorCode::disk_full && journal_->stats().disk_full),
           "the journal does not close: {}", closed.error().text);
    return false;
  }
  durable_ = synced_ = journal_->durable_end();
  after_clean_stop_ = !journal_->stats().disk_full;  // else there may have been no room for the mark
  if (after_clean_stop_) proved_ = before;
  return true;
}

bool LogRun::is_synced_at_once() const {
  const auto& journal = options_.journal;
  return journal.sync == SyncPolicy::always || (journal.sync == SyncPolicy::interval && journal.sync_interval_ms == 0);
}

std::uint64_t LogRun::last_before(Lsn end) const {
  auto number = said_.size() - 1;
  while (number > 0 && said_[number].lsn >= end) --number;
  return number;
}

void LogRun::end(End how) {
  disk_.keep_power();
  // What a start had to find stands until one has.
  if (durable_ != 0) {
    must_have_ = last_before(durable_);
    must_have_after_power_ = last_before(synced_);
  }
  if (how == End::power) must_have_ = must_have_after_power_;
  holds_.clear();
  journal_.reset();
  if (harm_) check_refused();
  if (how == End::power) disk_.lose_power();
  if (how != End::clean) ++tally_.crashes;
  if (how == End::power)
    rules_.saw(options_.journal.sync == SyncPolicy::always ? Rule::crash_power : Rule::log_power_unsynced);
  if (how == End::process) rules_.saw(Rule::crash_process);
  disk_.faults.sync_fails_one_in = 0;
  if (random_.one_in(2)) disk_.faults.full = false;
  if (random_.one_in(std::exchange(ends_across_, false) ? 2 : 8)) harm_ = rot(false);
  if (harm_) check_refused();
  durable_ = synced_ = 0;
  steady_ += 2'000;
}

// -- rot

std::optional<Harm> LogRun::rot(bool in_use) {
  constexpr auto segment_bytes = kSegmentBytesMin;
  const auto names = disk_.list();
  std::vector<std::uint64_t> numbers;
  const auto segments =
      std::ranges::count_if(*names, [](const auto& name) { return segment_number(name).has_value(); });
  for (const auto& name : *names) {
    if (const auto number = segment_number(name);
        number && *number * segment_bytes + kSegmentHeaderBytes < proved_.value)
      numbers.push_back(*number);
  }
  if (numbers.empty()) return std::nullopt;
  const auto what = in_use ? 0 : random_.below(6);
  // Where little tells of it: the first segment, and the end of what is known to be on the disk.
  const bool is_hard = random_.one_in(2);
  const auto number = !is_hard    ? random_.pick(numbers)
                      : what == 2 ? *std::ranges::min_element(numbers)
                                  : *std::ranges::max_element(numbers);
  const auto name = segment_name(number);
  const auto used = std::min<std::uint64_t>(segment_bytes, proved_.value - number * segment_bytes);
  if (what == 1) return disk_.shorten(name, random_.below(used));
  // The first may be one that is to go, and that nothing needs any more. Without any there is no journal.
  const auto is_needed = [&] {
    return number != std::ranges::min(numbers) || std::ranges::any_of(alive_, [&](const auto& each) {
             return each.second.lsn.value / segment_bytes == number;
           });
  };
  if (what == 2 && segments > 1 && is_needed()) return disk_.hide(name);
  const auto at = is_hard ? used - 1 - random_.below(std::min<std::uint64_t>(used, 64)) : random_.below(used);
  return disk_.spoil(name, at, static_cast<std::uint8_t>(1u << random_.below(8)));
}

// Nothing is dropped in silence; and nothing was changed, so that what is put back is as it was.
void LogRun::check_refused() {
  const auto harm = *std::exchange(harm_, std::nullopt);
  if (!harm.stands()) return harm.undo();  // its segment has gone meanwhile
  const auto refused = [&](const auto& done) {
    if (done) return false;
    expect(done.error().code == ErrorCode::damaged || done.error().code == ErrorCode::io_error, "rot is refused as: {}",
           done.error().text);
    return true;
  };
  auto options = options_.journal;
  if (sealed_) options.keys = seal_keys(new_segments_);
  auto journal = Journal::open(disk_, options);
  bool is_refused = refused(journal);
  if (!is_refused)
    is_refused = refused((*journal)->recover([](FactKind, FactPlace, Bytes) -> Result<void> { return {}; }));
  expect(is_refused, "what was synced before {} has rotted, and the log starts all the same: {}", proved_, harm.what);
  rules_.saw(Rule::log_rot_refused);
  if (journal) journal->reset();
  harm.undo();
}

// -- phase two

void LogRun::live(std::uint64_t crashes) {
  while (tally_.crashes < crashes) end(live_once());
}

// What waits for the disk goes to it as soon as it has room, though nobody asks for that.
void LogRun::room_again() {
  disk_.faults = {.full = true, .write_refused_percent = 100};
  begin_thing(100);
  submit();
  expect(write() && collect(), "a full disk fails");
  disk_.faults = {};
  if (journal_->durable_end() != journal_->appended_end()) rules_.saw(Rule::log_room_again);
  for (int i = 0; i < 2; ++i) {
    steady_ += 1'100;
    submit();
    expect(write() && collect(), "a healed disk fails");
  }
  expect(journal_->durable_end() == journal_->appended_end(), "the disk has room again, and {} waits for it",
         journal_->durable_end());
}

void LogRun::drain() {
  healed_ = true;
  disk_.faults = {};
  expect(start(), "a healed disk fails");
  const auto commit = [&] {
    steady_ += 1'100;
    submit();
    expect(write() && collect(), "a healed disk fails");
  };
  while (!holds_.empty()) {
    journal_->let_go(holds_.back().hold);
    holds_.pop_back();
  }
  commit();
  room_again();
  // There is room again, for more than a segment.
  for (int i = 0; i < 40; ++i) {
    expect(begin_thing(2'000), "a healed disk has no room");
    if (i % 8 == 7) commit();
  }
  while (alive_.size() > 1) {
    const auto thing = alive_.begin()->first == life_ ? std::next(alive_.begin())->first : alive_.begin()->first;
    expect(end_thing(thing), "a healed disk has no room for an end");
  }
  commit();
  note_life();
  commit();
  for (int turns = 0; journal_->compaction_due(); ++turns) {
    expect(turns < 2'000, "compaction has no end");
    expect(compact(), "a healed disk fails");
    commit();
  }
  commit();
  const auto stats = journal_->stats();
  const auto live = journal_->bytes_in_log(alive_.at(life_));
  expect(stats.live_bytes == live, "{} bytes are live when all has ended, not {}, {} things", stats.live_bytes, live,
         alive_.size());
  expect(stats.segments <= 2, "{} segments are left when all has ended", stats.segments);
  expect(stop_clean(), "a healed disk fails");
  end(End::clean);
  expect(start(), "a healed disk fails");
  rules_.saw(Rule::log_drained);
}

}  // namespace folkmoot::simulation
