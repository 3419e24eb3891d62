// The journal's bytes. All numbers little-endian. docs/journal.md tells the same with the reasons and an example.
//
//   journal  := segment*                      files `<number, at least ten digits>.segment`, numbers without a gap
//   segment  := header record* zeros          all segments of a journal are equally long
//   header   := magic[8] version:u32 key:u32 journal_id[16] number:u64 segment_bytes:u64 salt:u64 0[4] crc:u32
//               64 bytes; version 1: a plain segment, key and salt are 0. version 2: a sealed one
//   record   := length:u32 crc:u32 kind:u8 linked:u8 0[2] body[length] 0[to a multiple of 8]
//   group    := record(linked=1)* record(linked=0)      facts that count together or not at all
//   mark     := record of a kind from 240 up; body := magic:u64 synced:u64 oldest:u64
//   body     := in a sealed segment, of a fact: run:u64 encrypted[..] tag[16]      (sealing.hpp)
//
// The place of a record is its LSN: number * segment_bytes + offset. Its CRC is seeded with the journal's id and the
// LSN, so that bytes of another journal or another place never pass. A batch begins with a batch mark; the first record
// of a segment is one, the last of a closed segment is the segment_end mark.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/fact_log.hpp"

namespace folkmoot {

constexpr std::size_t kSegmentHeaderBytes = 64;
constexpr std::size_t kRecordHeaderBytes = 12;
constexpr std::size_t kRecordAlign = 8;
constexpr std::size_t kSegmentBytesMin = 64 * 1024;
constexpr std::size_t kSegmentBytesMax = std::size_t{1} << 30;
constexpr std::size_t kSegmentBytesUnit = 4096;
constexpr std::uint32_t kFormatVersion = 1;                       // of plain segments
constexpr std::uint32_t kSealedFormatVersion = 2;                 // of sealed ones
constexpr std::string_view kNewSegmentName = "next.segment.new";  // being made: no part of the journal

using JournalId = std::array<std::uint8_t, 16>;

/// The journal's own kinds of records, above those of facts (FactKind, 1 to 239).
enum class MarkKind : std::uint8_t {
  batch = 240,        // begins what one write put on disk
  segment_end = 241,  // nothing but zeros after it
  clean_stop = 242,   // written by an orderly stop, when all before it had been synced
};
constexpr std::uint8_t kMarkKindMin = 240;

/// What a mark says: everything before `synced` was durable, and the journal began at segment `oldest`, when it was
/// written.
struct Mark {
  Lsn synced = 0;
  std::uint64_t oldest = 0;
};
constexpr std::uint64_t kMarkMagic = 0x6b72'614d'746f'6f6d;  // "mootMark"
constexpr std::size_t kMarkBodyBytes = 24;

constexpr std::size_t record_bytes(std::size_t body_bytes) {
  return round_up(kRecordHeaderBytes + body_bytes, kRecordAlign);
}
constexpr std::size_t kMarkBytes = record_bytes(kMarkBodyBytes);
/// What sealing puts before and behind a fact's body: the number of the run that sealed it, and the cipher's tag.
constexpr std::size_t kSealFrontBytes = 8;
constexpr std::size_t kSealTagBytes = 16;
constexpr std::size_t kSealBytes = kSealFrontBytes + kSealTagBytes;
static_assert(kRecordHeaderBytes + kRecordAlign - 1 + kSealBytes <= kFactOverheadBytes);
constexpr std::size_t kRecordBodyBytesMax = kFactBytesMax + kSealBytes;
/// Kept free at the end of a segment: its end mark, and marks that must not need a new segment (clean stop, removal).
constexpr std::size_t kSegmentTailBytes = 4 * kMarkBytes;

/// The largest body that fits into an empty segment, sealed or not: it may have to be copied from one into the other.
constexpr std::size_t body_bytes_max(std::size_t segment_bytes) {
  const auto room =
      segment_bytes - kSegmentHeaderBytes - kMarkBytes - kSegmentTailBytes - kRecordHeaderBytes - kSealBytes;
  return std::min(room / kRecordAlign * kRecordAlign - kRecordAlign, kFactBytesMax);
}

/// The largest group: it lies in one segment, and recovery keeps a copy of it until it has seen its end.
constexpr std::size_t kGroupBytesMax = 2 * kFactBytesMax;
constexpr std::size_t group_bytes_max(std::size_t segment_bytes) {
  return std::min(segment_bytes - kSegmentHeaderBytes - kMarkBytes - kSegmentTailBytes, kGroupBytesMax);
}

/// Numbers of segments are below this.
constexpr std::uint64_t segments_max(std::size_t segment_bytes) { return kLsnMax.value / segment_bytes; }

/// Which key the facts of a segment are sealed with: its number, and what makes another key of it for each run that
/// makes segments.
struct SegmentSeal {
  std::uint32_t key = 0;
  std::uint64_t salt = 0;
};

/// What a segment's first 64 bytes say, with what follows from it.
struct SegmentHeader {
  JournalId id{};
  std::uint64_t number = 0;
  std::size_t segment_bytes = 0;
  std::optional<SegmentSeal> seal{};  // nothing: its facts stand there as they are

