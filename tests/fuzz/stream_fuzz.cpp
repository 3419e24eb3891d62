// Bytes of files of events, as a broken disk might hold them, to everything that reads them: opening, verify, reading
// both ways and by time, and appending on. None may crash, loop or read beyond; what is given out is in order, without
// a gap that was not told, and what is appended afterwards is read again.
//
// input := flags:u8 bytes. Checksums would stop nearly every input at its first record, so with the lowest flag set the
// records are followed from one to the next by their lengths and get the right checksum; with the second the header is
// made good as well; with the third the bytes are laid over two files; with the fourth the last 64 bytes become a
// trailer with the right checksum.
#include <map>
#include <memory>

#include "base/assert.hpp"
#include "stream/stream_files.hpp"
#include "stream/verify.hpp"

namespace {

using namespace folkmoot;

constexpr StreamNumber kStream{1};
constexpr Sequence kSecond{50};  // the first event of the second file
constexpr EventFileId kId{1, 2, 3};
constexpr std::size_t kFileBytesMax = 64 * 1024;

class BytesDisk final : public Disk {
 public:
  std::map<std::string, std::shared_ptr<std::vector<std::uint8_t>>, std::less<>> files;
  bool writable = true;

  Result<std::vector<std::string>> list() override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files) names.push_back(name);
    return names;
  }
  Result<std::unique_ptr<DiskFile>> open(std::string_view name, Open how) override {
    if (how == Open::create_empty) files[std::string(name)] = std::make_shared<std::vector<std::uint8_t>>();
    const auto at = files.find(name);
    if (at == files.end()) return failure(ErrorCode::io_error, "no such file");
    return std::make_unique<File>(*this, at->second);
  }
  Result<void> rename(std::string_view from, std::string_view to) override {
    auto node = files.extract(files.find(from));
    node.key() = to;
    files.erase(node.key());  // in the place of what has that name
    files.insert(std::move(node));
    return {};
  }
  Result<void> remove(std::string_view name) override {
    files.erase(files.find(name));
    return {};
  }
  Result<void> sync_folder() override { return {}; }

 private:
  class File final : public DiskFile {
   public:
    File(BytesDisk& disk, std::shared_ptr<std::vector<std::uint8_t>> bytes) : disk_(disk), bytes_(std::move(bytes)) {}
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
      if (offset >= bytes_->size()) return 0;
      const auto count = std::min<std::size_t>(into.size(), bytes_->size() - offset);
      if (count > 0) std::memcpy(into.data(), bytes_->data() + offset, count);
      return count;
    }
    Result<void> write(std::uint64_t offset, std::span<const Bytes> parts) override {
      FOLKMOOT_ASSERT(disk_.writable);
      for (const auto& part : parts) {
        if (offset + part.size() > bytes_->size()) bytes_->resize(offset + part.size());
        if (!part.empty()) std::memcpy(bytes_->data() + offset, part.data(), part.size());
        offset += part.size();
      }
      return {};
    }
    Result<void> sync() override { return {}; }
    Result<void> preallocate(std::uint64_t bytes) override {
      if (bytes_->size() < bytes) bytes_->resize(bytes);
      return {};
    }
    Result<std::uint64_t> size() override { return bytes_->size(); }

   private:
    BytesDisk& disk_;
    const std::shared_ptr<std::vector<std::uint8_t>> bytes_;
  };
};

void make_header_good(std::vector<std::uint8_t>& file, const EventFileHeader& header) {
  const auto bytes = encode_header(header);
  if (file.size() < bytes.size()) file.resize(bytes.size());
  std::copy(bytes.begin(), bytes.end(), file.begin());
}

void make_checksums_good(std::vector<std::uint8_t>& file, const EventFileHeader& header) {
  const EventCodec codec(header);
  for (std::size_t at = kEventFileHeaderBytes; at + kEventHeaderBytes <= file.size();) {
    auto* const record = file.data() + at;
    store(record, load<std::uint32_t>(record) % 2048);
    const auto bytes = event_bytes_at(record);
    if (at + bytes > file.size()) break;
    std::fill(record + kEventHeaderBytes + load<std::uint32_t>(record), record + bytes, std::uint8_t{0});
    codec.seal(record, at);
    at += bytes;
  }
}

void make_trailer_good(std::vector<std::uint8_t>& file, const EventFileHeader& header) {
  if (file.size() < kEventFileHeaderBytes + kIndexTrailerBytes) return;
  auto* const at = file.data() + file.size() - kIndexTrailerBytes;
  const EventCodec codec(header);
  IndexTrailer trailer{.records_end = load<std::uint32_t>(at) % file.size() / 8 * 8,
                       .end = header.first + load<std::uint16_t>(at + 4),
                       .oldest = Instant{load<std::uint16_t>(at + 6)},
                       .newest = Instant{load<std::uint32_t>(at + 8)},
                       .entries = at[12]};
  const auto index_bytes = trailer.entries * kIndexEntryBytes;
  if (index_bytes > file.size() - kIndexTrailerBytes) return;
  trailer.index_crc = codec.index_checksum({at - index_bytes, index_bytes});
  const auto bytes = codec.encode_trailer(trailer);
  std::copy(bytes.begin(), bytes.end(), at);
}

