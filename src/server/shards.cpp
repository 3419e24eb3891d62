#include "server/shards.hpp"

#include "base/siphash.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

std::uint32_t Shards::of(std::string_view mailbox) const {
  return static_cast<std::uint32_t>(siphash128({}, as_bytes(mailbox)).low % reactors.size());
}

void Shards::tell_of_content(const ContentRef& ref) {
  const std::lock_guard guard(lock_);
  auto& held = held_[ref.hash];
  held.size = ref.size;
  for (std::uint32_t shard = 1; shard < count(); ++shard) {
    held.shards |= 1u << shard;
    reactors[shard]->post_content(ref);
  }
}

void Shards::let_go_of_content(std::uint32_t shard, const ContentHash& hash) {
  const std::lock_guard guard(lock_);
  const auto known = held_.find(hash);
  if (known == held_.end()) return;
  known->second.shards &= ~(1u << shard);
  if (known->second.shards == 0) held_.erase(known);
}

std::optional<std::uint64_t> Shards::held_content(const ContentHash& hash) {
  const std::lock_guard guard(lock_);
  const auto known = held_.find(hash);
  return known == held_.end() ? std::nullopt : std::optional(known->second.size);
}

}  // namespace folkmoot
