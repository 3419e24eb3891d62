// A run: from one seed, lives of a server (engine and journal over a virtual disk) that end in crashes and stops, and
// agents that use it. What is drawn from the seed: every option, every command, when the disk syncs, fails or fills up,
// when the power goes.
//
// Phase one, `live()`: anything fails. Phase two, `drain()`: all is healed, and everything that should be there must
// come out within a bound.
#pragma once

#include <memory>
#include <string>

#include "journal/journal.hpp"
#include "simulation/agents.hpp"
#include "simulation/live_facts.hpp"
#include "simulation/run.hpp"
#include "simulation/seals.hpp"
#include "simulation/views.hpp"

namespace folkmoot::simulation {

struct RunOptions {
  EngineOptions engine;
  JournalOptions journal;
  bool power_fails = true;  // else only the process is killed
  std::uint32_t sync_fails_one_in = 0;
  std::uint32_t full_percent = 0;  // of lives that meet a full disk
  std::uint32_t write_refused_percent = 0;
  std::size_t content_bytes_max = 0;
  std::size_t mailboxes = 0, senders = 0;
  std::int64_t steps_min = 20, steps_max = 200;  // of a life
  std::int64_t pace_ms = 0;                      // time between turns, at most
};

class World final : public FactLog, public Run {
 public:
  explicit World(std::uint64_t seed);
  ~World() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

 private:
  enum class End { none, process, power, clean };

  void overhear(const std::function<void()>& what);
  bool note_room(Urgency urgency, bool room) const;

  // FactLog: what the engine does with the journal, overheard.
  bool has_room(Urgency urgency, std::size_t bytes) const override;
  bool has_room(Urgency urgency, GroupBound bound) const override;
  std::size_t group_bytes_max() const override { return journal_->group_bytes_max(); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override;
  void begin_group(GroupBound bound) override;
  void end_group() override;
  Result<Bytes> read(FactPlace place) override {
    overhear([&] { live_.read(place); });
    return journal_->read(place);
  }
  void retain(FactPlace place) override {
    overhear([&] { live_.retained(place, journal_->bytes_in_log(place)); });
    journal_->retain(place);
  }
  void release(FactPlace place) override {
    overhear([&] { live_.released(place, journal_->bytes_in_log(place)); });
    journal_->release(place);
  }

  bool start();
  End live_once();
  End turn();
  bool stop_clean();
  void end(End how);
  void tick();
  void submit();
  bool write(bool interleave);
  bool collect();
  bool compact();
  void commands();
  bool commit();
  /// Everybody has what is theirs, and nobody wants anything any more: what was set is removed, what is dead is purged,
  /// mailboxes are deleted, sessions close.
  void take_all();
  void idle_without_room();
  void end_of_all();
  void check_empty(std::string_view when);
  void pass(std::int64_t ms);

  const std::uint64_t seed_;
  Random random_;
  std::uint64_t journal_runs_ = 0;  // of the journal, as it tells them apart
  RunOptions options_;
  RuleCounts rules_;
  VirtualDisk disk_;
  Model model_;
  Promises promises_;
  OrderChecker order_;
  Leases leases_;
  Agents agents_;
  ViewChecker views_;
  LiveFacts live_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Engine> engine_;
  Lsn started_at_ = 0;
  std::int64_t now_ = 1'800'000'000'000;  // the wall clock
  std::int64_t steady_ = 1'000'000;
  bool healed_ = false;
  bool without_room_ = false;  // the log says that it has no room for anything
  bool after_clean_stop_ = false;
  std::uint64_t step_ = 0;
  RunTally tally_;
  std::uint64_t failures_before_ = 0;
};

}  // namespace folkmoot::simulation