  Lsn begin() const { return Lsn{number * segment_bytes}; }
  Lsn end() const { return begin() + segment_bytes; }
};

std::array<std::uint8_t, kSegmentHeaderBytes> encode_header(const SegmentHeader& header);
/// Errors: damaged, in words that fit after "segment 7: ".
Result<SegmentHeader> decode_header(Bytes bytes);

std::string segment_name(std::uint64_t number);
/// Nothing for a name that is not a segment's.
std::optional<std::uint64_t> segment_number(std::string_view name);

/// Seals and checks records of one journal.
class RecordCodec {
 public:
  explicit RecordCodec(const JournalId& id);

  /// Writes the header of the record whose body already stands at `record` + 12, and the padding after it.
  void seal(std::uint8_t* record, Lsn lsn, std::uint8_t kind, std::size_t body_bytes) const;
  /// The same in two steps, for a fact of a group: whether another follows is known only after it can already be read.
  void lay_out(std::uint8_t* record, std::uint8_t kind, std::size_t body_bytes) const;
  void seal_laid_out(std::uint8_t* record, Lsn lsn, bool linked) const;
  static void set_linked(std::uint8_t* record, bool linked) { record[9] = linked; }
  void seal_mark(std::uint8_t* record, Lsn lsn, MarkKind kind, const Mark& mark) const;

  enum class State { good, zero, more, bad };
  struct Checked {
    State state;               // more: not all of the record is in view; `bytes` says how much there is of it
    std::size_t bytes = 0;     // of the whole record
    const char* problem = "";  // when bad
  };
  /// Checks the record at the start of `view`, the bytes from `lsn` on, when `room` bytes are left in the segment.
  Checked check(Bytes view, Lsn lsn, std::size_t room) const;

  /// The mark at `at` if there is a good one (a quick look suffices to say no).
  std::optional<Mark> find_mark(Bytes at, Lsn lsn) const;

 private:
  std::uint32_t checksum(const std::uint8_t* record, Lsn lsn, std::size_t body_bytes) const;

  const std::uint32_t seed_;
};

/// A record that checked; the body's bytes live as long as its reader says.
struct RecordView {
  std::uint8_t kind = 0;
  bool linked = false;  // the next record belongs to the same group
  Lsn lsn = 0;
  Bytes body;

  bool is_mark() const { return kind >= kMarkKindMin; }
  bool is(MarkKind mark) const { return kind == static_cast<std::uint8_t>(mark); }
  FactPlace place() const { return {lsn, static_cast<std::uint32_t>(body.size())}; }
};
RecordView view_record(const std::uint8_t* record, Lsn lsn);
/// Requires: a good record of a mark kind.
Mark read_mark(const RecordView& record);

}  // namespace folkmoot
