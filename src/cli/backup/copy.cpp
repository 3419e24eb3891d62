#include "cli/backup/copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "folkmoot/failure.hpp"
#include "journal/segment_scanner.hpp"
#include "stream/format.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::uint64_t kPiecesASecond = 4;  // at least, however low the rate: what is left alone too long is given up
constexpr std::uint64_t kPieceBytesMin = 4 * 1024;

std::string now_as_text() {
  using namespace std::chrono;
  return format_time_ms(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

std::string name_of(std::uint32_t shard, std::uint64_t segment) {
  const auto name = segment_name(segment);
  return shard == 0 ? name : fmt::format("shard-{}/{}", shard, name);
}

[[noreturn]] void throw_damaged(const std::string& file, std::size_t offset, std::string_view what) {
  throw Failure({ErrorCode::damaged,
                 fmt::format("{}, offset {}: {}: the server's journal is damaged there", file, offset, what),
                 "look at the server's disk; stop it, and `folkmoot journal verify` tells all that is wrong"});
}

}  // namespace

/// The bytes of a segment in order, fetched as they are read and written as they are fetched.
class BackupCopy::SegmentStream final : public DiskFile {
 public:
  SegmentStream(BackupCopy& copy, std::uint32_t shard, std::uint64_t number, std::uint64_t used, std::uint64_t bytes)
      : copy_(copy), shard_(shard), number_(number), used_(used), bytes_(bytes) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset != at_) return failure(ErrorCode::internal, "a segment is fetched in order");
    std::size_t done = 0;
    while (done < into.size() && at_ < bytes_) {
      if (ahead_.empty()) fetch();
      const auto part = std::string_view(ahead_).substr(0, into.size() - done);
      std::ranges::copy(part, into.begin() + static_cast<std::ptrdiff_t>(done));
      done += part.size();
      at_ += part.size();
      ahead_.erase(0, part.size());
    }
    return done;
  }
  Result<std::uint64_t> size() override { return bytes_; }
  Result<void> write(std::uint64_t, std::span<const Bytes>) override { return read_only(); }
  Result<void> sync() override { return read_only(); }
  Result<void> preallocate(std::uint64_t) override { return read_only(); }

 private:
  static Result<void> read_only() { return failure(ErrorCode::internal, "what is fetched is not written"); }

  // The next bytes; behind what is used there are zeros.
  void fetch() {
    const auto left = (at_ < used_ ? used_ : bytes_) - at_;
    const auto most = static_cast<std::uint32_t>(std::min(left, kBackupPieceBytesMax));
    if (at_ < used_) {
      ahead_ = copy_.fetch({.shard = shard_, .segment = number_, .offset = at_, .bytes = most});
    } else {
      ahead_.assign(most, '\0');
    }
    copy_.target_.write(ahead_);
  }

  BackupCopy& copy_;
  const std::uint32_t shard_;
  const std::uint64_t number_, used_, bytes_;
  std::uint64_t at_ = 0;
  std::string ahead_;
};

BackupCopy::BackupCopy(Session& session, BackupTarget& target, std::uint64_t rate)
    : session_(session), target_(target), rate_(rate), begun_(value(session->call(BeginBackup{}))) {
  manifest_.version = FOLKMOOT_VERSION;
  manifest_.taken = now_as_text();
  totals_.shards = begun_.journals.size();
  all_ = begun_.contents_bytes + begun_.stream_bytes;
  for (const auto& journal : begun_.journals)
    all_ += (journal.last - journal.first) * journal.segment_bytes + journal.last_bytes;
}

BackupCopy::~BackupCopy() { (void)session_->call(EndBackup{.backup = begun_.backup}); }

BackupTotals BackupCopy::run() {
  for (std::uint32_t shard = 0; shard < begun_.journals.size(); ++shard) {
    const auto& journal = begun_.journals[shard];
    for (auto number = journal.first; number <= journal.last; ++number) copy_segment(shard, journal, number);
  }
  if (begun_.journals.size() > 1) {
    const auto count = fmt::format("{}\n", begun_.journals.size());
    target_.begin("shards", count.size());
    target_.write(count);
    manifest_.files.push_back(target_.end());
  }
  copy_contents();
  if (begun_.stream_files > 0) copy_streams();
  target_.finish(manifest_);
  totals_.bytes = done_;
  return totals_;
}

