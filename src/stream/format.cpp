#include "stream/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"
#include "base/zeros.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kHeaderMagic = "fmoot.st";
constexpr std::string_view kTrailerMagic = "mootIndx";
constexpr std::string_view kSuffix = ".events";
constexpr std::size_t kStreamDigits = 10;
constexpr std::size_t kSequenceDigits = 20;
constexpr std::size_t kNameBytes = kStreamDigits + 1 + kSequenceDigits + kSuffix.size();
static_assert(kHeaderMagic.size() == 8 && kTrailerMagic.size() == 8);
static_assert(kEventFileHeaderBytes % kEventAlign == 0 && kIndexTrailerBytes % kEventAlign == 0);

template <class Number>
bool read_digits(std::string_view digits, Number& number) {
  const auto* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  return read.ec == std::errc{} && read.ptr == end;
}

}  // namespace

std::array<std::uint8_t, kEventFileHeaderBytes> encode_header(const EventFileHeader& header) {
  std::array<std::uint8_t, kEventFileHeaderBytes> bytes{};
  std::memcpy(bytes.data(), kHeaderMagic.data(), kHeaderMagic.size());
  store(bytes.data() + 8, kEventFormatVersion);
  store(bytes.data() + 12, header.stream);
  std::ranges::copy(header.id, bytes.begin() + 16);
  store(bytes.data() + 32, header.first);
  store(bytes.data() + 60, crc32c(0, Bytes(bytes).first(60)));
  return bytes;
}

Result<EventFileHeader> decode_event_file_header(Bytes bytes) {
  if (bytes.size() < kEventFileHeaderBytes) return failure(ErrorCode::damaged, "the file ends within its header");
  bytes = bytes.first(kEventFileHeaderBytes);
  if (as_text(bytes.first(8)) != kHeaderMagic)
    return failure(ErrorCode::damaged, "it does not begin like a file of events");
  if (load<std::uint32_t>(bytes.data() + 60) != crc32c(0, bytes.first(60)))
    return failure(ErrorCode::damaged, "the header's checksum is wrong");
  if (const auto version = load<std::uint32_t>(bytes.data() + 8); version != kEventFormatVersion) {
    return failure(ErrorCode::damaged, fmt::format("it has format version {}, this program reads version {}", version,
                                                   kEventFormatVersion));
  }
  if (!all_zero(bytes.subspan(40, 20))) return failure(ErrorCode::damaged, "the header's reserved bytes are not zero");
  EventFileHeader header;
  header.stream = load<StreamNumber>(bytes.data() + 12);
  std::ranges::copy(bytes.subspan(16, 16), header.id.begin());
  header.first = load<Sequence>(bytes.data() + 32);
  return header;
}

std::string EventFileName::text() const {
  return fmt::format("{:0{}}.{:0{}}{}", stream.value, kStreamDigits, first.value, kSequenceDigits, kSuffix);
}

std::optional<EventFileName> EventFileName::parse(std::string_view name) {
  if (name.size() != kNameBytes) return std::nullopt;
  EventFileName parsed;
  if (!read_digits(name.substr(0, kStreamDigits), parsed.stream.value) ||
      !read_digits(name.substr(kStreamDigits + 1, kSequenceDigits), parsed.first.value))
    return std::nullopt;
  if (parsed.stream == 0 || parsed.first == 0 || parsed.first > kSequenceMax || parsed.text() != name)
    return std::nullopt;
  return parsed;
}

void lay_out_event(std::uint8_t* record, Sequence sequence, Instant at, const MessageParts& message) {
  store(record, static_cast<std::uint32_t>(message.bytes()));
  store(record + 4, std::uint32_t{0});
  store(record + 8, sequence);
  store(record + 16, at);
  auto* to = record + kEventHeaderBytes;
  for (const auto part : {message.head, message.rest}) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  std::memset(to, 0, event_bytes(message.bytes()) - kEventHeaderBytes - message.bytes());
}

Sequence event_sequence(const std::uint8_t* record) { return load<Sequence>(record + 8); }
Instant event_time(const std::uint8_t* record) { return load<Instant>(record + 16); }
std::size_t event_bytes_at(const std::uint8_t* record) { return event_bytes(load<std::uint32_t>(record)); }

EventCodec::EventCodec(const EventFileHeader& header)
    : seed_(crc32c(crc32c(crc32c(0, header.id), bytes_of(header.stream)), bytes_of(header.first))) {}

std::uint32_t EventCodec::checksum(const std::uint8_t* record, std::uint64_t offset, std::size_t message_bytes) const {
  std::array<std::uint8_t, 28> front;
  store(front.data(), offset);
  std::memcpy(front.data() + 8, record, 4);        // length
  std::memcpy(front.data() + 12, record + 8, 16);  // sequence, time
  return crc32c(crc32c(seed_, front), Bytes(record + kEventHeaderBytes, message_bytes));
}

void EventCodec::seal(std::uint8_t* record, std::uint64_t offset) const {
  store(record + 4, checksum(record, offset, load<std::uint32_t>(record)));
}

std::array<std::uint8_t, kEventMarkBytes> EventCodec::encode_mark(std::uint64_t offset, std::uint64_t synced) const {
  std::array<std::uint8_t, kEventMarkBytes> mark{};
  store(mark.data() + 16, synced);
  seal(mark.data(), offset);
  return mark;
}

