#include "server/shards.hpp"

#include "base/siphash.hpp"
#include "engine/capability_address.hpp"
#include "engine/names.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

ShardNumber Shards::of(std::string_view mailbox) const {
  if (is_capability_address(mailbox) || mailbox == kStreamsMailbox) return 0;  // where the registry is, and streams are
  return ShardNumber{static_cast<std::uint32_t>(siphash128({}, as_bytes(mailbox)).low % reactors.size())};
}

void Shards::tell_of_content(const ContentRef& ref) {
  const std::lock_guard guard(lock_);
  auto& stored = contents_[ref.hash];
  stored.size = ref.size;
  for (ShardNumber shard{1}; shard < end(); ++shard) {
    stored.holders |= 1u << shard.value;
    reactors[shard.value]->postbox().post_content(ref.hash);
  }
}

std::optional<std::uint64_t> Shards::hold_content(ShardNumber shard, const ContentHash& hash) {
  const std::lock_guard guard(lock_);
  const auto stored = contents_.find(hash);
  if (stored == contents_.end()) return std::nullopt;
  if (shard != 0) stored->second.holders |= 1u << shard.value;
  return stored->second.size;
}

void Shards::let_go_of_content(ShardNumber shard, const ContentHash& hash) {
  const std::lock_guard guard(lock_);
  if (const auto stored = contents_.find(hash); stored != contents_.end())
    stored->second.holders &= ~(1u << shard.value);
}

bool Shards::remove_content(const ContentHash& hash) {
  const std::lock_guard guard(lock_);
  const auto stored = contents_.find(hash);
  if (stored == contents_.end()) return true;
  if (stored->second.holders != 0) return false;
  contents_.erase(stored);
  return true;
}

void Shards::tell_of_streams(std::vector<StreamInterest> interests) {
  const std::lock_guard guard(lock_);
  stream_interests_ = std::move(interests);
  streams_version_.fetch_add(1, std::memory_order_release);
}

std::vector<StreamInterest> Shards::stream_interests() {
  const std::lock_guard guard(lock_);
  return stream_interests_;
}

}  // namespace folkmoot
