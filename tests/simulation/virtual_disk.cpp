#include "simulation/virtual_disk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace folkmoot::simulation {

class VirtualDisk::File final : public DiskFile {
 public:
  File(VirtualDisk& disk, std::shared_ptr<Inode> inode, std::string name)
      : disk_(disk), inode_(std::move(inode)), name_(std::move(name)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    const auto& from = inode_->cached;
    if (offset >= from.size()) return 0;
    const auto bytes = std::min<std::size_t>(into.size(), from.size() - offset);
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(offset), bytes, into.begin());
    return bytes;
  }

  Result<void> write(std::uint64_t offset, std::span<const Bytes> parts) override {
    const bool power_fails = disk_.count();
    std::size_t bytes = 0;
    for (const auto& part : parts) bytes += part.size();
    if (disk_.faults.full) {
      if (offset + bytes > inode_->cached.size()) return disk_.refused("writing", name_);
      if (disk_.random_.percent(disk_.faults.write_refused_percent)) {
        // In the middle: a part of it is there.
        auto room = disk_.random_.below(bytes + 1);
        for (const auto& part : parts) {
          const auto taken = std::min<std::uint64_t>(room, part.size());
          disk_.write(*inode_, offset, part.first(taken));
          offset += taken;
          room -= taken;
        }
        return disk_.refused("writing", name_);
      }
    }
    for (const auto& part : parts) {
      disk_.write(*inode_, offset, part);
      offset += part.size();
    }
    disk_.finish(power_fails);
    return {};
  }

  Result<void> sync() override {
    const bool power_fails = disk_.count();
    const bool done = disk_.sync(*inode_);
    disk_.finish(power_fails);
    if (!done) return failure(ErrorCode::io_error, "syncing " + name_ + ": the disk failed");
    return {};
  }

  Result<void> preallocate(std::uint64_t bytes) override {
    const bool power_fails = disk_.count();
    if (disk_.faults.full && bytes > inode_->cached.size()) return disk_.refused("allocating", name_);
    if (bytes > inode_->cached.size()) disk_.resize(*inode_, bytes);
    disk_.finish(power_fails);
    return {};
  }

  Result<std::uint64_t> size() override { return inode_->cached.size(); }

 private:
  VirtualDisk& disk_;
  const std::shared_ptr<Inode> inode_;
  const std::string name_;
};

bool VirtualDisk::count() {
  if (++tally_.operations != power_fails_at_) return false;
  if (random_.one_in(2)) throw PowerLoss{};
  return true;
}

std::unexpected<Error> VirtualDisk::refused(std::string_view what, std::string_view name) {
  ++tally_.refusals;
  return failure(ErrorCode::disk_full, std::string(what) + " " + std::string(name) + ": no space left");
}

void VirtualDisk::resize(Inode& inode, std::uint64_t bytes) {
  inode.cached.resize(bytes);
  inode.sectors.resize(round_up(bytes, kSectorBytes) / kSectorBytes, Sector::clean);
  inode.size_dirty = true;
}

void VirtualDisk::write(Inode& inode, std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > inode.cached.size()) resize(inode, offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), inode.cached.begin() + static_cast<std::ptrdiff_t>(offset));
  for (auto at = offset / kSectorBytes; at <= (offset + bytes.size() - 1) / kSectorBytes; ++at)
    inode.sectors[at] = Sector::dirty;
}

bool VirtualDisk::sync(Inode& inode) {
  ++tally_.syncs;
  const bool fails = faults.sync_fails_one_in != 0 && random_.one_in(faults.sync_fails_one_in);
  tally_.sync_failures += fails;
  if (inode.size_dirty && !fails) {
    inode.durable.resize(inode.cached.size());
    inode.size_dirty = false;
  }
  for (std::size_t at = 0; at < inode.sectors.size(); ++at) {
    if (inode.sectors[at] != Sector::dirty) continue;
    const auto begin = at * kSectorBytes, end = std::min(begin + kSectorBytes, inode.cached.size());
    if (fails && (end > inode.durable.size() || random_.one_in(2))) {
      inode.sectors[at] = Sector::lost;
      continue;
    }
    std::copy(inode.cached.begin() + static_cast<std::ptrdiff_t>(begin),
              inode.cached.begin() + static_cast<std::ptrdiff_t>(end),
              inode.durable.begin() + static_cast<std::ptrdiff_t>(begin));
    inode.sectors[at] = Sector::clean;
  }
  return !fails;
}

