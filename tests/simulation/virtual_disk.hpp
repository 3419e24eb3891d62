// A disk in memory that does no more than disk.hpp promises. What it does to its user, area by area:
//
//   writes    those since the last sync survive a power failure sector by sector, or not, in any mix
//   names     creations, renames and removals since the last sync of the folder survive, or not, each alone
//   sync      may fail: what was to be synced may be on the disk or not, and a later sync does not bring it there
//             unless it is written again (the system counts its pages as clean)
//   room      allocations and creations are refused while the disk is full; some file systems refuse writes into
//             allocated room as well
//   power     goes at any chosen operation, before or after it was carried out: throws PowerLoss
//
// It damages what was synced only when it is told to: then it must be refused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "journal/disk.hpp"
#include "simulation/random.hpp"

namespace folkmoot::simulation {

/// The machine stops here. Nothing of the program's memory is looked at any more.
struct PowerLoss {};

struct DiskFaults {
  std::uint32_t sync_fails_one_in = 0;      // 0: never
  bool full = false;                        // no room for anything new
  std::uint32_t write_refused_percent = 0;  // of writes into allocated room while full (copy on write)
};

/// Damage that was done to a file on purpose.
struct Harm {
  std::string what;
  std::function<void()> undo;
  std::function<bool()> stands;  // the file is still there
};

struct DiskTally {
  std::uint64_t operations = 0, syncs = 0, sync_failures = 0, refusals = 0, sectors_lost = 0, sectors_kept = 0,
                names_lost = 0;
};

class VirtualDisk final : public Disk {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  explicit VirtualDisk(std::uint64_t seed) : random_(seed) {}

  Result<std::vector<std::string>> list() override;
  Result<std::unique_ptr<DiskFile>> open(std::string_view name, Open how) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync_folder() override;

  DiskFaults faults;
  /// Power fails at the n-th operation from now (1: the next).
  void fail_power_in(std::uint64_t operations) { power_fails_at_ = tally_.operations + operations; }
  void keep_power() { power_fails_at_ = 0; }

  /// What is left after a power failure. No file may be open.
  void lose_power();
  /// A byte of the file is another one, on the disk and in what the system keeps of it. Requires: it is in the file.
  Harm spoil(std::string_view name, std::uint64_t offset, std::uint8_t bits);
  /// The file ends there. Until undo() nobody may have it open.
  Harm shorten(std::string_view name, std::uint64_t bytes);
  /// The file is gone. The same.
  Harm hide(std::string_view name);
  /// The program ended, the machine goes on: the system's cache keeps what was written.
  void end_process() {}

  const DiskTally& tally() const { return tally_; }
  std::uint64_t bytes() const;

 private:
  class File;
  enum class Sector : std::uint8_t { clean, dirty, lost };  // lost: a failed sync took it for written
  struct Inode {
    std::vector<std::uint8_t> cached, durable;
    std::vector<Sector> sectors;
    bool size_dirty = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;
  struct NameChange {
    std::string removed;  // "": none
    std::string added;
    std::shared_ptr<Inode> inode;
  };

  /// Counts an operation; true if the power fails right after it.
  bool count();
  void finish(bool power_fails) const {
    if (power_fails) throw PowerLoss{};
  }
  void write(Inode& inode, std::uint64_t offset, Bytes bytes);
  void resize(Inode& inode, std::uint64_t bytes);
  bool sync(Inode& inode);
  void settle(Inode& inode);
  std::unexpected<Error> refused(std::string_view what, std::string_view name);

  Random random_;
  Names names_, durable_names_;
  std::vector<NameChange> changes_;  // since the last sync of the folder
  std::uint64_t power_fails_at_ = 0;
  DiskTally tally_;
};

}  // namespace folkmoot::simulation
