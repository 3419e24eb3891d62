// The bytes of a file of events. All numbers little-endian. docs/streams.md tells the same with the reasons.
//
//   file     := header record* zeros                      the newest file of a stream, being appended to
//             | header record* zeros index trailer        a sealed one; the trailer is the file's last 64 bytes
//   header   := "fmoot.st" version:u32 stream:u32 id[16] first:u64 0[20] crc:u32                          64 bytes
//   record   := event | mark
//   event    := length:u32 crc:u32 sequence:u64 at:i64 message[length] 0[to a multiple of 8]
//   mark     := 0:u32 crc:u32 0:u64 synced:u64                                                            24 bytes
//   index    := entry*
//   entry    := sequence:u64 newest_before:i64 offset:u64                                                 24 bytes
//   trailer  := "mootIndx" records_end:u64 end:u64 oldest:i64 newest:i64 entries:u32 index_crc:u32
//               0[12] crc:u32                                                                             64 bytes
//
// A file's name is its stream's number and the sequence of its first event. Every crc but the header's is seeded with
// what the header says, and that of a record covers its offset too, so that bytes of another file or another place
// never pass.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "engine/fact_log.hpp"
#include "engine/stream_store.hpp"

namespace folkmoot {

constexpr std::size_t kEventFileHeaderBytes = 64;
constexpr std::size_t kEventHeaderBytes = 24;
constexpr std::size_t kEventAlign = 8;
constexpr std::size_t kEventMarkBytes = kEventHeaderBytes;
constexpr std::size_t kIndexEntryBytes = 24;
constexpr std::size_t kIndexTrailerBytes = 64;
/// An index has an entry for the first event, and one for the first event after each such stretch.
constexpr std::uint64_t kIndexStepBytes = 64 * 1024;
constexpr std::uint32_t kEventFormatVersion = 1;
/// No stream comes as far.
constexpr Sequence kSequenceMax{std::numeric_limits<std::int64_t>::max()};
/// An event's message.
constexpr std::size_t kEventMessageBytesMax = kFactBytesMax;
/// No file is longer: the largest one that is begun, one more event, and its index.
constexpr std::uint64_t kEventFileBytesLimit = kStreamFileBytesMax + (std::uint64_t{16} << 20);
/// Being made: no file of a stream.
constexpr std::string_view kNewEventFileName = "next.events.new";

/// Drawn for each run of a store, so that nobody who writes messages can write what passes for a record or a mark.
using EventFileId = std::array<std::uint8_t, 16>;

constexpr std::size_t event_bytes(std::size_t message_bytes) {
  return round_up(kEventHeaderBytes + message_bytes, kEventAlign);
}

struct EventFileHeader {
  StreamNumber stream = 0;
  Sequence first{1};
  EventFileId id{};
};

std::array<std::uint8_t, kEventFileHeaderBytes> encode_header(const EventFileHeader& header);
/// Errors: damaged, in words that fit after "file 0000000001.00000000000000000001.events: ".
Result<EventFileHeader> decode_event_file_header(Bytes bytes);

/// Which file it is.
struct EventFileName {
  StreamNumber stream = 0;
  Sequence first = 0;

  std::string text() const;
  /// Nothing for a name that is not such a file's.
  static std::optional<EventFileName> parse(std::string_view name);
  auto operator<=>(const EventFileName&) const = default;
};

struct IndexEntry {
  Sequence sequence = 0;
  Instant newest_before = kNoTime;  // of all events of the file before this one; kNoTime: there is none
  std::uint64_t offset = 0;         // of the event's record
};

struct IndexTrailer {
  std::uint64_t records_end = 0;  // offset behind the last record
  Sequence end = 0;               // behind the last event
  Instant oldest = 0, newest = 0;
  std::uint32_t entries = 0;
  std::uint32_t index_crc = 0;
};

/// A record that checked; the message's bytes live as long as its reader says.
struct EventRecord {
  std::uint64_t offset = 0;  // in the file
  std::size_t bytes = 0;     // of the whole record
  Sequence sequence = 0;     // 0: a mark
  Instant at = 0;
  Bytes message;
  std::uint64_t synced = 0;  // of a mark: what stood before this offset was durable when the mark was written

  bool is_mark() const { return sequence == 0; }
  std::uint64_t end() const { return offset + bytes; }
};

/// Writes all of an event's record but its checksum; at `record` there is room for event_bytes().
void lay_out_event(std::uint8_t* record, Sequence sequence, Instant at, const MessageParts& message);
/// What lay_out_event() wrote. Requires: a record stands there.
Sequence event_sequence(const std::uint8_t* record);
Instant event_time(const std::uint8_t* record);
std::size_t event_bytes_at(const std::uint8_t* record);

/// Seals and checks what stands in one file.
class EventCodec {
 public:
  explicit EventCodec(const EventFileHeader& header);

  void seal(std::uint8_t* record, std::uint64_t offset) const;
  std::array<std::uint8_t, kEventMarkBytes> encode_mark(std::uint64_t offset, std::uint64_t synced) const;

  enum class State { good, zero, more, bad };
  struct Checked {
    State state;               // more: not all of the record is in view; `bytes` says how much there is of it
    std::size_t bytes = 0;     // of the whole record
    const char* problem = "";  // when bad
  };
  /// Checks the record at the start of `view`, the bytes from `offset` on, when `room` bytes are left in the file.
  Checked check(Bytes view, std::uint64_t offset, std::uint64_t room) const;
  /// Requires: the record there checked as good.
  static EventRecord view(const std::uint8_t* record, std::uint64_t offset);
  /// The mark at `at` if there is a good one (a quick look suffices to say no).
  std::optional<EventRecord> find_mark(Bytes at, std::uint64_t offset) const;

  std::uint32_t index_checksum(Bytes index) const;
  std::array<std::uint8_t, kIndexTrailerBytes> encode_trailer(const IndexTrailer& trailer) const;
  /// Nothing if there is no good one.
  std::optional<IndexTrailer> decode_trailer(Bytes bytes) const;

 private:
  std::uint32_t checksum(const std::uint8_t* record, std::uint64_t offset, std::size_t message_bytes) const;

  const std::uint32_t seed_;
};

std::string encode_index(std::span<const IndexEntry> index);
/// Requires: a multiple of kIndexEntryBytes.
std::vector<IndexEntry> decode_index(Bytes bytes);

/// What is wrong with a file of events, told so that a person can act on it.
Error event_damage(const EventFileName& file, std::uint64_t offset, std::string_view what);

}  // namespace folkmoot
