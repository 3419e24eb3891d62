// The backup that is being taken, if one is: what the shards of a server have in common of it. Every function may be
// called from any thread.
//
//   quieting   each shard lets what its shovel has under way come to its end, and carries nothing on
//   standing   when all have, each comes here between two turns, holds its journal, says where that ends, and stands
//              still until the last one has
//   settling   until all before those ends is durable
//   open       it is read (backup_reader.hpp); each shard lets go of what was
//
// So the ends are of one moment of the whole server. Nothing that was decided after one of them can be known before
// another; a message that is carried from shard to shard is in one of them, and not on its way; and whatever was
// confirmed when the backup was asked for is in it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/uuid.hpp"
#include "engine/fact_log.hpp"

namespace folkmoot {

class Backup {
 public:
  enum class Phase : std::uint8_t { none, quieting, standing, settling, open };
  static constexpr std::int64_t kStandMsMax = 1'000;   // that a shard stands still for the others
  static constexpr std::int64_t kBeginMsMax = 10'000;  // from the question until it is open
  static constexpr std::int64_t kLookMs = 100;         // between two looks at the above

  struct Journal {
    Lsn begin = 0, end = 0;
    std::uint64_t segment_bytes = 0;
    Lsn copied = 0;  // what stands before was read
    bool is_quiet = false, is_here = false, is_durable = false;
  };

  /// `wake_all`: has every shard take a turn.
  Backup(std::uint32_t shards, std::function<void()> wake_all) : wake_all_(std::move(wake_all)), journals_(shards) {}

  Phase phase() const { return phase_.load(std::memory_order_acquire); }

  // -- each shard's
  void quiet(ShardNumber shard);
  /// Stands still until all are here. False: it was given up.
  bool meet(ShardNumber shard, Lsn begin, Lsn end, std::uint64_t segment_bytes);
  void durable(ShardNumber shard);
  /// What of its journal was read.
  Lsn copied(ShardNumber shard);
  /// It ends, and whoever asks for more of it is told why.
  void give_up(Error why);

  // -- the first shard's
  /// Its number. Errors: busy.
  Result<std::uint64_t> begin();
  std::vector<Journal> journals();
  /// What stands before `position` in the journal of that shard, and all of the shards before it, was read.
  void let_go(ShardNumber shard, Lsn position);
  /// Errors: not_found, or why it was given up.
  Result<void> check(std::uint64_t number);
  void end();

 private:
  void enter(Phase phase);
  bool all(bool Journal::* is) const;

  const std::function<void()> wake_all_;
  std::atomic<Phase> phase_ = Phase::none;
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<Journal> journals_;  // guarded by lock_, as are the next two
  std::uint64_t number_ = 0;       // of this one, or the last; 0: there was none
  std::optional<Error> why_;       // it was given up
};

}  // namespace folkmoot
