// All of a file of events without its index: which events it has, where they may have been torn by a power failure, and
// where they are damaged. Damage is told from a torn end as in the journal: a mark behind it says that the place had
// been synced.
#pragma once

#include <functional>

#include "stream/event_scanner.hpp"

namespace folkmoot {

/// What reading a file came to.
struct EventScan {
  std::vector<IndexEntry> index;
  Sequence end = 0;                // behind the last event
  Instant oldest = 0, newest = 0;  // of its events, if it has any
  std::uint64_t events = 0;        // that are good
  std::uint64_t records_end = 0;   // offset behind the last good record
  std::uint64_t synced = 0;        // the furthest that any mark claims; what is behind may be in the cache alone
  std::uint64_t torn_end = 0;      // offset behind what was written after records_end and never synced; 0: nothing
  std::uint64_t problems = 0;
};

/// Adds an event to an index that is being made. Requires: behind the last one that was added.
void add_to_index(std::vector<IndexEntry>& index, Sequence sequence, Instant newest_before, std::uint64_t offset);

/// Of each place that is damaged, in words; behind it reading goes on at the next good mark.
using OnEventProblem = std::function<void(std::uint64_t offset, std::string_view what)>;
/// Called as reading goes on, with so many bytes read since the last call.
using OnBytesRead = std::function<void(std::uint64_t bytes)>;
/// `limit`: records stand below. `synced`: all before was durable, as a trailer says. Errors: io_error.
Result<EventScan> scan_events(DiskFile& file, const EventFileHeader& header, std::uint64_t limit, std::uint64_t synced,
                              const OnEventProblem& on_problem = {}, const OnBytesRead& on_read = {});

}  // namespace folkmoot