EventCodec::Checked EventCodec::check(Bytes view, std::uint64_t offset, std::uint64_t room) const {
  const auto bad = [](const char* problem) { return Checked{State::bad, 0, problem}; };
  if (room < kEventHeaderBytes) {
    return view.size() < room           ? Checked{State::more, static_cast<std::size_t>(room)}
           : all_zero(view.first(room)) ? Checked{State::zero}
                                        : bad("bytes after the last record");
  }
  if (view.size() < kEventHeaderBytes) return {State::more, kEventHeaderBytes};
  const auto* const record = view.data();
  // No record is all zeros: an event's sequence is none, nor is what a mark says.
  if (all_zero(view.first(kEventHeaderBytes))) return {State::zero};
  const std::size_t length = load<std::uint32_t>(record);
  if (length > kEventMessageBytesMax || event_bytes(length) > room) return bad("the record's length is not possible");
  const auto bytes = event_bytes(length);
  if (view.size() < bytes) return {State::more, bytes};
  if (load<std::uint32_t>(record + 4) != checksum(record, offset, length)) return bad("the record's checksum is wrong");
  const auto used = kEventHeaderBytes + length;
  if (!all_zero(view.subspan(used, bytes - used))) return bad("the padding after the record is not zero");
  if (event_sequence(record) == 0) {
    if (length != 0) return bad("a mark has a message");
    if (load<std::uint64_t>(record + 16) > offset) return bad("a mark speaks of what comes after it");
  } else if (event_sequence(record) > kSequenceMax) {
    return bad("the event's sequence is not possible");
  } else if (event_time(record) < Instant{0}) {
    return bad("the event's time is none");
  }
  return {State::good, bytes};
}

EventRecord EventCodec::view(const std::uint8_t* record, std::uint64_t offset) {
  const auto length = load<std::uint32_t>(record);
  EventRecord view{.offset = offset,
                   .bytes = event_bytes(length),
                   .sequence = event_sequence(record),
                   .message = {record + kEventHeaderBytes, length}};
  if (view.is_mark()) {
    view.synced = load<std::uint64_t>(record + 16);
  } else {
    view.at = event_time(record);
  }
  return view;
}

std::optional<EventRecord> EventCodec::find_mark(Bytes at, std::uint64_t offset) const {
  if (at.size() < kEventMarkBytes || load<std::uint32_t>(at.data()) != 0 || event_sequence(at.data()) != 0)
    return std::nullopt;
  if (check(at.first(kEventMarkBytes), offset, kEventMarkBytes).state != State::good) return std::nullopt;
  return view(at.data(), offset);
}

std::uint32_t EventCodec::index_checksum(Bytes index) const { return crc32c(seed_, index); }

std::array<std::uint8_t, kIndexTrailerBytes> EventCodec::encode_trailer(const IndexTrailer& trailer) const {
  std::array<std::uint8_t, kIndexTrailerBytes> bytes{};
  std::memcpy(bytes.data(), kTrailerMagic.data(), kTrailerMagic.size());
  store(bytes.data() + 8, trailer.records_end);
  store(bytes.data() + 16, trailer.end);
  store(bytes.data() + 24, trailer.oldest);
  store(bytes.data() + 32, trailer.newest);
  store(bytes.data() + 40, trailer.entries);
  store(bytes.data() + 44, trailer.index_crc);
  store(bytes.data() + 60, crc32c(seed_, Bytes(bytes).first(60)));
  return bytes;
}

std::optional<IndexTrailer> EventCodec::decode_trailer(Bytes bytes) const {
  if (bytes.size() != kIndexTrailerBytes || as_text(bytes.first(8)) != kTrailerMagic) return std::nullopt;
  if (load<std::uint32_t>(bytes.data() + 60) != crc32c(seed_, bytes.first(60))) return std::nullopt;
  if (!all_zero(bytes.subspan(48, 12))) return std::nullopt;
  return IndexTrailer{.records_end = load<std::uint64_t>(bytes.data() + 8),
                      .end = load<Sequence>(bytes.data() + 16),
                      .oldest = load<Instant>(bytes.data() + 24),
                      .newest = load<Instant>(bytes.data() + 32),
                      .entries = load<std::uint32_t>(bytes.data() + 40),
                      .index_crc = load<std::uint32_t>(bytes.data() + 44)};
}

std::string encode_index(std::span<const IndexEntry> index) {
  std::string bytes(index.size() * kIndexEntryBytes, '\0');
  auto* to = bytes.data();
  for (const auto& entry : index) {
    store(to, entry.sequence);
    store(to + 8, entry.newest_before);
    store(to + 16, entry.offset);
    to += kIndexEntryBytes;
  }
  return bytes;
}

std::vector<IndexEntry> decode_index(Bytes bytes) {
  std::vector<IndexEntry> index(bytes.size() / kIndexEntryBytes);
  const auto* from = bytes.data();
  for (auto& entry : index) {
    entry = {load<Sequence>(from), load<Instant>(from + 8), load<std::uint64_t>(from + 16)};
    from += kIndexEntryBytes;
  }
  return index;
}

Error event_damage(const EventFileName& file, std::uint64_t offset, std::string_view what) {
  return {ErrorCode::damaged,
          fmt::format("stream {}, file {}, offset {}: {}", file.stream.value, file.text(), offset, what),
          "`folkmoot journal verify DIR` tells everything that is wrong; restore the data folder from a backup"};
}

}  // namespace folkmoot
