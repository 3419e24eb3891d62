#include "cli/backup/backup_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "base/assert.hpp"
#include "cli/print.hpp"
#include "folkmoot/failure.hpp"

namespace folkmoot::cli {
namespace {

// Of a name of a backup: the folder that it is in, and its name there.
std::pair<std::string, std::string> parted(const std::string& name) {
  const auto slash = name.find('/');
  if (slash == std::string::npos) return {"", name};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

std::size_t padding(std::uint64_t bytes) {
  return (kArchiveBlockBytes - bytes % kArchiveBlockBytes) % kArchiveBlockBytes;
}

}  // namespace

// -- writing

void BackupTarget::begin(const std::string& name, std::uint64_t bytes) {
  file_ = {.bytes = bytes, .name = name};
  written_ = 0;
  sha_ = Sha256();
  begin_file(name, bytes);
}

void BackupTarget::write(std::string_view part) {
  FOLKMOOT_ASSERT(written_ + part.size() <= file_.bytes);
  sha_.add(as_bytes(part));
  written_ += part.size();
  write_part(part);
}

BackupFile BackupTarget::end() {
  FOLKMOOT_ASSERT(written_ == file_.bytes);
  end_file();
  file_.hash = sha_.finish();
  return file_;
}

void BackupTarget::finish(const Manifest& manifest) {
  const auto text = manifest.text();
  begin(std::string(kManifestName), text.size());
  write(text);
  end();
  finish_all();
}

void FolderTarget::begin_file(const std::string& name, std::uint64_t bytes) {
  const auto [inner, file] = parted(name);
  if (!disk_ || inner != inner_) {
    if (disk_) value(disk_->sync_folder());
    disk_ = value(PosixDisk::open(inner.empty() ? folder_ : fmt::format("{}/{}", folder_, inner)));
    inner_ = inner;
  }
  file_ = value(disk_->open(file, Disk::Open::create_empty));
  value(file_->preallocate(bytes));
  at_ = 0;
}

void FolderTarget::write_part(std::string_view part) {
  if (part.find_first_not_of('\0') != std::string_view::npos) {
    const auto bytes = as_bytes(part);
    value(file_->write(at_, {&bytes, 1}));
  }
  at_ += part.size();
}

void FolderTarget::end_file() {
  value(file_->sync());
  file_.reset();
}

void FolderTarget::sync() {
  if (disk_) value(disk_->sync_folder());
}

void FolderTarget::finish_all() { sync(); }

void ArchiveTarget::begin_file(const std::string& name, std::uint64_t bytes) {
  bytes_ = bytes;
  write_part(encode_entry({.name = name, .bytes = bytes}, at_));
}

void ArchiveTarget::write_part(std::string_view part) { value(cli::write_part(part)); }

void ArchiveTarget::end_file() { write_part(std::string(padding(bytes_), '\0')); }

void ArchiveTarget::finish_all() { write_part(std::string(2 * kArchiveBlockBytes, '\0')); }

// -- reading

namespace {

class FolderSource final : public BackupSource {
 public:
  explicit FolderSource(std::string folder) : folder_(std::move(folder)) {
    const auto path = fmt::format("{}/{}", folder_, kManifestName);
    if (!std::filesystem::is_regular_file(path)) {
      throw Failure({ErrorCode::not_found, fmt::format("{} is no backup: it has no file `{}`", folder_, kManifestName),
                     "give what `folkmoot backup` has written; one that was interrupted is none"});
    }
    open_file({});
    std::string text(std::min<std::uint64_t>(left_, kManifestBytesMax), '\0');
    text.resize(read(text));
    files_ = value(Manifest::parse(text)).files;
  }

  std::optional<File> next() override {
    if (next_ > files_.size()) return std::nullopt;
    const auto at = next_++;
    const auto& name = at < files_.size() ? files_[at].name : std::string();
    open_file(name);
    return File{name.empty() ? std::string(kManifestName) : name, left_};
  }

  std::size_t read(std::span<char> into) override {
    const auto want = into.first(std::min<std::uint64_t>(into.size(), left_));
    const auto got = value(file_->read(at_, {reinterpret_cast<std::uint8_t*>(want.data()), want.size()}));
    at_ += got;
    left_ -= got;
    return got;
  }

 private:
  void open_file(const std::string& name) {
    const auto [inner, file] = parted(name);
    const auto disk = value(
        PosixDisk::open(inner.empty() ? folder_ : fmt::format("{}/{}", folder_, inner), PosixDisk::Access::read_only));
    file_ = value(disk->open(name.empty() ? kManifestName : std::string_view(file), Disk::Open::read_only));
    at_ = 0;
    left_ = value(file_->size());
  }

  const std::string folder_;
  std::vector<BackupFile> files_;
  std::size_t next_ = 0;
  std::unique_ptr<DiskFile> file_;
  std::uint64_t at_ = 0, left_ = 0;
};

class ArchiveSource final : public BackupSource {
 public:
  /// Takes the descriptor over.
  ArchiveSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ArchiveSource(const ArchiveSource&) = delete;
  ~ArchiveSource() override { ::close(fd_); }

  std::optional<File> next() override {
    for (;;) {
      pass(left_ + padding_);
      left_ = padding_ = 0;
      std::array<char, kArchiveBlockBytes> block{};
      const auto got = take(block);
      if (got == 0) return std::nullopt;
      if (got < block.size()) throw_cut_off();
      const auto entry = value(decode_entry({block.data(), block.size()}));
      if (!entry) return std::nullopt;
      left_ = entry->bytes;
      padding_ = padding(left_);
      if (entry->is_file) return File{entry->name, entry->bytes};
    }
  }

  std::size_t read(std::span<char> into) override {
    const auto want = into.first(std::min<std::uint64_t>(into.size(), left_));
    if (take(want) < want.size()) throw_cut_off();
    left_ -= want.size();
    return want.size();
  }

 private:
  std::size_t take(std::span<char> into) {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto got = ::read(fd_, into.data() + done, into.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Failure(folkmoot::system_error(ErrorCode::io_error, "reading " + name_, errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }
  void pass(std::uint64_t bytes) {
    std::vector<char> dropped(std::min<std::uint64_t>(bytes, 64 * 1024));
    while (bytes > 0) {
      const auto part = std::span(dropped).first(std::min<std::uint64_t>(bytes, dropped.size()));
      if (take(part) < part.size()) throw_cut_off();
      bytes -= part.size();
    }
  }
  [[noreturn]] void throw_cut_off() const {
    throw Failure(
        {ErrorCode::damaged, fmt::format("{} is cut off: it ends within a file", name_), "take another backup"});
  }

  const int fd_;
  const std::string name_;
  std::uint64_t left_ = 0, padding_ = 0;
};

}  // namespace

std::unique_ptr<BackupSource> BackupSource::open(const std::string& path) {
  if (path == "-") return std::make_unique<ArchiveSource>(::dup(STDIN_FILENO), "what came on stdin");
  if (std::filesystem::is_directory(path)) return std::make_unique<FolderSource>(path);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw Failure(
        folkmoot::system_error(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io_error, "opening " + path, errno));
  return std::make_unique<ArchiveSource>(fd, path);
}

}  // namespace folkmoot::cli
