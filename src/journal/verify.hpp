// `folkmoot journal verify` and `info`, as functions: reads all of a journal, changes nothing, and tells everything
// that is wrong instead of stopping at the first. Recovery refuses exactly what is a problem here.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "journal/disk.hpp"
#include "journal/format.hpp"
#include "journal/sealing.hpp"

namespace folkmoot {

struct JournalProblem {
  std::uint64_t segment = 0;
  std::size_t offset = 0;  // in the segment's file
  std::string what;
};

struct SegmentInfo {
  enum class State { closed, last, spare };  // spare: made ahead, not begun

  std::uint64_t number = 0;
  State state = State::closed;
  std::size_t used_bytes = 0;
  std::uint64_t facts = 0;
  std::uint64_t batches = 0;
  std::optional<std::uint32_t> key{};  // the number of the one that it is sealed with; nothing: it is plain
  bool is_opened = true;  // false: that key was not given, and its records were checked as they stand there
};

struct KindInfo {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // with record headers and padding
};

struct JournalInfo {
  static constexpr std::size_t kProblemsMax = 1000;

  JournalId id{};
  std::size_t segment_bytes = 0;
  std::vector<SegmentInfo> segments;  // oldest first; with no segment there is no journal in the folder
  std::array<KindInfo, 256> kinds{};  // by number; kind_name() has the words
  std::uint64_t facts = 0;
  Lsn first = 0;  // of the first fact; 0: none
  Lsn last = 0;   // of the last fact
  Lsn end = 0;    // behind the last record
  bool clean_stop = false;
  std::vector<JournalProblem> problems;  // at most kProblemsMax
  std::uint64_t problems_total = 0;
  /// A torn tail, which the next start of a server cuts: written but never synced, so never confirmed. No problem.
  std::size_t torn_bytes = 0;
  std::size_t torn_offset = 0;

  bool is_opened() const { return std::ranges::all_of(segments, &SegmentInfo::is_opened); }
};

/// Errors: io_error, and damaged when not even one header can be read (then nothing more can be said).
/// `keys`: what sealed segments are opened with; without the right one a segment's records are checked all the same, by
/// their checksums, and what is in them is not known.
/// `each`: called with every fact that can be read, in order; with none if there are segments that cannot be opened.
using EachFact = std::function<void(FactKind kind, FactPlace place, Bytes body)>;
/// Called as reading goes on, with so many bytes read since the last call.
using OnRead = std::function<void(std::uint64_t bytes)>;
using KeysGiven = std::shared_ptr<const JournalKeys>;
Result<JournalInfo> verify_journal(Disk& disk, const KeysGiven& keys = {}, EachFact each = {}, OnRead on_read = {});
/// The same for a folder, which no server may be using meanwhile. Errors: in_use, not_found (also if there is no
/// journal in it), io_error, damaged.
Result<JournalInfo> verify_folder(const std::string& folder, const KeysGiven& keys = {}, EachFact each = {},
                                  OnRead on_read = {});

/// "message_accepted", "batch mark", ...; "kind 77" for what this program does not know.
std::string kind_name(std::uint8_t kind);

}  // namespace folkmoot
