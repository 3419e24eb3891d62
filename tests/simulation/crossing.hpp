// A run of a server of several shards: what one of them decides for another's mailboxes crosses over to it
// (engine/shovel.hpp). Engines and journals over virtual disks, as in a run of one (world.hpp), with what they say to
// each other under way for any time; they end together.
//
// Judged from outside, as promises.hpp does it:
//
//   1. A message comes only in the shard that its mailbox belongs to, and under one id, however often it is sent over.
//   2. What was confirmed is not lost. What was refused never comes.
//   3. An atomic batch, a completion's input and outputs: all or none, in whichever shards.
//   4. What a stream of the first shard takes of events: stray_events.hpp.
//   5. A message whose ack was answered never comes again; at most once is at most one delivery.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "journal/journal.hpp"
#include "simulation/run.hpp"
#include "simulation/stray_events.hpp"

namespace folkmoot::simulation {

class Crossing final : public Run {
 public:
  explicit Crossing(std::uint64_t seed);
  ~Crossing() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

 private:
  class Shard;
  struct Options {
    EngineOptions engine;
    JournalOptions journal;
    std::size_t shards = 2, boxes = 2;  // mailboxes of each
    bool power_fails = true;
    std::uint32_t sync_fails_one_in = 0, full_percent = 0;
    std::uint32_t credit = 256;  // of what is carried over
  };
  /// What happens together: a message alone, an atomic batch, a completion.
  struct Together {
    enum class Fate { open, happened, not_happened };
    std::vector<std::uint64_t> numbers;
    std::uint64_t input = 0;  // number of what is completed; 0: nothing
    std::uint64_t event = 0;  // that a completion publishes besides; 0: none
    Fate fate = Fate::open;
  };
  struct Sent {
    std::size_t box = 0;
    std::size_t together = 0;
    bool once = false;
    std::set<Uuid> ids{};  // it came under
    std::uint32_t deliveries = 0;
    struct {
      bool asked = false;
      std::optional<std::size_t> by{};       // a completion; else an ack
    } end{};                                 // since it came last
    bool acked = false;                      // and that was answered, or what it was completed with has come
    std::vector<std::size_t> completions{};  // tried with it as their input
  };
  enum class End { none, process, power };

  static Options draw(Random& random);
  std::size_t owner(std::size_t box) const { return box % options_.shards; }
  std::size_t box_named(std::string_view name) const;
  std::uint64_t new_message(std::size_t box, std::size_t together);
  std::size_t new_together(std::size_t numbers, std::optional<std::size_t> box);
  void happened(std::size_t together);
  void not_happened(std::size_t together);
  void came(std::size_t shard, const Routing& routing, Bytes content);

  bool start();
  End live_once();
  bool turn();
  void command(Shard& shard);
  void event_command(Shard& shard);
  /// Envelope and content.
  std::string bytes_of_message(const Message& message, std::uint64_t number);
  std::string message_bytes(std::uint64_t number);
  static IncomingMessage incoming_of(std::string_view bytes);
  std::string event_bytes(std::uint64_t number, bool must_be_kept);
  /// Gives the first shard its stream, and the others to know of it.
  void see_to_stream();
  /// All that the stream gives out from there on.
  void read_stream();
  void look_for_strays(Shard& shard);
  bool write(Shard& shard);
  bool compact(Shard& shard);
  void tick(std::int64_t ms);
  /// A part of what is under way arrives; false if there is nothing.
  bool arrive(Shard& shard, std::size_t most);
  void end(End how);
  void take_all(Shard& shard);
  void check_empty();

  Random random_;
  const Options options_;
  RuleCounts rules_;
  std::vector<std::string> boxes_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Sent> sent_{1};
  std::vector<Together> together_;
  StrayEvents events_{rules_};
  bool has_stream_ = false;        // and that is on disk
  std::uint64_t stream_told_ = 0;  // the version that the other shards know
  Sequence stream_read_{1};        // what is below was read, and may be purged
  std::int64_t now_ = 1'800'000'000'000;
  std::int64_t steady_ = 1'000'000;
  bool healed_ = false;
  std::uint64_t step_ = 0;
  RunTally tally_;
};

}  // namespace folkmoot::simulation
