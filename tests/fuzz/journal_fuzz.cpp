// Bytes of segments, as a broken disk might hold them, to everything that reads a journal: recovery, verify, and
// reading on after recovery. None may crash, loop or read beyond; what recovery accepts, verify must find nothing wrong
// with.
//
// input := flags:u8 bytes. Checksums would stop nearly every input at its first record, so with the lowest flag set the
// records are followed from one to the next by their lengths and get the right checksum (whether one is linked to the
// next is the input's choice); with the second the header is made good as well; with the third the bytes are laid over
// two segments; with the fourth the header is that of a sealed segment, and with the first as well its facts are sealed
// with the right key, but for those with the third bit of their second byte, whose seal is what the input has; with the
// fifth the reader has that key.
#include <map>
#include <memory>

#include "base/assert.hpp"
#include "base/crc32c.hpp"
#include "journal/journal.hpp"
#include "journal/verify.hpp"

namespace {

using namespace folkmoot;

const JournalId kId{1, 2, 3};

class BytesDisk final : public Disk {
 public:
  using Files = std::map<std::string, std::shared_ptr<std::vector<std::uint8_t>>, std::less<>>;
  Files files;
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
        FOLKMOOT_ASSERT(offset + part.size() <= bytes_->size());  // never beyond what was allocated
        std::memcpy(bytes_->data() + offset, part.data(), part.size());
        offset += part.size();
      }
      return {};
    }
    Result<void> sync() override { return {}; }
    Result<void> preallocate(std::uint64_t bytes) override {
      bytes_->resize(bytes);
      return {};
    }
    Result<std::uint64_t> size() override { return bytes_->size(); }

   private:
    BytesDisk& disk_;
    const std::shared_ptr<std::vector<std::uint8_t>> bytes_;
  };
};

const KeysGiven& keys() {
  static const auto made = *JournalKeys::parse(std::string(62, '1') + "23");
  return made;
}

SegmentHeader header_of(std::uint64_t number, bool is_sealed) {
  SegmentHeader header{kId, number, kSegmentBytesMin};
  if (is_sealed) header.seal = {.key = *keys()->current(), .salt = 7};
  return header;
}

void make_header_good(std::vector<std::uint8_t>& segment, const SegmentHeader& made) {
  const auto header = encode_header(made);
  std::copy(header.begin(), header.end(), segment.begin());
}

void make_checksums_good(std::vector<std::uint8_t>& segment, const SegmentHeader& header) {
  const RecordCodec codec(kId);
  SegmentSeals seals(keys());
  const auto number = header.number;
  for (std::size_t at = kSegmentHeaderBytes; at + kMarkBytes <= segment.size();) {
    const std::size_t length = load<std::uint32_t>(segment.data() + at) % 4096;
    const auto kind = segment[at + 8];
    if (length == 0 && kind == 0) break;
    if (at + record_bytes(length) > segment.size()) break;
    const Lsn lsn{number * kSegmentBytesMin + at};
    if (kind >= kMarkKindMin) {
      const auto said = load<Mark>(segment.data() + at + 20);  // where a mark's two numbers stand
      codec.seal_mark(segment.data() + at, lsn, static_cast<MarkKind>(240 + kind % 3), said);
      at += kMarkBytes;
    } else {
      const bool linked = segment[at + 9] & 1, is_forged = segment[at + 9] & 4;
      codec.lay_out(segment.data() + at, kind, length);
      RecordCodec::set_linked(segment.data() + at, linked);
      if (header.seal && !is_forged && length >= kSealBytes) seals.seal(header, segment.data() + at, lsn, length);
      codec.seal_laid_out(segment.data() + at, lsn, linked);
      at += record_bytes(length);
    }
  }
}

void check(BytesDisk& disk, const KeysGiven& given) {
  disk.writable = false;
  const auto info = verify_journal(disk, given);
  disk.writable = true;
  auto journal = Journal::open(disk, {.segment_bytes = kSegmentBytesMin, .id = kId, .keys = given, .run = 9});
  if (!journal) return;
  std::vector<FactPlace> places;
  const auto report = (*journal)->recover([&](FactKind, FactPlace place, Bytes body) -> Result<void> {
    std::uint8_t all = 0;
    for (const auto byte : body) all ^= byte;  // every byte can be read
    (*journal)->retain(place);
    if (all != 1) places.push_back(place);
    return {};
  });
  if (!report) return;
  FOLKMOOT_ASSERT(info && info->problems_total == 0);
  FOLKMOOT_ASSERT(info->facts == report->facts && info->torn_bytes == report->cut_bytes);
  for (const auto& place : places) FOLKMOOT_ASSERT((*journal)->read(place)->size() == place.bytes);
  const Bytes part = as_bytes("one more");
  const GroupBound bound{.facts = 2, .body_bytes = 2 * part.size()};
  if (!(*journal)->has_room(FactLog::Urgency::durable, bound)) return;
  {
    const FactGroup group(**journal, bound);
    (*journal)->append(FactKind::started, {&part, 1}, FactLog::Life::live);
    (*journal)->append(FactKind::started, {&part, 1}, FactLog::Life::live);
  }
  FOLKMOOT_ASSERT((*journal)->close());
  journal->reset();
  const auto after = verify_journal(disk, given);
  FOLKMOOT_ASSERT(after && after->problems_total == 0 && after->facts == report->facts + 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto flags = data[0];
  const Bytes input(data + 1, std::min(size - 1, 2 * kSegmentBytesMin));
  BytesDisk disk;
  const std::uint64_t segments = flags & 4 ? 2 : 1;
  const auto share = input.size() / segments;
  for (std::uint64_t number = 1; number <= segments; ++number) {
    auto segment = std::make_shared<std::vector<std::uint8_t>>(kSegmentBytesMin);
    const auto part = input.subspan((number - 1) * share, std::min(share, kSegmentBytesMin));
    std::copy(part.begin(), part.end(), segment->begin());
    const auto header = header_of(number, flags & 8);
    if (flags & 3) make_header_good(*segment, header);
    if (flags & 1) make_checksums_good(*segment, header);
    if (flags == 0) segment->resize(part.size());
    disk.files[segment_name(number)] = std::move(segment);
  }
  check(disk, flags & 16 ? keys() : nullptr);
  return 0;
}
