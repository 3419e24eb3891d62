// What a client's connection has in other shards: links that carry its frames there, each a connection of its own to
// that shard.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/link.hpp"
#include "server/shard_merge.hpp"

namespace folkmoot {

/// Request numbers from here on are the server's own: for what is asked of several shards at once.
constexpr RequestNumber kOwnRequests{0xFFFF0000};
/// Key of HELLO between shards: the ConnectionId of the client.
constexpr std::uint64_t kRemoteConnection = 100;
/// Likewise: whether it acts for its agent alone (Accounts::bind).
constexpr std::uint64_t kRemoteBound = 101;
/// Likewise: what its messages say of it (Connection::provenance).
constexpr std::uint64_t kRemoteProvenance = 102;

// A client's; there from HELLO to the end of its session.
struct RemoteSessions {
  struct Remote {
    std::shared_ptr<Link> link;  // null: nothing was asked there yet
    std::string unsent;          // frames for it, handed over at the end of the turn
  };

  struct Subscription {
    std::string pattern;
    bool begun = false;  // the engine has it; before, it waits for other shards
  };

  std::string agent;
  std::vector<Remote> remotes;                                  // by shard; empty until the first is needed
  std::map<RequestNumber, std::unique_ptr<ShardMerge>> merges;  // by own number
  RequestNumber next_merge = kOwnRequests;
  std::map<RequestNumber, Subscription> subscriptions;  // by request number
  bool is_listed = false;                               // has something unsent
  bool is_behind = false;                               // has not taken what the links hold: it reads too slowly
};

}  // namespace folkmoot
