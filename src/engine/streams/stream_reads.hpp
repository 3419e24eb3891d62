// Reading a stream: from its files and from the log, as if it were one. What the files have is asked of StreamStore and
// comes later; so a read is a job that stands where it is until there is more to look at.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "engine/agenda.hpp"
#include "engine/ledger.hpp"
#include "engine/part.hpp"
#include "engine/run.hpp"
#include "engine/serials.hpp"
#include "engine/sessions.hpp"
#include "engine/streams/stream_table.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot {

class Census;

/// What is to be read, and when that is enough.
struct StreamReadRequest {
  Sequence from{1};                // forwards the first, backwards the last that may be given
  Sequence until = kLastSequence;  // forwards: none from this one on
  std::optional<Instant> since{};  // none that came before
  std::uint64_t newest = 0;        // only the newest so many; 0: any
  bool backwards = false;
  std::optional<Filter> filter{};
  std::function<bool(Sequence)> wanted{};  // empty: all
  std::size_t events_max = 100;
  std::size_t bytes_max = std::size_t{1} << 20;
  Instant give_up = 0;  // forwards: waits so long for the next event; 0: does not
};

class StreamReads final : public Part {
 public:
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Sessions& sessions;
    Serials& serials;
    StreamTable& table;
    StreamStore* store;  // null: all is in the log
  };
  explicit StreamReads(const Ports& ports) : to_(ports) {}

  /// A read that begins with start(), and ends with `done`, or by close() without it.
  Slot make(const Stream& stream, StreamReadRequest request, StreamReader done);
  /// It belongs to a request of a session, and ends with it. False if the number is in use.
  bool bind(Session& session, RequestNumber request, Slot slot);
  /// May have ended when this returns. Requires: make() gave it.
  void start(Slot slot) { go_on(slot); }
  /// It ends without `done`.
  void drop(Slot slot);

  void on_read(ReadTicket ticket, const StreamChunk& chunk);
  /// There are new events on disk.
  void wake(Stream& stream);
  /// The stream goes: those that wait for its next event end. Others are told when the files have answered.
  void end_all(Stream& stream, const Error& why);

  // Part
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a read"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session&, Slot slot) override { drop(slot); }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Read {
    Asker asker{};  // none: of a part
    std::uint64_t number = 0;
    StreamNumber stream = 0;
    StreamReadRequest what;
    StreamReader done;
    Sequence cursor{1};       // forwards the next, backwards the last that was not looked at
    Sequence end{1};          // of `newest`: the stream's end when it began
    std::size_t bytes = 0;    // given
    std::size_t scanned = 0;  // looked at
    std::size_t scanned_bytes = 0;
    bool backwards = false;  // the way it goes, which may be turned round in the end
    bool parked = false;     // waits for the next event
    bool timed = false;      // and for its time to be over
    std::vector<ReadEvent> events{};
  };
  enum class Step { more, full, waits };

  void go_on(Slot slot);
  // Looks at what is in memory or in the log from the cursor on.
  Step look(Slot slot, Read& read, Stream& stream);
  Step look_back(Slot slot, Read& read, Stream& stream);
  Step look_at_last(Read& read, Stream& stream);
  // An event at the cursor, which goes on unless there is no room for it. False: that is enough.
  // `memory`: what `message` views, if it may be kept.
  bool take(Read& read, const Stream& stream, Sequence sequence, Instant at, Bytes message,
            const std::shared_ptr<const std::uint8_t[]>& memory = nullptr);
  Bytes message_of(const HeldEvent& event);
  bool is_full(const Read& read) const;
  // Asks the files. Requires: there are some.
  Step fetch(Slot slot, Read& read);
  void ask(Slot slot, Read& read);
  void ask_next();
  Error gap_error(const Stream& stream) const;
  void finish(Slot slot, const Stream& stream);
  void fail(Slot slot, const Error& error);
  void end(Slot slot, Result<ReadPage> outcome);
  bool is_it(Slot slot, std::uint64_t number) const { return reads_.holds(slot) && reads_[slot]->number == number; }

  const Ports to_;
  Slab<std::unique_ptr<Read>> reads_;
  struct Asked {
    Slot slot = 0;
    std::uint64_t number = 0;
  };
  std::map<ReadTicket, Asked> asked_;
  std::deque<Asked> to_ask_;  // when the files have answered another
  ReadTicket last_ticket_ = 0;
  FilterInput input_;
};

}  // namespace folkmoot
