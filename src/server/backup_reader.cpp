#include "server/backup_reader.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "journal/format.hpp"
#include "server/data_folder.hpp"
#include "stream/format.hpp"

namespace folkmoot {

Result<void> BackupReader::begin(LateAnswer to, Lives lives) {
  const auto number = backup_.begin();
  if (!number) return std::unexpected(number.error());
  number_ = *number;
  asked_at_ = looked_at_ = engine_.now().ms;
  begun_by_ = to;
  owner_ = lives == Lives::with_session ? to.session : SessionId{0};
  return {};
}

void BackupReader::close(SessionId session) {
  if (owner_ != session) return;
  owner_ = 0;
  backup_.give_up(
      {ErrorCode::connection_lost, "the backup was given up: the connection that took it has ended", "begin it again"});
}

void BackupReader::look(std::int64_t now) {
  looked_at_ = now;
  const auto phase = backup_.phase();
  if (phase == Backup::Phase::open && begun_by_) {
    journals_ = backup_.journals();
    BackupBegun begun{.backup = number_,
                      .contents = engine_.contents().totals().stored,
                      .contents_bytes = engine_.contents().totals().stored_bytes};
    for (const auto& journal : journals_) {
      const auto last = (journal.end.value - 1) / journal.segment_bytes;
      begun.journals.push_back({.first = journal.begin.value / journal.segment_bytes,
                                .last = last,
                                .segment_bytes = journal.segment_bytes,
                                .last_bytes = journal.end.value - last * journal.segment_bytes});
    }
    begun.stream_files = stream_files().size();
    for (const auto& file : stream_files()) begun.stream_bytes += file.bytes;
    spdlog::info("a backup is being taken");
    calls_.answer(*begun_by_, &begun);
    begun_by_.reset();
    asked_at_ = now;
  } else if (phase == Backup::Phase::none) {
    open_file_.reset();
    if (!begun_by_) return;
    auto why = backup_.check(number_);
    calls_.refuse(*begun_by_, why ? Error{ErrorCode::internal, "a backup is open that was not begun"} : why.error());
    begun_by_.reset();
  } else if (phase != Backup::Phase::open && now - asked_at_ > Backup::kBeginMsMax) {
    backup_.give_up(
        {ErrorCode::busy,
         fmt::format("the shards did not come to rest in {} ms: the backup was not begun", Backup::kBeginMsMax),
         "try again when the server has less to do; `/health` says whether its disk is full"});
  } else if (now - asked_at_ > options_.backup_idle_ms && reads_.empty()) {
    backup_.give_up(
        {ErrorCode::timed_out,
         fmt::format("the backup was given up: nothing was asked of it for {} s", options_.backup_idle_ms / 1'000),
         "begin it again"});
  }
}

Result<BackupContents> BackupReader::contents(const ListBackupContents& page) {
  if (auto open = backup_.check(page.backup); !open) return std::unexpected(open.error());
  asked_at_ = engine_.now().ms;
  BackupContents out;
  engine_.contents().each_stored(page.after, [&](const ContentRef& ref) {
    out.contents.push_back({ref.hash, ref.size});
    return out.contents.size() < page.limit;
  });
  return out;
}

std::span<const FileStreamStore::HeldFile> BackupReader::stream_files() const {
  if (streams_ == nullptr || !streams_->held()) return {};
  return *streams_->held();
}

Result<BackupStreams> BackupReader::streams(const ListBackupStreams& page) {
  if (auto open = backup_.check(page.backup); !open) return std::unexpected(open.error());
  asked_at_ = engine_.now().ms;
  BackupStreams out;
  const auto files = stream_files();
  const auto left = files.subspan(std::min<std::uint64_t>(page.skip, files.size()));
  for (const auto& file : left.first(std::min<std::size_t>(left.size(), page.limit)))
    out.files.push_back({file.stream.value, file.first.value, file.bytes});
  return out;
}

Result<void> BackupReader::end(const EndBackup& which) {
  if (auto open = backup_.check(which.backup); !open) return open;
  owner_ = 0;
  backup_.end();
  spdlog::info("the backup has ended");
  return {};
}

Result<void> BackupReader::read(LateAnswer to, const ReadBackup& piece) {
  if (auto open = backup_.check(piece.backup); !open) return open;
  asked_at_ = engine_.now().ms;
  if (reads_.size() >= kReadsMax) {
    return failure(ErrorCode::busy, fmt::format("{} pieces of the backup are being read", reads_.size()),
                   "wait for an answer");
  }
  const auto file = piece.content ? open_content(piece) : piece.stream ? open_stream(piece) : open_segment(piece);
  if (!file) return std::unexpected(file.error());
  reads_.push_back(to);
  worker_.submit({.kind = ContentJob::Kind::piece, .offset = piece.offset, .size = piece.bytes, .file = *file});
  return {};
}

Result<std::shared_ptr<DiskFile>> BackupReader::open_segment(const ReadBackup& piece) {
  if (piece.shard >= journals_.size()) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("there is no shard {}: it has {}", piece.shard, journals_.size()));
  }
  const auto& journal = journals_[piece.shard];
  const auto bytes = journal.segment_bytes;
  const auto first = backup_.journals()[piece.shard].copied.value / bytes, last = (journal.end.value - 1) / bytes;
  if (piece.segment < first || piece.segment > last) {
    return failure(ErrorCode::out_of_range, fmt::format("segment {} of shard {} does not belong to what is left of the "
                                                        "backup: {} to {} do",
                                                        piece.segment, piece.shard, first, last));
  }
  const auto most = piece.segment < last ? bytes : journal.end.value - last * bytes;
  if (piece.offset > most || piece.bytes > most - piece.offset) {
    return failure(ErrorCode::out_of_range, fmt::format("{} bytes from {} on: segment {} of shard {} has {}",
                                                        piece.bytes, piece.offset, piece.segment, piece.shard, most));
  }
  backup_.let_go(ShardNumber{piece.shard}, Lsn{piece.segment * bytes});
  return open(shard_folder(options_.data, ShardNumber{piece.shard}), segment_name(piece.segment));
}

