#include "journal/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"
#include "base/zeros.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kMagic = "fmoot.jl";
constexpr std::string_view kSuffix = ".segment";
constexpr std::size_t kDigits = 10;
static_assert(kMagic.size() == 8);
static_assert(kSegmentHeaderBytes % kRecordAlign == 0 && kSegmentBytesUnit % kRecordAlign == 0);

void write_front(std::uint8_t* record, std::uint8_t kind, std::size_t body_bytes) {
  store(record, static_cast<std::uint32_t>(body_bytes));
  store(record + 8, std::uint32_t{kind});
}

void pad(std::uint8_t* record, std::size_t body_bytes) {
  const auto used = kRecordHeaderBytes + body_bytes;
  std::memset(record + used, 0, record_bytes(body_bytes) - used);
}

const char* known_kind(std::uint8_t kind) {
  if (kind == 0) return "kind of record is 0";
  if (kind > static_cast<std::uint8_t>(MarkKind::clean_stop)) return "unknown kind of mark";
  return nullptr;
}

}  // namespace

std::array<std::uint8_t, kSegmentHeaderBytes> encode_header(const SegmentHeader& header) {
  std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store(bytes.data() + 8, header.seal ? kSealedFormatVersion : kFormatVersion);
  if (header.seal) {
    store(bytes.data() + 12, header.seal->key);
    store(bytes.data() + 48, header.seal->salt);
  }
  std::ranges::copy(header.id, bytes.begin() + 16);
  store(bytes.data() + 32, header.number);
  store(bytes.data() + 40, std::uint64_t{header.segment_bytes});
  store(bytes.data() + 60, crc32c(0, Bytes(bytes).first(60)));
  return bytes;
}

Result<SegmentHeader> decode_header(Bytes bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return failure(ErrorCode::damaged, "the file ends within its header");
  bytes = bytes.first(kSegmentHeaderBytes);
  if (as_text(bytes.first(8)) != kMagic) return failure(ErrorCode::damaged, "it does not begin like a journal segment");
  if (load<std::uint32_t>(bytes.data() + 60) != crc32c(0, bytes.first(60))) {
    return failure(ErrorCode::damaged, "the header's checksum is wrong");
  }
  const auto version = load<std::uint32_t>(bytes.data() + 8);
  if (version != kFormatVersion && version != kSealedFormatVersion) {
    return failure(ErrorCode::damaged, fmt::format("it has format version {}, this program reads versions {} and {}",
                                                   version, kFormatVersion, kSealedFormatVersion));
  }
  SegmentHeader header;
  if (version == kSealedFormatVersion)
    header.seal = {load<std::uint32_t>(bytes.data() + 12), load<std::uint64_t>(bytes.data() + 48)};
  std::ranges::copy(bytes.subspan(16, 16), header.id.begin());
  header.number = load<std::uint64_t>(bytes.data() + 32);
  header.segment_bytes = load<std::uint64_t>(bytes.data() + 40);
  if (header.segment_bytes < kSegmentBytesMin || header.segment_bytes > kSegmentBytesMax ||
      header.segment_bytes % kSegmentBytesUnit != 0) {
    return failure(ErrorCode::damaged, fmt::format("a segment of {} bytes is not possible", header.segment_bytes));
  }
  if (header.number == 0 || header.number >= segments_max(header.segment_bytes)) {
    return failure(ErrorCode::damaged, fmt::format("a segment number of {} is not possible", header.number));
  }
  return header;
}

std::string segment_name(std::uint64_t number) { return fmt::format("{:0{}}{}", number, kDigits, kSuffix); }

std::optional<std::uint64_t> segment_number(std::string_view name) {
  std::uint64_t number = 0;
  const auto digits = name.substr(0, name.find('.'));
  const auto error = std::from_chars(digits.data(), digits.data() + digits.size(), number).ec;
  if (error != std::errc{} || number == 0 || segment_name(number) != name) return {};
  return number;
}

RecordCodec::RecordCodec(const JournalId& id) : seed_(crc32c(0, id)) {}

