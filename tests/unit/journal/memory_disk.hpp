// A disk in memory that can be filled, made to fail, damaged by hand, and robbed of its power. What a power failure
// leaves:
//   - of each sector of 512 bytes written since its file's last sync: the old or the new content, by lot
//   - a size changed since then: old or new
//   - each creation, renaming and removal since the folder's last sync: done or not, by lot, each alone
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "journal/disk.hpp"

namespace folkmoot::test {

class MemoryDisk final : public Disk {
 public:
  struct File {
    std::vector<std::uint8_t> now;
    std::vector<std::uint8_t> synced;
    std::set<std::size_t> dirty;  // sectors
  };

  // What a test turns.
  std::uint64_t capacity = std::uint64_t{1} << 40;  // of all files together
  int failing_syncs = 0;                            // so many next syncs fail, and what they were to write is lost
  int unfinished_syncs = 0;                         // so many next syncs do not come to their end: the power fails
  int failing_writes = 0;
  std::uint64_t failing_operation = 0;  // the one of this number, from 1, fails; 0: none
  std::uint64_t operations = 0;         // so many were asked for
  bool files_used_up = false;           // no more files can be open
  bool writes_full = false;  // writes into allocated room are refused as on a file system that copies on write
  // What a test reads.
  std::uint64_t syncs = 0;
  std::uint64_t reads = 0;
  std::vector<std::string> log;  // syncs, renames, removals, as they came

  Result<std::vector<std::string>> list() override {
    if (auto done = count("listing"); !done) return std::unexpected(done.error());
    std::vector<std::string> found;
    for (const auto& [file_name, file] : names_) found.push_back(file_name);
    return found;
  }

  Result<std::unique_ptr<DiskFile>> open(std::string_view name, Open how) override {
    const std::string key(name);
    if (auto done = count("opening"); !done) return std::unexpected(done.error());
    if (files_used_up) return failure(ErrorCode::limit_reached, "opening " + key + ": Too many open files");
    if (how == Open::create_empty) {
      names_[key] = std::make_shared<File>();
      pending_.push_back({"create", key, "", names_[key]});
    }
    if (!names_.contains(key)) return failure(ErrorCode::io_error, key + ": no such file");
    return std::make_unique<Handle>(*this, key, names_[key]);
  }

  Result<void> rename(std::string_view from, std::string_view to) override {
    if (auto done = count("renaming"); !done) return done;
    pending_.push_back({"rename", std::string(from), std::string(to), nullptr});
    log.push_back("rename " + std::string(to));
    apply(names_, pending_.back());
    return {};
  }

  Result<void> remove(std::string_view name) override {
    if (auto done = count("removing"); !done) return done;
    if (!names_.contains(std::string(name))) return failure(ErrorCode::io_error, "no such file");
    pending_.push_back({"remove", std::string(name), "", nullptr});
    log.push_back("remove " + std::string(name));
    apply(names_, pending_.back());
    return {};
  }

  Result<void> sync_folder() override {
    if (auto done = count("syncing the folder"); !done) return done;
    durable_names_ = names_;
    pending_.clear();
    return {};
  }

  void fail_power(std::mt19937& lot) {
    for (const auto& change : pending_) {
      if (lot() % 2) apply(durable_names_, change);
    }
    pending_.clear();
    names_ = durable_names_;
    for (auto& [name, file] : names_) {
      if (file->synced.size() != file->now.size() && lot() % 2) file->synced.resize(file->now.size());
      for (const auto sector : file->dirty) {
        const auto begin = sector * kSectorBytes;
        const auto end = std::min({begin + kSectorBytes, file->now.size(), file->synced.size()});
        if (begin >= end || lot() % 2) continue;
        std::copy(file->now.begin() + static_cast<std::ptrdiff_t>(begin),
                  file->now.begin() + static_cast<std::ptrdiff_t>(end),
                  file->synced.begin() + static_cast<std::ptrdiff_t>(begin));
      }
      file->now = file->synced;
      file->dirty.clear();
    }
  }

