// Where events of streams end up, as the engine sees it: files of each stream, which are written behind the log. What
// is handed over is durable in the log already; when it is synced in the files too, Engine::on_stored() says so, and
// the facts may be released. Implemented by stream/ over files; the simulation steps the same by hand.
//
// Nothing here waits for a disk: what there is to say comes later, never from within a call, by Engine::on_stored() and
// Engine::on_read().
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/strong.hpp"
#include "base/time.hpp"
#include "engine/effects.hpp"

namespace folkmoot {

/// A stream, for ever: not given again when it is removed. 0 is none.
using StreamNumber = Strong<struct StreamNumberTag, std::uint32_t>;
/// An event's place in its stream: 1 is the first, each next one the next number. 0 is none.
using Sequence = StrongPlace<struct SequenceTag, std::uint64_t>;
/// What the engine calls a read that it has asked for; it does not use one again in a run.
using ReadTicket = StrongPlace<struct ReadTicketTag, std::uint64_t>;

constexpr Sequence kLastSequence{std::numeric_limits<std::uint64_t>::max()};

/// Events that are handed over and not yet stored have at most so many bytes, in all streams.
constexpr std::size_t kStreamHandoverBytesMax = std::size_t{16} << 20;
/// Reads that are asked for and not yet answered, in all streams.
constexpr std::size_t kStreamReadsMax = 256;
/// The most that one read may ask for.
constexpr std::size_t kStreamReadBytesMax = std::size_t{1} << 20;
/// A file of a stream becomes about so large before the next one begins.
constexpr std::uint64_t kStreamFileBytesMin = std::uint64_t{1} << 20;
constexpr std::uint64_t kStreamFileBytesMax = std::uint64_t{64} << 20;

/// One file of a stream, which goes as a whole.
struct StreamFile {
  Sequence first{1}, end{1};  // [first, end): the events that it has, synced
  std::uint64_t bytes = 0;    // on disk
  std::uint64_t used = 0;     // of these, up to the end of its last event
  Instant oldest = 0;         // of its events
  Instant newest = 0;
};

/// What the files of a stream have.
struct StreamExtent {
  Sequence first{1}, end{1};  // [first, end): synced, and not below what trim() said in this run
  std::uint64_t bytes = 0;
};

struct StreamRead {
  StreamNumber stream = 0;
  /// Where it begins. Forwards: the first event that is not below `from` and, if `since` is given, not before the first
  /// one that is not older than that. Backwards: the last event that is not above `from` and, if `since` is given,
  /// before the first one that is younger than that.
  Sequence from{1};
  std::optional<Instant> since = {};
  bool backwards = false;
  std::size_t events_max = std::numeric_limits<std::size_t>::max();  // at least 1
  /// Of messages, about; at least one event is given, whatever its size. At most kStreamReadBytesMax.
  std::size_t bytes_max = 256 * 1024;
};

/// An event as a stream keeps it.
struct StreamEvent {
  Sequence sequence = 0;
  Instant at = 0;
  Bytes message;  // envelope and content, as handed over; lives as long as the chunk does
};

/// What a read came to. Nothing is passed over in silence: events that cannot be read are an error, never a gap.
struct StreamChunk {
  StreamNumber stream = 0;
  /// Without a gap, in the order asked for: backwards, the newest first.
  std::vector<StreamEvent> events;
  /// Where to go on in the same direction: as `from`, and without `since`. Backwards, 0 says that there is nothing
  /// below.
  Sequence next{1};
  /// The files have no more in this direction: forwards, `next` is the end of what is stored (not of what is handed
  /// over); backwards, nothing that is stored and not trimmed is below.
  bool at_end = false;
  /// Instead of events: what is next cannot be read. `next` is then the nearest place behind the damage in the same
  /// direction: whoever goes on there has been told. Errors: damaged (with file and offset), io_error, limit_reached.
  std::optional<Error> error;
  /// What the events view: shared, so that a chunk can be given on without a copy.
  std::shared_ptr<const std::uint8_t[]> memory;
};

class StreamStore {
 public:
  virtual ~StreamStore() = default;

  /// All streams that have files, by number, as they were found when the store was opened and have changed since.
  virtual void each(const std::function<void(StreamNumber, const StreamExtent&)>& each) const = 0;
  /// Nothing but the beginning (1, 1) of a stream without files.
  virtual StreamExtent extent(StreamNumber stream) const = 0;
  /// The files of a stream, oldest first, as last reported: what retention by bytes and by age is decided on. Lives
  /// until the next call that is not const, and the next report.
  virtual std::span<const StreamFile> files(StreamNumber stream) const = 0;

  /// How large files become that are begun from now on: clamped to kStreamFileBytesMin and kStreamFileBytesMax.
  virtual void set_file_bytes(StreamNumber stream, std::uint64_t bytes) = 0;

  /// Hands an event over, whose bytes are copied. Events are durable in the log, and come in order; one may be left out
  /// only if trim() has said that it may go. False: too much is on the way, or there is no room on the disk; nothing
  /// was taken, and the same event is to be handed over again after the next on_stored() (of any stream).
  /// Requires: `sequence` is the one behind the last one handed over or stored, or, with all before it trimmed, above
  /// that; `at` is a time.
  virtual bool append(StreamNumber stream, Sequence sequence, Instant at, MessageParts message) = 0;
  /// Events below `first` are not given out any more; files that have none but those may go, and do in time.
  virtual void trim(StreamNumber stream, Sequence first) = 0;
  /// The stream goes, with what is handed over; its number is not used again. Also for one that each() names and the
  /// engine does not know (a removal that a crash undid).
  virtual void remove(StreamNumber stream) = 0;

  /// Answered by Engine::on_read(ticket, chunk), in no particular order. A stream without files, or one removed
  /// meanwhile: no events, at_end. Requires: fewer than kStreamReadsMax are under way.
  virtual void read(const StreamRead& what, ReadTicket ticket) = 0;

  /// Why nothing is stored at the moment (no room on the disk), in words; nothing if all is well.
  virtual std::optional<std::string> refusal() const = 0;
};

}  // namespace folkmoot
