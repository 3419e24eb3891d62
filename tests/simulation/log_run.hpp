// A run of the journal alone, for what an engine above it cannot tell apart. Things are begun, copied and ended by
// facts whose bodies say which, with a number that grows by one each; so what a crash leaves can be judged whatever the
// sync policy:
//
//   1. What recovery hands over is one stretch of those numbers, each with the bytes that were appended: nothing is
//      missing in the middle, nothing is out of order, nothing is half a group.
//   2. It goes at least to what was promised: under `always` what was called durable; under the others that too when
//      only the process ended, and what was synced when the power went.
//   3. A thing that was begun and not ended by then is there; one that was ended is not, also when the segment that it
//      began in is gone. (So a segment goes only after what ended its things is on the disk.)
//   4. A byte that rots, a file that is cut short or missing, where the log says that it was synced: refused, at the
//      start and when it is read; what is read is never other bytes. Put back, all is there again.
//   5. A disk that has room again is used again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal/journal.hpp"
#include "simulation/run.hpp"
#include "simulation/seals.hpp"

namespace folkmoot::simulation {

class LogRun final : public Run {
 public:
  explicit LogRun(std::uint64_t seed);
  ~LogRun() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

 private:
  enum class End { none, process, power, clean };
  enum class What : std::uint8_t { begun, copied, ended };
  struct Options {
    JournalOptions journal;
    bool power_fails = true;
    std::uint32_t sync_fails_one_in = 0, full_percent = 0, refused_percent = 0;
    std::size_t body_max = 0;  // beside what each body says
  };
  // A fact as it was appended.
  struct Said {
    std::uint64_t thing = 0, salt = 0;
    What what{};
    std::size_t bytes = 0;  // of the body
    Lsn lsn = 0;
    std::uint64_t group = 0;  // number of its last fact, if it is one of several; 0: none
  };
  struct Held {
    Journal::HoldId hold;
    Lsn position;
  };

  std::string body_of(std::uint64_t number) const;
  bool has_room(FactLog::Urgency urgency, std::size_t bytes);
  FactPlace append(std::uint64_t thing, What what, std::size_t more, FactLog::Life life);
  bool begin_thing(std::size_t more);
  bool end_thing(std::uint64_t thing);
  void note_life();
  std::uint64_t any_thing();

  bool start();
  void choose_seal(JournalOptions& options);
  /// What sealing adds to a fact that is appended now.
  std::size_t seal_bytes() const;
  void check_recovered(const RecoveryReport& report);
  /// The last fact before `end`.
  std::uint64_t last_before(Lsn end) const;
  bool is_synced_at_once() const;
  End live_once();
  bool turn();
  void decide(std::uint64_t what);
  void sync_written();
  bool end_across_a_step();
  void room_again();
  void group();
  bool read();
  void hold();
  void submit();
  bool write();
  bool collect();
  bool compact();
  bool stop_clean();
  void end(End how);

  /// Something that was synced rots; `in_use`: a byte, while the journal is open.
  std::optional<Harm> rot(bool in_use);
  void check_refused();

  Random random_;
  const Options options_;
  Random sealing_;  // draws of its own, so that the others stay what they are
  const bool sealed_;
  NewSegments new_segments_ = NewSegments::first_key, segments_before_ = NewSegments::first_key;
  std::uint64_t journal_runs_ = 0;
  RuleCounts rules_;
  VirtualDisk disk_;
  std::unique_ptr<Journal> journal_;
  std::vector<Said> said_{1};                 // by number
  std::map<std::uint64_t, FactPlace> alive_;  // things
  std::vector<Held> holds_;
  std::uint64_t last_thing_ = 0;
  std::uint64_t life_ = 0;                // the thing that stands for this life; 0: the log had no room for it yet
  Lsn durable_ = 0, synced_ = 0;          // told by the journal; known to be on the disk
  std::optional<std::uint64_t> reserve_;  // left for ends, when promises are refused; none: not known
  Lsn proved_ = 0;                        // a mark on the disk says that all before it was synced
  std::optional<Harm> harm_;
  struct Found {
    std::uint64_t number = 0;
    FactPlace place;
  };
  std::vector<Found> found_;                 // by recovery
  std::uint64_t must_have_ = 0;              // number of the fact that recovery must come to;
  std::uint64_t must_have_after_power_ = 0;  // and if the power goes before it does
  std::uint64_t failures_before_ = 0;
  bool after_clean_stop_ = false;
  bool ends_across_ = false;
  bool healed_ = false;
  std::int64_t steady_ = 1'000'000;
  std::uint64_t step_ = 0;
  RunTally tally_;
};

}  // namespace folkmoot::simulation
