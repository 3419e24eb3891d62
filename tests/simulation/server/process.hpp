// One life of the server's process after the other, on disks that stay: its shards as production builds them
// (server/shard.hpp), each turn and each piece of work on files done when the run says so. A crash throws everything
// away but what the disks have.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/backup.hpp"
#include "server/shard.hpp"
#include "server/shards.hpp"
#include "simulation/server/virtual_net.hpp"
#include "simulation/virtual_disk.hpp"

namespace folkmoot::simulation {

class Process {
 public:
  /// `pass`: time goes on by so much, and clients do what they do meanwhile (while the server waits for them).
  Process(const ServerOptions& options, std::uint64_t seed, Time& time, std::function<void(std::int64_t)> pass);
  ~Process();

  /// False: the disk failed meanwhile, and it did not come up. Throws PowerLoss.
  bool start();
  bool is_up() const { return up_; }
  /// It ends without a word. With `power` all that was not synced may be gone.
  void crash(bool power);
  /// As on SIGTERM. False: a disk failed. Throws PowerLoss.
  bool stop();

  std::size_t shards() const { return grounds_.size(); }
  /// Whether the shard would not sleep now.
  bool is_due(std::size_t shard) const { return lives_->nets[shard]->is_due(); }
  std::int64_t due() const;
  /// False: the shard's disk has failed, which ends the process. Throws PowerLoss.
  bool turn(std::size_t shard);
  bool has_work() const;
  /// One piece of work on files, of any shard. Throws PowerLoss.
  void work(std::size_t shard);
  void work_on_all();

  Wires& wires() { return wires_; }
  Reactor& reactor(std::size_t shard) { return *lives_->shards[shard].reactor; }
  std::vector<Reactor::Holdings> holdings() const;
  /// As long as they are not healed.
  void set_faults(const DiskFaults& faults);
  void fail_power_in(std::uint64_t operations, std::size_t shard);
  void keep_power();
  DiskTally disk() const;
  std::uint64_t turns() const { return turns_; }

 private:
  struct Ground {
    explicit Ground(std::uint64_t seed) : journal(seed), contents(seed + 1), streams(seed + 2) {}
    VirtualDisk journal, contents, streams;
  };
  // What is gone after a crash. Shards end before what they share.
  struct Lives {
    Lives(const ServerOptions& options, std::size_t shards);
    ~Lives();
    Readiness readiness;
    Shards ring;
    FrameRoom frame_room;
    Backup backup;
    std::vector<VirtualNet*> nets;
    std::deque<Shard> shards;
  };
  Result<RecoveryReport> open(std::size_t number, std::vector<ContentRef>& contents);
  void each_disk(const std::function<void(VirtualDisk&)>& each);

  ServerOptions options_;
  Random random_;
  Time& time_;
  const std::function<void(std::int64_t)> pass_;
  Wires wires_;
  std::deque<Ground> grounds_;
  std::unique_ptr<Lives> lives_;
  bool up_ = false;
  std::uint64_t turns_ = 0;
};

}  // namespace folkmoot::simulation