  bool has(const std::string& name) const { return names_.contains(name); }
  /// The bytes of a file, to be damaged by hand: as if they had always been so.
  std::vector<std::uint8_t>& bytes(const std::string& name) { return names_.at(name)->now; }
  void forget(const std::string& name) {
    names_.erase(name);
    durable_names_.erase(name);
  }
  std::uint64_t used() const {
    std::uint64_t total = 0;
    for (const auto& [name, file] : names_) total += file->now.size();
    return total;
  }

 private:
  static constexpr std::size_t kSectorBytes = 512;
  using Names = std::map<std::string, std::shared_ptr<File>>;
  struct Change {
    std::string what;
    std::string name;
    std::string to;
    std::shared_ptr<File> file;
  };

  Result<void> count(std::string_view what) {
    if (++operations != failing_operation) return {};
    return failure(ErrorCode::io_error, std::string(what).append(" fails on purpose"));
  }

  static void apply(Names& names, const Change& change) {
    if (change.what == "create") names[change.name] = change.file;
    if (change.what == "remove") names.erase(change.name);
    if (change.what == "rename" && names.contains(change.name)) {
      names[change.to] = names[change.name];
      names.erase(change.name);
    }
  }

  class Handle final : public DiskFile {
   public:
    Handle(MemoryDisk& disk, std::string name, std::shared_ptr<File> file)
        : disk_(disk), name_(std::move(name)), file_(std::move(file)) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
      ++disk_.reads;
      if (auto done = disk_.count("reading"); !done) return std::unexpected(done.error());
      if (offset >= file_->now.size()) return 0;
      const auto count = std::min<std::size_t>(into.size(), file_->now.size() - offset);
      std::memcpy(into.data(), file_->now.data() + offset, count);
      return count;
    }
    Result<void> write(std::uint64_t offset, std::span<const Bytes> parts) override {
      if (auto done = disk_.count("writing"); !done) return done;
      if (disk_.writes_full) return failure(ErrorCode::disk_full, "writing " + name_ + ": no space");
      if (disk_.failing_writes > 0 && disk_.failing_writes--) return failure(ErrorCode::io_error, "writing " + name_);
      for (const auto& part : parts) {
        if (offset + part.size() > file_->now.size()) file_->now.resize(offset + part.size());
        std::memcpy(file_->now.data() + offset, part.data(), part.size());
        for (auto at = offset; at < offset + part.size(); at += kSectorBytes - at % kSectorBytes) {
          file_->dirty.insert(at / kSectorBytes);
        }
        offset += part.size();
      }
      return {};
    }
    Result<void> sync() override {
      ++disk_.syncs;
      if (auto done = disk_.count("syncing"); !done) return done;
      disk_.log.push_back("sync " + name_);
      if (disk_.unfinished_syncs > 0 && disk_.unfinished_syncs--)
        return failure(ErrorCode::io_error, "syncing " + name_);
      if (disk_.failing_syncs > 0 && disk_.failing_syncs--) {
        file_->dirty.clear();  // as Linux does: the pages count as clean, and the disk has not got them
        return failure(ErrorCode::io_error, "syncing " + name_);
      }
      if (file_->synced.size() != file_->now.size()) file_->synced.resize(file_->now.size());
      for (const auto sector : file_->dirty) {
        const auto begin = sector * kSectorBytes;
        const auto count = std::min(kSectorBytes, file_->now.size() - begin);
        std::memcpy(file_->synced.data() + begin, file_->now.data() + begin, count);
      }
      file_->dirty.clear();
      return {};
    }
    Result<void> preallocate(std::uint64_t bytes) override {
      if (auto done = disk_.count("allocating"); !done) return done;
      if (bytes > file_->now.size() && disk_.used() + bytes - file_->now.size() > disk_.capacity)
        return failure(ErrorCode::disk_full, "allocating " + name_ + ": no space");
      if (file_->now.size() < bytes) file_->now.resize(bytes);
      return {};
    }
    Result<std::uint64_t> size() override {
      if (auto done = disk_.count("asking the size"); !done) return std::unexpected(done.error());
      return file_->now.size();
    }

   private:
    MemoryDisk& disk_;
    const std::string name_;
    const std::shared_ptr<File> file_;
  };

  Names names_;
  Names durable_names_;
  std::vector<Change> pending_;
};

}  // namespace folkmoot::test