void check_chunk(const StreamChunk& chunk, const StreamRead& what) {
  FOLKMOOT_ASSERT(chunk.events.empty() || !chunk.error);
  std::uint8_t all = 0;
  for (std::size_t i = 0; i < chunk.events.size(); ++i) {
    const auto& event = chunk.events[i];
    for (const auto byte : event.message) all ^= byte;  // every byte can be read
    FOLKMOOT_ASSERT(event.at >= Instant{0});
    if (i == 0) continue;
    const auto before = chunk.events[i - 1].sequence;
    FOLKMOOT_ASSERT(what.backwards ? event.sequence + 1 == before : event.sequence == before + 1);
  }
  if (chunk.events.empty()) return;
  const auto last = chunk.events.back().sequence;
  FOLKMOOT_ASSERT(what.backwards ? chunk.next < last : chunk.next == last + 1);
  if (all == 1) FOLKMOOT_ASSERT(chunk.memory != nullptr);
}

void read_all(StreamFiles& files, StreamRead what) {
  for (int steps = 0;; ++steps) {
    FOLKMOOT_ASSERT(steps < 100'000);
    const auto chunk = files.read(what);
    check_chunk(chunk, what);
    if (chunk.at_end) return;
    what.since.reset();
    if (what.backwards) {
      if (chunk.next == 0) return;
      FOLKMOOT_ASSERT(chunk.next < what.from);
    } else {
      FOLKMOOT_ASSERT(chunk.next > what.from || (chunk.error && what.from == Sequence{1}));
      if (chunk.next == what.from) return;
    }
    what.from = chunk.next;
  }
}

// `is_forged`: a trailer may say of the file what it is not; then what is appended need not be found.
void check(BytesDisk& disk, bool is_forged) {
  disk.writable = false;
  FOLKMOOT_ASSERT(verify_streams(disk));
  disk.writable = true;
  auto opened = StreamFiles::open(disk, {.id = kId});
  FOLKMOOT_ASSERT(opened);
  auto& files = **opened;
  Sequence end{1};
  files.each([&](StreamNumber, const std::vector<StreamFile>& all) { end = all.back().end; });
  for (const std::size_t bytes : {1u, 100u, 4'000u, 1u << 20}) {
    read_all(files, {.stream = kStream, .bytes_max = bytes});
    read_all(files, {.stream = kStream, .from = kLastSequence, .backwards = true, .bytes_max = bytes});
  }
  for (const std::int64_t since : {0, 7, 1'000, 1 << 30}) {
    check_chunk(files.read({.stream = kStream, .since = Instant{since}}), {});
    const StreamRead down{.stream = kStream, .from = kLastSequence, .since = Instant{since}, .backwards = true};
    check_chunk(files.read(down), down);
  }
  if (end >= kSequenceMax) return;
  const auto text = as_bytes("one more");
  std::vector<std::uint8_t> event(event_bytes(text.size()));
  lay_out_event(event.data(), end, Instant{1}, {text, {}});
  StreamFiles::Taken taken;
  FOLKMOOT_ASSERT(files.append(kStream, event, taken) && taken.bytes == event.size());
  FOLKMOOT_ASSERT(files.close());
  opened->reset();
  auto again = StreamFiles::open(disk, {.id = kId});
  FOLKMOOT_ASSERT(again);
  const auto chunk = (*again)->read({.stream = kStream, .from = end});
  if (is_forged && chunk.error) return;
  FOLKMOOT_ASSERT(!chunk.error && chunk.events.size() == 1 && as_text(chunk.events[0].message) == "one more");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto flags = data[0];
  const Bytes input(data + 1, std::min(size - 1, 2 * kFileBytesMax));
  BytesDisk disk;
  const std::size_t count = flags & 4 ? 2 : 1;
  const auto share = input.size() / count;
  for (std::size_t number = 0; number < count; ++number) {
    const EventFileHeader header{.stream = kStream, .first = number == 0 ? Sequence{1} : kSecond, .id = kId};
    const auto part = input.subspan(number * share, std::min(share, kFileBytesMax));
    auto file = std::make_shared<std::vector<std::uint8_t>>(part.begin(), part.end());
    if (flags & 3) make_header_good(*file, header);
    if (flags & 1) make_checksums_good(*file, header);
    if (flags & 8) make_trailer_good(*file, header);
    disk.files[EventFileName{kStream, header.first}.text()] = std::move(file);
  }
  check(disk, flags & 8);
  return 0;
}