Result<std::shared_ptr<DiskFile>> BackupReader::open_content(const ReadBackup& piece) {
  const auto size = engine_.contents().ask_for(*piece.content);
  if (!size) return failure(ErrorCode::not_found, fmt::format("no content {} is stored here", piece.content->text()));
  if (piece.offset > *size || piece.bytes > *size - piece.offset) {
    return failure(ErrorCode::out_of_range, fmt::format("{} bytes from {} on: content {} has {}", piece.bytes,
                                                        piece.offset, piece.content->text(), *size));
  }
  backup_.let_go(ShardNumber{static_cast<std::uint32_t>(journals_.size()) - 1}, journals_.back().end);
  return open(options_.data + "/content", piece.content->text());
}

Result<std::shared_ptr<DiskFile>> BackupReader::open_stream(const ReadBackup& piece) {
  const EventFileName name{StreamNumber{*piece.stream}, Sequence{piece.first.value_or(0)}};
  const auto files = stream_files();
  const auto found = std::ranges::find_if(
      files, [&](const auto& file) { return file.stream == name.stream && file.first == name.first; });
  if (found == files.end())
    return failure(ErrorCode::not_found, fmt::format("no file {} of a stream belongs to the backup", name.text()));
  if (piece.offset > found->bytes || piece.bytes > found->bytes - piece.offset) {
    return failure(ErrorCode::out_of_range, fmt::format("{} bytes from {} on: file {} has {}", piece.bytes,
                                                        piece.offset, name.text(), found->bytes));
  }
  return open(streams_folder(options_.data), name.text());
}

Result<std::shared_ptr<DiskFile>> BackupReader::open(const std::string& folder, const std::string& name) {
  const auto whole = folder + "/" + name;
  if (open_file_ && open_name_ == whole) return open_file_;
  const auto disk = PosixDisk::open(folder, PosixDisk::Access::read_only);
  if (!disk) return std::unexpected(disk.error());
  auto file = (*disk)->open(name, Disk::Open::read_only);
  if (!file) return std::unexpected(file.error());
  open_file_ = std::move(*file);
  open_name_ = whole;
  return open_file_;
}

void BackupReader::on_read(ContentDone& done) {
  const auto to = reads_.front();
  reads_.pop_front();
  asked_at_ = engine_.now().ms;
  if (!done.result) return calls_.refuse(to, done.result.error());
  const BackupPiece piece{.data = std::move(done.job.bytes)};
  calls_.answer(to, &piece);
}

}  // namespace folkmoot
