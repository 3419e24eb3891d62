// UUIDv7 with the bits left free by RFC 9562 used to tell where a message is (section 6.2, method 1):
//
//   48 bits  Unix milliseconds                            \  together the MessageKey: orders all messages of a shard
//   12 + 8   counter within the millisecond               /
//   32 bits  number of the mailbox
//   22 bits  node tag, drawn when a data folder is made; its low 4 bits are the shard's number, if the server has
//   several
//
// So a receipt asked by id needs no index: the id itself names the mailbox and the message's place in it.
#pragma once

#include "base/strong.hpp"
#include "base/time.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot {

/// milliseconds << 20 | counter: unique and increasing within a shard.
using MessageKey = StrongPlace<struct MessageKeyTag>;

constexpr unsigned kKeyCounterBits = 20;
constexpr MessageKey make_key(Instant at, std::uint32_t counter) {
  return MessageKey{static_cast<std::uint64_t>(at.ms) << kKeyCounterBits | counter};
}
constexpr Instant key_time(MessageKey key) { return Instant{static_cast<std::int64_t>(key.value >> kKeyCounterBits)}; }

/// The number of a name: of an agent, of its mailbox. 0 is none.
using NameId = StrongPlace<struct NameIdTag, std::uint32_t>;

constexpr std::uint32_t kNodeMask = (1u << 22) - 1;

/// A server may have several engines, each with a part of the mailboxes: what an engine gives out (ids, leases, reply
/// addresses) carries the number of its shard in four bits.
using ShardNumber = StrongPlace<struct ShardNumberTag, std::uint32_t>;
constexpr unsigned kShardBits = 4;
constexpr std::uint32_t kShardsMax = 1u << kShardBits;
constexpr std::uint32_t kShardMask = kShardsMax - 1;
constexpr unsigned kShardShift = 64 - kShardBits;  // in leases and the numbers of reply addresses

struct MessageAddress {
  MessageKey key = 0;
  NameId mailbox = 0;      // 0: a message to a topic or a reply address
  std::uint32_t node = 0;  // 22 bits

  ShardNumber shard() const { return ShardNumber{node & kShardMask}; }
  bool operator==(const MessageAddress&) const = default;
};

inline Uuid make_uuid(const MessageAddress& address) {
  const auto ms = address.key.value >> kKeyCounterBits;
  const auto counter = static_cast<std::uint32_t>(address.key.value & ((1u << kKeyCounterBits) - 1));
  const std::uint64_t first = ms << 16 | 0x7000u | counter >> 8;
  const std::uint64_t second = std::uint64_t{2} << 62 | std::uint64_t{counter & 0xff} << 54 |
                               std::uint64_t{address.mailbox.value} << 22 | (address.node & kNodeMask);
  const std::uint64_t words[2] = {__builtin_bswap64(first), __builtin_bswap64(second)};
  Uuid id;
  __builtin_memcpy(id.bytes.data(), words, 16);
  return id;
}
/// Nothing unless `id` is a version 7 UUID. Any such id yields some address: the caller compares `node`.
std::optional<MessageAddress> message_address(const Uuid& id);

}  // namespace folkmoot
