// The streams that there are, and what is in memory of each.
//
//   below `stored`           in the stream's files
//   [held_first, next)       in the log, each with its place; handed over to the files below `handed`
//   below `durable`          on disk: what may be given out
//   below `first`            given out no more, wherever it still is
//
// stored == held_first, but for a gap: events between them are lost with their files. They may not be passed over in
// silence, so nothing is handed over until they are older than `first`.
// With keep_last_by there are no files: of each key the newest event that is on disk is in `last`, and those that are
// not yet on disk are in `held` as ever.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/fact_log.hpp"
#include "engine/slab.hpp"
#include "engine/stream.hpp"
#include "engine/stream_facts.hpp"
#include "filter/filter.hpp"
#include "filter/path.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

struct HeldEvent {
  FactPlace place;
  Instant at = 0;
};

/// Content that an event refers to.
struct StreamReference {
  const ContentHash* content = nullptr;  // as References gave it
  FactPlace place{};
};

/// The newest event of a key.
struct LastEvent {
  HeldEvent event;
  std::string key;
};

struct StreamConsumer {
  struct InFlight {
    Instant deadline = 0;
    std::uint32_t delivery = 0;
  };

  ConsumerNumber number = 0;
  std::string name;
  std::optional<Filter> filter{};
  Duration ack_wait = 0;
  std::uint32_t attempts = 0;
  std::uint32_t pending_max = 0;
  Instant since = 0;  // events before that are none of its
  FactPlace place{};  // of its consumer_set
  Sequence floor{1};
  Sequence noted{1};                    // the floor, as the log knows it
  std::map<Sequence, Sequence> done{};  // above the floor: [from, to), apart from each other
  std::map<Sequence, InFlight> in_flight{};
  Sequence cursor{1};  // the next that it looks at for the first time
  std::uint64_t delivered = 0, redelivered = 0, acknowledged = 0, skipped = 0, missed = 0;
  std::deque<Slot> readers{};  // reads that wait for their turn, or for events
  Slot reading = kNoSlot;      // the one whose turn it is
  Instant wake_at = 0;         // when it is looked at again; 0: not set

  bool is_done(Sequence sequence) const {
    if (sequence < floor) return true;
    const auto behind = done.upper_bound(sequence);
    return behind != done.begin() && std::prev(behind)->second > sequence;
  }
  /// [from, to) is done; the floor goes up as far as it can.
  void finish(Sequence from, Sequence to);
};

struct Stream {
  StreamNumber number = 0;
  std::string name;
  StreamSettings settings;
  std::optional<Filter> filter{};
  std::optional<FieldPath> last_by{};
  bool paused = false;
  FactPlace place{};          // of its stream_set
  FactPlace trimmed_place{};  // of its stream_trimmed; none: there is no newer than stream_set
  Sequence first{1}, stored{1}, held_first{1}, handed{1}, durable{1}, next{1};
  Sequence safe{1};       // older events may go for good: that they are not given out is on disk
  Sequence files_end{1};  // the next that the files take without a trim
  Sequence marked{1};     // what is stored, as the log was told last,
  Instant marked_at = 0;  // and when
  std::deque<HeldEvent> held{};
  std::uint64_t held_bytes = 0;
  std::map<Sequence, LastEvent> last{};
  boost::unordered_flat_map<std::string, Sequence> by_key{};  // of its newest event on disk; 0: there is none yet
  std::deque<std::string> held_keys{};                        // with keep_last_by: of those in `held`
  std::map<Sequence, StreamReference> references{};           // of events that are given out, or may be after a crash
  Instant newest = 0;                                         // when the last event came
  std::uint64_t kept = 0, missed = 0;                         // in this run
  bool is_dirty = false;                                      // has events that are not on disk yet
  Instant look_at = 0;                                        // when those that are too old are looked for; 0: not set
  std::vector<Slot> waiters{};                                // reads that wait for the next event
  std::map<std::string, StreamConsumer, std::less<>> consumers{};
  Slot play = kNoSlot;  // what replays it

  bool has_gap() const { return held_first > stored && first < held_first; }
  const HeldEvent& event(Sequence sequence) const { return held[sequence - held_first]; }
  /// Events that came before are not given out any more.
  Instant oldest_allowed(Instant now) const {
    return settings.max_age == 0 ? Instant{} : std::max(Instant{}, now - settings.max_age);
  }
};

class StreamTable {
 public:
  using Streams = std::map<StreamNumber, std::unique_ptr<Stream>>;

  std::size_t size() const { return streams_.size(); }
  const Streams& all() const { return streams_; }
  Stream* find(StreamNumber number) const {
    const auto found = streams_.find(number);
    return found == streams_.end() ? nullptr : found->second.get();
  }
  Stream* find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : find(found->second);
  }
  const std::map<std::string, StreamNumber, std::less<>>& names() const { return names_; }
  /// Requires: neither its number nor its name is in use.
  Stream& add(std::unique_ptr<Stream> stream) {
    names_.emplace(stream->name, stream->number);
    const auto number = stream->number;
    return *streams_.emplace(number, std::move(stream)).first->second;
  }
  void remove(StreamNumber number) {
    const auto found = streams_.find(number);
    names_.erase(found->second->name);
    streams_.erase(found);
  }

 private:
  Streams streams_;
  std::map<std::string, StreamNumber, std::less<>> names_;
};

}  // namespace folkmoot
