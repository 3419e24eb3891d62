// Chunks of one file's events, forwards and backwards: one read of the file each, which the events then view. Whatever
// does not check ends a chunk before it, and is the error of the next.
#pragma once

#include "stream/event_file.hpp"

namespace folkmoot {

struct EventRange {
  Sequence from = 0;    // where it begins: in the file
  Sequence lowest = 0;  // backwards: not below
  std::size_t events_max = 0, bytes_max = 0;
};

/// Puts events from `from` on into `chunk`, or an error, and where to go on: at the file's end at the latest.
/// Requires: the file has `from`.
void read_forwards(EventFile& file, const EventRange& range, StreamChunk& chunk);
/// The same from `from` down: `next` is below the file's first event when that was given, `lowest` - 1 at the least.
void read_backwards(EventFile& file, const EventRange& range, StreamChunk& chunk);

enum class TimeBound : bool { not_before, after };
/// The first event that is not before `time`, or after it; nothing if there is none. Errors: damaged (what lies before
/// it cannot be read), io_error.
Result<std::optional<Sequence>> find_event(EventFile& file, Instant time, TimeBound bound);

}  // namespace folkmoot