std::uint32_t RecordCodec::checksum(const std::uint8_t* record, Lsn lsn, std::size_t body_bytes) const {
  std::array<std::uint8_t, 16> front;
  store(front.data(), lsn);
  std::memcpy(front.data() + 8, record, 4);       // length
  std::memcpy(front.data() + 12, record + 8, 4);  // kind, linked, zeros
  return crc32c(crc32c(seed_, front), Bytes(record + kRecordHeaderBytes, body_bytes));
}

void RecordCodec::seal(std::uint8_t* record, Lsn lsn, std::uint8_t kind, std::size_t body_bytes) const {
  write_front(record, kind, body_bytes);
  store(record + 4, checksum(record, lsn, body_bytes));
  pad(record, body_bytes);
}

void RecordCodec::lay_out(std::uint8_t* record, std::uint8_t kind, std::size_t body_bytes) const {
  write_front(record, kind, body_bytes);
  pad(record, body_bytes);
}

void RecordCodec::seal_laid_out(std::uint8_t* record, Lsn lsn, bool linked) const {
  set_linked(record, linked);
  store(record + 4, checksum(record, lsn, load<std::uint32_t>(record)));
}

void RecordCodec::seal_mark(std::uint8_t* record, Lsn lsn, MarkKind kind, const Mark& mark) const {
  store(record + kRecordHeaderBytes, kMarkMagic);
  store(record + kRecordHeaderBytes + 8, mark.synced);
  store(record + kRecordHeaderBytes + 16, mark.oldest);
  seal(record, lsn, static_cast<std::uint8_t>(kind), kMarkBodyBytes);
}

RecordCodec::Checked RecordCodec::check(Bytes view, Lsn lsn, std::size_t room) const {
  const auto bad = [](const char* problem) { return Checked{State::bad, 0, problem}; };
  if (room < record_bytes(0)) {
    return view.size() < room           ? Checked{State::more, room}
           : all_zero(view.first(room)) ? Checked{State::zero}
                                        : bad("bytes after the last record");
  }
  if (view.size() < record_bytes(0)) return {State::more, record_bytes(0)};
  const auto* record = view.data();
  const std::size_t length = load<std::uint32_t>(record);
  // Sixteen zeros are no record, since kind 0 is none: the log ends here.
  if (all_zero(view.first(record_bytes(0)))) return {State::zero};
  if (length > kRecordBodyBytesMax || record_bytes(length) > room) return bad("the record's length is not possible");
  const auto bytes = record_bytes(length);
  if (view.size() < bytes) return {State::more, bytes};
  if (load<std::uint32_t>(record + 4) != checksum(record, lsn, length)) return bad("the record's checksum is wrong");
  const auto used = kRecordHeaderBytes + length;
  if (!all_zero(view.subspan(used, bytes - used))) return bad("the padding after the record is not zero");
  if (load<std::uint32_t>(record + 8) > 0x1ff) return bad("the record's reserved bytes are not zero");
  if (const char* problem = known_kind(record[8])) return bad(problem);
  if (record[8] >= kMarkKindMin &&
      (length != kMarkBodyBytes || load<std::uint64_t>(record + kRecordHeaderBytes) != kMarkMagic)) {
    return bad("the mark's body is not a mark's");
  }
  if (record[8] >= kMarkKindMin && record[9] != 0) return bad("a mark is linked as if it were of a group");
  return {State::good, bytes};
}

std::optional<Mark> RecordCodec::find_mark(Bytes at, Lsn lsn) const {
  if (at.size() < kMarkBytes || load<std::uint64_t>(at.data() + kRecordHeaderBytes) != kMarkMagic) return {};
  if (check(at, lsn, kMarkBytes).state != State::good || at[8] < kMarkKindMin) return {};
  return read_mark(view_record(at.data(), lsn));
}

RecordView view_record(const std::uint8_t* record, Lsn lsn) {
  return {record[8], record[9] != 0, lsn, Bytes(record + kRecordHeaderBytes, load<std::uint32_t>(record))};
}

Mark read_mark(const RecordView& record) {
  return {load<Lsn>(record.body.data() + 8), load<std::uint64_t>(record.body.data() + 16)};
}

}  // namespace folkmoot
