// The shards of one server: engines with a journal and a reactor each, which share a listening port and divide the
// mailboxes among themselves by a hash of their names. What they have in common, and nothing else, is here; every
// function may be called from any thread.
//
//   shard_router.hpp     a client's frames, to the shard that each concerns
//   shard_merge.hpp  one answer out of several shards'
//   shard_links.hpp     what shards say to each other: events, and messages that came up in the wrong one
#pragma once

#include <atomic>
#include <barrier>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.hpp"
#include "engine/stream.hpp"
#include "folkmoot/content.hpp"
#include "server/access_board.hpp"
#include "server/alerts.hpp"

namespace folkmoot {

class Reactor;

class Shards {
 public:
  explicit Shards(std::uint32_t count) : reactors(count), stopping(count) {}

  std::uint32_t count() const { return static_cast<std::uint32_t>(reactors.size()); }
  /// One above the last.
  ShardNumber end() const { return ShardNumber{count()}; }
  /// Whose turn it is, of those that are taken one after the other.
  ShardNumber in_turn(std::uint32_t turn) const { return ShardNumber{turn % count()}; }
  /// Whose mailbox this is. Never changes: messages stand in journals by it.
  ShardNumber of(std::string_view mailbox) const;

  // Contents: the first shard stores them, and removes one when no shard holds it. A shard holds what its engine knows
  // as stored.

  /// The first shard has stored it, or was asked for it: all others hold it, and know before anything that is said to
  /// them from now on.
  void tell_of_content(const ContentRef& ref);
  /// This shard holds it from now on, if it is stored: its size.
  std::optional<std::uint64_t> hold_content(ShardNumber shard, const ContentHash& hash);
  /// No message of this shard refers to it any more.
  void let_go_of_content(ShardNumber shard, const ContentHash& hash);
  /// The first shard wants to remove it. True: no other holds it, and none can from now on.
  bool remove_content(const ContentHash& hash);

  // Streams: the first shard keeps them, so events that one of them takes are published there, or go there when another
  // has decided them. A stream that is set is known here before that is confirmed.

  /// What they take from now on.
  void tell_of_streams(std::vector<StreamInterest> interests);
  /// Changes with what they take; 0: there never was one.
  std::uint64_t streams_version() const { return streams_version_.load(std::memory_order_acquire); }
  std::vector<StreamInterest> stream_interests();

  /// Accounts are the first shard's; what is in force is known to all.
  AccessBoard& access() { return access_; }
  AlertBoard& alerts() { return alerts_; }

  std::vector<Reactor*> reactors;
  /// When the server stops, all have carried out what they had read before any takes the others' answers, and all have
  /// taken them before any says farewell.
  std::barrier<> stopping;

 private:
  std::mutex lock_;
  struct Stored {
    std::uint64_t size = 0;
    std::uint32_t holders = 0;  // a bit for each shard but the first
  };
  std::map<ContentHash, Stored> contents_;        // guarded by lock_
  std::vector<StreamInterest> stream_interests_;  // guarded by lock_
  std::atomic<std::uint64_t> streams_version_ = 0;
  AccessBoard access_;
  AlertBoard alerts_;
};

}  // namespace folkmoot
