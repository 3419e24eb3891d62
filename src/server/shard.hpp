// One shard of a server: an engine in its reactor, its journal, and who works on its files. What it stands on (disks, a
// network, a clock, chance) is given to it, so that a run without sockets, threads and clocks of its own can have one.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "server/reactor.hpp"

namespace folkmoot {

/// All must outlive the shard.
struct ShardGround {
  Disk& journal;
  Disk& contents;
  Disk* streams = nullptr;  // of the first shard alone
  std::unique_ptr<Net> net;
  Clock clock{};
  std::uint64_t seed = 0;                          // of what this run makes up
  std::vector<StreamInterest> stream_interests{};  // of the first shard's streams, for another
  /// The three that work on files are driven by hand, by their work().
  bool is_without_threads = false;
};

struct Shard {
  std::unique_ptr<Journal> journal;
  std::unique_ptr<JournalThread> journal_thread;
  std::unique_ptr<ContentThread> content_thread;
  std::unique_ptr<StreamThread> stream_thread;  // of the first, as streams are its
  std::unique_ptr<Reactor> reactor;
  std::thread thread;  // of all but the first, which is the one that calls Server::run()
  Result<void> result;

  /// Recovers what its disks hold. `contents`: what the first shard stores; it adds to them, the others know them.
  /// Errors: damaged, io_error, disk_full.
  Result<RecoveryReport> open(const ServerOptions& options, ShardGround ground, std::vector<ContentRef>& contents,
                              FrameRoom& frame_room, Backup& backup, Readiness& readiness);
  /// After the reactor's farewell: what is left is written, and the files are closed. `result` says what came of it.
  void close();

 private:
  Result<void> open_contents(const ShardGround& ground, std::vector<ContentRef>& found);
  Result<void> open_streams(const ShardGround& ground);
};

}  // namespace folkmoot
