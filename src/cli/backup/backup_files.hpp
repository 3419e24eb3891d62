// The files of a backup, one after the other: written into a folder or an archive, and read back from either. Whatever
// goes wrong is thrown as a Failure.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/sha256.hpp"
#include "cli/backup/archive.hpp"
#include "cli/backup/manifest.hpp"
#include "journal/disk.hpp"

namespace folkmoot::cli {

/// Where they go. Takes each file's hash on the way.
class BackupTarget {
 public:
  virtual ~BackupTarget() = default;

  void begin(const std::string& name, std::uint64_t bytes);
  void write(std::string_view part);
  /// All of it was written. What was written, for the manifest.
  BackupFile end();
  /// The last file, and no more.
  void finish(const Manifest& manifest);

 private:
  virtual void begin_file(const std::string& name, std::uint64_t bytes) = 0;
  virtual void write_part(std::string_view part) = 0;
  virtual void end_file() = 0;
  virtual void finish_all() = 0;

  BackupFile file_;
  std::uint64_t written_ = 0;
  Sha256 sha_;
};

/// A data folder. Room for each file is reserved first; zeros are not written.
class FolderTarget final : public BackupTarget {
 public:
  explicit FolderTarget(std::string folder) : folder_(std::move(folder)) {}
  /// The names of what was written are on the disk.
  void sync();

 private:
  void begin_file(const std::string& name, std::uint64_t bytes) override;
  void write_part(std::string_view part) override;
  void end_file() override;
  void finish_all() override;

  const std::string folder_;
  std::string inner_;  // the folder within it that disk_ is
  std::unique_ptr<PosixDisk> disk_;
  std::unique_ptr<DiskFile> file_;
  std::uint64_t at_ = 0;
};

/// An archive on stdout.
class ArchiveTarget final : public BackupTarget {
 public:
  explicit ArchiveTarget(std::int64_t unix_seconds) : at_(unix_seconds) {}

 private:
  void begin_file(const std::string& name, std::uint64_t bytes) override;
  void write_part(std::string_view part) override;
  void end_file() override;
  void finish_all() override;

  const std::int64_t at_;
  std::uint64_t bytes_ = 0;
};

/// Where they come from.
class BackupSource {
 public:
  struct File {
    std::string name;
    std::uint64_t bytes = 0;
  };

  virtual ~BackupSource() = default;
  /// The next file; the manifest is the last. Nothing: it ends.
  virtual std::optional<File> next() = 0;
  /// Bytes of it, in order; fewer than asked for only at its end.
  virtual std::size_t read(std::span<char> into) = 0;

  /// `-` is stdin; else a folder, or a file that is an archive.
  static std::unique_ptr<BackupSource> open(const std::string& path);
};

}  // namespace folkmoot::cli
