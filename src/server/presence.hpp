// Who is connected to this shard, as the registry in the first shard is to know it: the first connection under a name
// that comes, and the last one that goes. And what that knows and the other shards need.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/registry/registry.hpp"
#include "server/link.hpp"

namespace folkmoot {

class Shards;

class Presence {
 public:
  /// `registry`: this shard's.
  explicit Presence(Registry& registry) : registry_(registry) {}
  /// It is one of several shards.
  void join(Shards& shards, ShardNumber own);

  /// A connection that gave no name, or is of another shard, counts for nobody.
  void came(std::string_view agent, DoorKind door);
  void went(std::string_view agent, DoorKind door);
  /// By the first shard: how busy an agent says it is, for the routes of the others.
  void tell_load(std::string_view agent, double load);

 private:
  static bool counts(std::string_view agent, DoorKind door) {
    return !agent.empty() && door != DoorKind::remote && door != DoorKind::shard;
  }
  void tell(std::string_view agent, bool is_there);

  Registry& registry_;
  Shards* shards_ = nullptr;
  ShardNumber own_ = 0;
  boost::unordered_flat_map<std::string, std::uint32_t> connections_;
};

}  // namespace folkmoot