// The power failed: every sector not synced is as it was, or as it was written.
void VirtualDisk::settle(Inode& inode) {
  if (inode.size_dirty && random_.one_in(2)) inode.durable.resize(inode.cached.size());
  const auto kept = static_cast<unsigned>(random_.below(101));  // some failures take nearly all, some nearly nothing
  for (std::size_t at = 0; at < inode.sectors.size(); ++at) {
    if (inode.sectors[at] == Sector::clean) continue;
    const auto begin = at * kSectorBytes, end = std::min(begin + kSectorBytes, inode.durable.size());
    if (begin >= end || inode.sectors[at] == Sector::lost || !random_.percent(kept)) {
      ++tally_.sectors_lost;
      continue;
    }
    ++tally_.sectors_kept;
    std::copy(inode.cached.begin() + static_cast<std::ptrdiff_t>(begin),
              inode.cached.begin() + static_cast<std::ptrdiff_t>(end),
              inode.durable.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  inode.cached = inode.durable;
  inode.sectors.assign(round_up(inode.cached.size(), kSectorBytes) / kSectorBytes, Sector::clean);
  inode.size_dirty = false;
}

void VirtualDisk::lose_power() {
  for (auto& change : changes_) {
    if (random_.one_in(2)) {
      ++tally_.names_lost;
      continue;
    }
    if (!change.removed.empty()) durable_names_.erase(change.removed);
    if (!change.added.empty()) durable_names_[change.added] = change.inode;
  }
  changes_.clear();
  names_ = durable_names_;
  for (auto& [name, inode] : names_) settle(*inode);
}

Harm VirtualDisk::spoil(std::string_view name, std::uint64_t offset, std::uint8_t bits) {
  const auto inode = names_.find(name)->second;
  const auto flip = [inode, offset, bits] {
    inode->cached[offset] ^= bits;
    if (offset < inode->durable.size()) inode->durable[offset] ^= bits;
  };
  flip();
  return {.what = fmt::format("byte {} of {} with {:x}", offset, name, bits),
          .undo = flip,
          .stands = [this, inode, file = std::string(name)] {
            const auto now = names_.find(file);
            return now != names_.end() && now->second == inode;
          }};
}

Harm VirtualDisk::shorten(std::string_view name, std::uint64_t bytes) {
  const auto inode = names_.find(name)->second;
  const auto before = *inode;
  inode->cached.resize(bytes);
  inode->durable.resize(std::min<std::uint64_t>(bytes, inode->durable.size()));
  inode->sectors.resize(round_up(bytes, kSectorBytes) / kSectorBytes);
  return {.what = fmt::format("{} ends at {}", name, bytes),
          .undo = [inode, before] { *inode = before; },
          .stands = [] { return true; }};
}

Harm VirtualDisk::hide(std::string_view name) {
  const auto found = names_.find(name);
  auto names = names_, durable_names = durable_names_;
  durable_names_.erase(found->first);
  names_.erase(found);
  return {.what = fmt::format("{} is gone", name),
          .undo =
              [this, names, durable_names] {
                names_ = names;
                durable_names_ = durable_names;
              },
          .stands = [] { return true; }};
}

std::uint64_t VirtualDisk::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, inode] : names_) bytes += inode->cached.size();
  return bytes;
}

Result<std::vector<std::string>> VirtualDisk::list() {
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

Result<std::unique_ptr<DiskFile>> VirtualDisk::open(std::string_view name, Open how) {
  const auto found = names_.find(name);
  if (how != Open::create_empty) {
    if (found == names_.end()) return failure(ErrorCode::io_error, "opening " + std::string(name) + ": no such file");
    return std::make_unique<File>(*this, found->second, std::string(name));
  }
  const bool power_fails = count();
  if (faults.full && random_.one_in(4)) return refused("making", name);
  auto inode = std::make_shared<Inode>();
  names_.insert_or_assign(std::string(name), inode);
  changes_.push_back({.removed = {}, .added = std::string(name), .inode = inode});
  finish(power_fails);
  return std::make_unique<File>(*this, std::move(inode), std::string(name));
}

Result<void> VirtualDisk::rename(std::string_view from, std::string_view to) {
  const bool power_fails = count();
  const auto found = names_.find(from);
  if (found == names_.end()) return failure(ErrorCode::io_error, "renaming " + std::string(from) + ": no such file");
  const auto inode = found->second;
  names_.erase(found);
  names_.insert_or_assign(std::string(to), inode);
  changes_.push_back({.removed = std::string(from), .added = std::string(to), .inode = inode});
  finish(power_fails);
  return {};
}

Result<void> VirtualDisk::remove(std::string_view name) {
  const bool power_fails = count();
  const auto found = names_.find(name);
  if (found == names_.end()) return failure(ErrorCode::io_error, "removing " + std::string(name) + ": no such file");
  names_.erase(found);
  changes_.push_back({.removed = std::string(name), .added = {}, .inode = {}});
  finish(power_fails);
  return {};
}

Result<void> VirtualDisk::sync_folder() {
  const bool power_fails = count();
  ++tally_.syncs;
  if (faults.sync_fails_one_in != 0 && random_.one_in(faults.sync_fails_one_in)) {
    ++tally_.sync_failures;
    finish(power_fails);
    return failure(ErrorCode::io_error, "syncing the folder: the disk failed");
  }
  durable_names_ = names_;
  changes_.clear();
  finish(power_fails);
  return {};
}

}  // namespace folkmoot::simulation
