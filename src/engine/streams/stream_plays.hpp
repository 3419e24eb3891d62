// Streams played again: their events published to another topic, at once or at the pace at which they came, or copied
// into another stream. One at a time of each stream. It ends at the event that was the last when it began.
#pragma once

#include <memory>

#include "engine/announcer.hpp"
#include "engine/replies.hpp"
#include "engine/streams/stream_reads.hpp"

namespace folkmoot {

class Census;

class StreamPlays final : public Part {
 public:
  /// Copies go into a stream by this.
  class Target {
   public:
    /// Errors: disk_full, limit_reached.
    virtual Result<Durable> append(Stream& stream, Bytes message) = 0;

   protected:
    ~Target() = default;
  };
  struct Ports {
    const EngineOptions& options;
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Sessions& sessions;
    Serials& serials;
    Replies& replies;
    Announcer& announcer;
    StreamTable& table;
    StreamReads& reads;
    Target& target;
  };
  explicit StreamPlays(const Ports& ports) : to_(ports) {}

  /// `done` when all are out, and ended by its session's end, unless it is to be kept: then at once. Errors: not_found,
  /// in_use, invalid_topic, not_permitted, invalid_filter, limit_reached.
  void play(Asker caller, const PlayCommand& command, PlayDone done);
  /// Ends the one that is under way. Errors: not_found.
  void stop(Asker caller, std::string_view name);
  void go_on(const waiting::PlayedSome& item);
  /// The stream goes.
  void forget(Stream& stream);
  /// The server stops: no more is played than has been.
  void end_all() { ends_ = true; }

  // Part
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a replay"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer& timer) const override { return is_it(timer.slot(), timer.id); }
  void due(const Timer& timer) override { play_some(timer.slot()); }
  void close(Session&, Slot slot) override { drop(slot); }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Play {
    Asker asker{};  // none: it is kept
    std::uint64_t number = 0;
    StreamNumber stream = 0;
    StreamNumber copy_to = 0;
    std::string topic;
    std::optional<Filter> filter{};
    std::optional<Instant> since{};
    double speed = 0;
    Sequence cursor{1}, until{1};
    Slot read = kNoSlot;
    std::vector<ReadEvent> events{};  // read, and not all of them played
    std::size_t next = 0;
    Instant began = 0, first_at = 0;
    PlayEnd played{};
    Durable copied{};  // the last one that was
    bool at_end = false;
    PlayDone done;
  };

  bool is_it(Slot slot, std::uint64_t number) const { return plays_.holds(slot) && plays_[slot]->number == number; }
  void fetch(Slot slot);
  void on_page(Slot slot, Result<ReadPage> page);
  // What is due by now; then it waits for the disk, for a time, or for more to be read.
  void play_some(Slot slot);
  Result<Durable> play_one(const Play& play, const ReadEvent& event);
  Result<Durable> publish(const Play& play, Bytes message);
  void end(Slot slot, Result<PlayEnd> outcome);
  void drop(Slot slot);

  const Ports to_;
  Slab<std::unique_ptr<Play>> plays_;
  bool ends_ = false;
};

}  // namespace folkmoot