void BackupCopy::copy_segment(std::uint32_t shard, const BackupJournal& journal, std::uint64_t number) {
  const auto name = name_of(shard, number);
  const bool is_last = number == journal.last;
  const auto bytes = journal.segment_bytes;
  target_.begin(name, bytes);
  SegmentStream stream(*this, shard, number, is_last ? journal.last_bytes : bytes, bytes);
  std::array<std::uint8_t, kSegmentHeaderBytes> head{};
  value(stream.read(0, head));
  const auto header = decode_header(head);
  if (!header) throw_damaged(name, 0, header.error().text);
  if (header->number != number || header->segment_bytes != bytes) throw_damaged(name, 0, "it is another segment");
  SegmentScanner scanner(stream, *header);
  bool is_closed = false;
  while (!is_closed && value(scanner.next())) {
    is_closed = scanner.record().is(MarkKind::segment_end);
    if (!scanner.record().is_mark()) ++totals_.facts;
  }
  const bool is_whole = is_last ? !is_closed && scanner.stop() == SegmentScanner::Stop::zeros &&
                                      scanner.whole_offset() == journal.last_bytes
                                : is_closed;
  if (!is_whole) throw_damaged(name, scanner.offset(), scanner.problem());
  for (auto at = scanner.offset(); at < bytes;) {
    const auto rest = value(scanner.peek(at, 1));
    if (std::ranges::any_of(rest, [](auto byte) { return byte != 0; }))
      throw_damaged(name, at, "there are bytes behind the end");
    at += rest.size();
  }
  manifest_.files.push_back(target_.end());
  ++totals_.segments;
}

void BackupCopy::copy_contents() {
  for (ListBackupContents page{.backup = begun_.backup};;) {
    const auto listed = value(session_->call(page));
    if (listed.contents.empty()) return;
    for (const auto& content : listed.contents) copy_content(content);
    page.after = listed.contents.back().sha256;
  }
}

// One that the server cannot read or that is not what its name says keeps nothing else from being saved: it is told.
void BackupCopy::copy_content(const BackupContent& content) {
  const auto name = fmt::format("content/{}", content.sha256.text());
  const auto fetch_at = [&](std::uint64_t at) {
    const auto most = std::min(content.size - at, kBackupPieceBytesMax);
    return fetch({.content = content.sha256, .offset = at, .bytes = static_cast<std::uint32_t>(most)});
  };
  const auto tell_of = [&](std::string_view why) {
    progress_.wipe();
    tell("folkmoot: content {} cannot be saved: {}", content.sha256.text(), why);
    ++totals_.contents_damaged;
  };
  std::string part;
  try {
    part = fetch_at(0);
  } catch (const Failure& failed) {
    if (failed.code() != ErrorCode::io_error && failed.code() != ErrorCode::damaged) throw;
    return tell_of(failed.what());
  }
  target_.begin(name, content.size);
  for (std::uint64_t at = 0;;) {
    target_.write(part);
    at += part.size();
    if (at >= content.size) break;
    part = fetch_at(at);
  }
  manifest_.files.push_back(target_.end());
  ++totals_.contents;
  if (manifest_.files.back().hash != content.sha256) tell_of("its bytes have changed on the server's disk");
}

void BackupCopy::copy_streams() {
  for (ListBackupStreams page{.backup = begun_.backup};;) {
    const auto listed = value(session_->call(page));
    if (listed.files.empty()) return;
    for (const auto& file : listed.files) copy_stream_file(file);
    page.skip += listed.files.size();
  }
}

void BackupCopy::copy_stream_file(const BackupStreamFile& file) {
  const EventFileName name{StreamNumber{file.stream}, Sequence{file.first}};
  target_.begin(fmt::format("streams/{}", name.text()), file.size);
  for (std::uint64_t at = 0; at < file.size;) {
    const auto most = static_cast<std::uint32_t>(std::min(file.size - at, kBackupPieceBytesMax));
    const auto part = fetch({.stream = file.stream, .first = file.first, .offset = at, .bytes = most});
    target_.write(part);
    at += part.size();
  }
  manifest_.files.push_back(target_.end());
  ++totals_.stream_files;
}

std::string BackupCopy::fetch(ReadBackup piece) {
  using namespace std::chrono;
  piece.backup = begun_.backup;
  std::string out;
  const auto want = piece.bytes;
  const auto most =
      rate_ == 0 ? kBackupPieceBytesMax : std::clamp(rate_ / kPiecesASecond, kPieceBytesMin, kBackupPieceBytesMax);
  while (out.size() < want) {
    if (rate_ != 0) {
      std::this_thread::sleep_until(next_);
      next_ = std::max(next_, steady_clock::now());
    }
    piece.bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(most, want - out.size()));
    const auto read = value(session_->call(piece));
    const auto data = decode_base64(read.data);
    if (!data || data->size() != piece.bytes)
      throw Failure({ErrorCode::malformed, "the server answered with other bytes than it was asked for"});
    if (rate_ != 0) next_ += microseconds(data->size() * 1'000'000 / rate_);
    out += *data;
    piece.offset += data->size();
    done_ += data->size();
    progress_.at(std::min(done_, all_), all_);
  }
  return out;
}

}  // namespace folkmoot::cli
