// Waiting messages in about two bytes each, for the middle of a long mailbox: what one entry has in common with the one
// before it is left out. Memory only, never on disk: what is unpacked was packed by the same program.
//
//   packed = entry*                       the first one as if an empty one came before it
//   entry  = control, [key], [place], [bytes], [rest]
//     control   a bit for each part that follows
//     key       varint: more than the key before, if that is not 1
//     place     varint, zigzag: how much its distance from the place before differs from the distance before that
//     bytes     varint
//     rest      u16 deliveries, u8 priority, u16 flags
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "engine/entry.hpp"

namespace folkmoot {

class PackedEntries {
 public:
  PackedEntries() = default;
  /// Requires: keys grow.
  explicit PackedEntries(std::span<const Entry> entries) {
    std::vector<std::uint8_t> scratch(entries.size() * kEntryBytesMax);
    auto* at = scratch.data();
    Before before;
    for (const auto& entry : entries) {
      auto* const control = at++;
      *control = 0;
      if (entry.key != before.entry.key + 1) {
        *control |= kKey;
        at = put(at, entry.key - before.entry.key);
      }
      const auto distance = entry.place().lsn - before.entry.place().lsn;
      if (distance != before.distance) {
        *control |= kPlace;
        at = put(at, zigzag(distance - before.distance));
      }
      if (entry.place().bytes != before.entry.place().bytes) {
        *control |= kBytes;
        at = put(at, entry.place().bytes);
      }
      if (rest_of(entry) != rest_of(before.entry)) {
        *control |= kRest;
        const auto rest = rest_of(entry);
        std::memcpy(at, &rest, kRestBytes);
        at += kRestBytes;
      }
      before = {entry, distance};
    }
    const auto bytes = static_cast<std::size_t>(at - scratch.data());
    bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
    std::copy(scratch.data(), at, bytes_.get());
  }

  bool empty() const { return bytes_ == nullptr; }

  /// Requires: as many as were packed, or fewer: the first of them.
  void unpack(std::span<Entry> out) const {
    const auto* at = bytes_.get();
    Before before;
    for (auto& entry : out) {
      const auto control = *at++;
      const auto key = before.entry.key + (control & kKey ? take(at) : 1);
      const auto distance = before.distance + (control & kPlace ? unzigzag(take(at)) : 0);
      const FactPlace place{before.entry.place().lsn + distance,
                            control & kBytes ? static_cast<std::uint32_t>(take(at)) : before.entry.place().bytes};
      entry = Entry(key, place, before.entry.priority, before.entry.flags);
      entry.deliveries = before.entry.deliveries;
      if (control & kRest) {
        std::uint64_t rest = 0;
        std::memcpy(&rest, at, kRestBytes);
        at += kRestBytes;
        entry.deliveries = static_cast<std::uint16_t>(rest);
        entry.priority = static_cast<Priority>(rest >> 16);
        entry.flags = static_cast<std::uint16_t>(rest >> 24);
      }
      before = {entry, distance};
    }
  }

 private:
  enum Control : std::uint8_t { kKey = 1, kPlace = 2, kBytes = 4, kRest = 8 };
  static constexpr std::size_t kRestBytes = 5;
  static constexpr std::size_t kEntryBytesMax = 1 + 10 + 10 + 5 + kRestBytes;
  struct Before {
    Entry entry{0, {}, 0, 0};
    std::uint64_t distance = 0;
  };

  static std::uint64_t rest_of(const Entry& entry) {
    return static_cast<std::uint64_t>(entry.deliveries) | std::uint64_t{entry.priority} << 16 |
           std::uint64_t{entry.flags} << 24;
  }
  // Differences wrap around: a place may be before the one before.
  static std::uint64_t zigzag(std::uint64_t value) { return value << 1 ^ (value >> 63 ? ~std::uint64_t{0} : 0); }
  static std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ (value & 1 ? ~std::uint64_t{0} : 0); }

  static std::uint8_t* put(std::uint8_t* at, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::uint8_t>(value | 0x80);
    *at++ = static_cast<std::uint8_t>(value);
    return at;
  }
  static std::uint64_t take(const std::uint8_t*& at) {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = *at++;
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
};

}  // namespace folkmoot
