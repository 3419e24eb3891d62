#include "server/presence.hpp"

#include "server/reactor.hpp"
#include "server/shards.hpp"

namespace folkmoot {

void Presence::join(Shards& shards, ShardNumber own) {
  shards_ = &shards;
  own_ = own;
}

void Presence::came(std::string_view agent, DoorKind door) {
  if (counts(agent, door) && ++connections_[std::string(agent)] == 1) tell(agent, true);
}

void Presence::went(std::string_view agent, DoorKind door) {
  const auto found = counts(agent, door) ? connections_.find(std::string(agent)) : connections_.end();
  if (found == connections_.end() || --found->second > 0) return;
  connections_.erase(found);
  tell(agent, false);
}

void Presence::tell(std::string_view agent, bool is_there) {
  if (own_ != 0) return shards_->reactors[0]->postbox().post_presence(agent, is_there);
  is_there ? registry_.came(agent) : registry_.went(agent);
}

void Presence::tell_load(std::string_view agent, double load) {
  for (ShardNumber shard{1}; shards_ != nullptr && shard < shards_->end(); ++shard)
    shards_->reactors[shard.value]->postbox().post_load(agent, load);
}

}  // namespace folkmoot
