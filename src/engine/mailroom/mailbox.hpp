// A mailbox: where each of its messages stands, and who takes them.
//
//   pending    accepted, not yet durable
//   ready      in a lane, to be handed out: by priority, then as Lane says
//   scheduled  not before a time
//   leased     handed out, not settled
//   blocked    behind another of its group
//   dead       given up, with the reason: with the dead letters (Graveyard)
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "engine/effects.hpp"
#include "engine/mailroom/lane.hpp"
#include "engine/mailroom/slab_ring.hpp"
#include "engine/options.hpp"

namespace folkmoot {

struct MailboxConsumer {
  SessionId session = 0;
  RequestNumber request = 0;
  NameId mailbox = 0;
  std::uint32_t credit = 0;
  std::uint32_t serial = 0;  // slots are used again
  RingLinks links{};         // of Mailbox::consumers_ready
  std::uint64_t turn = 0;    // number of the last hand-out to it
};

/// A RECEIVE that waits for messages, or a WAIT.
struct Waiter {
  SessionId session = 0;
  RequestNumber request = 0;
  NameId mailbox = 0;
  std::uint32_t max = 0;  // messages; 0 for WAIT
  RingLinks links{};      // of Mailbox::waiters
  Duration lease_ms = 0;  // 0: the lease lives with the connection
  Instant deadline = 0;
  std::uint64_t serial = 0;  // tells this use of the slot from others
};

/// Of a mailbox that has limits of its own.
struct OwnLimits {
  MailboxLimits limits;  // in force: the server's among them
  FactPlace place;
  std::uint8_t own = kOwnAll;  // MailboxSetting
};

constexpr Duration kReadNotedMs{60'000};  // so much a crash may make of when a mailbox was last read
constexpr Instant kNeverNoted = kNoTime - kReadNotedMs;

struct Mailbox {
  explicit Mailbox(NameId name_id) : number(name_id) {}

  NameId number;  // of the name whose mailbox it is
  std::uint32_t pending = 0;
  std::uint32_t ready = 0;
  std::uint32_t scheduled = 0;
  std::uint32_t leased = 0;
  std::uint32_t blocked = 0;
  Slot lease_head = kNoSlot;
  std::uint32_t consumers = 0;
  SlabRing<MailboxConsumer> consumers_ready;  // with credit and a connection that takes more; they take turns
  SlabRing<Waiter> waiters;                   // first come first served
  std::uint32_t promised = 0;                 // messages that room was found for, and that come within the same command
  std::uint16_t lanes_in_use = 0;             // bit per lane that is not empty
  bool is_dirty = false;                      // listed for dispatch
  bool is_misplaced = false;                  // of another shard: what comes here is carried on
  bool is_held = false;                       // of an address, or of streams: what comes here is moved on
  bool is_stuck = false;                      // listed for another try: its next message could not go out
  bool is_watched = false;                    // an agent is woken by it (MailWatcher)
  Instant last_read = kNoTime;                // kNoTime: never
  Instant read_noted = kNeverNoted;           // the last_read that the log was to be told last
  Instant read_said = kNoTime;                // ... and was
  Lsn read_lsn = 0;                           // of the fact that says so; 0: none
  std::array<std::unique_ptr<Lane>, kLanes> lanes;
  std::unique_ptr<OwnLimits> own_limits;

  std::uint64_t load() const { return unread() + leased; }
  std::uint64_t unread() const { return std::uint64_t{pending} + ready + scheduled + blocked; }

  Lane& lane(unsigned index) {
    if (!lanes[index]) lanes[index] = std::make_unique<Lane>();
    return *lanes[index];
  }
  Lane* lane_of(Priority priority) { return lanes[priority - 1u].get(); }

  void push(NameId sender, const Entry& entry) {
    lane(entry.priority - 1u).push(sender, entry);
    entered(entry.priority);
  }

  /// The next message to hand out. Requires: ready > 0.
  QueuedMessage pop() {
    const auto index = static_cast<unsigned>(__builtin_ctz(lanes_in_use));
    const auto message = lanes[index]->pop();
    left(index);
    return message;
  }

  std::optional<QueuedMessage> take(NameId sender, unsigned index, MessageKey key) {
    if (index >= kLanes || !lanes[index]) return std::nullopt;
    auto message = lanes[index]->take(sender, key);
    if (message) left(index);
    return message;
  }

 private:
  // After each change of a lane, so that dispatch finds the first one that is not empty without looking.
  void entered(Priority priority) {
    ++ready;
    lanes_in_use = static_cast<std::uint16_t>(lanes_in_use | 1u << (priority - 1));
  }
  void left(unsigned index) {
    --ready;
    if (lanes[index]->empty()) lanes_in_use = static_cast<std::uint16_t>(lanes_in_use & ~(1u << index));
  }
};

}  // namespace folkmoot
