// `folkmoot journal verify` and `info` of the files of streams, as a function: reads all of them, changes nothing, and
// tells everything that is wrong instead of stopping at the first.
#pragma once

#include "stream/event_file.hpp"

namespace folkmoot {

struct StreamReport {
  StreamNumber number = 0;
  Sequence first = 0, end = 0;  // [first, end): what its files have
  std::uint64_t files = 0, events = 0, bytes = 0;
};

struct StreamsReport {
  static constexpr std::size_t kProblemsMax = 1'000;

  std::vector<StreamReport> streams;  // by number
  std::uint64_t files = 0, events = 0;
  std::vector<std::string> problems;  // in words; at most kProblemsMax
  std::uint64_t problems_total = 0;
  /// Torn ends, which the next start of a server cuts: written but never synced. No problem.
  std::uint64_t torn_bytes = 0;
};

/// `on_read`: called as reading goes on, with so many bytes read since the last call. Errors: io_error.
Result<StreamsReport> verify_streams(Disk& disk, const OnBytesRead& on_read = {});

}  // namespace folkmoot
