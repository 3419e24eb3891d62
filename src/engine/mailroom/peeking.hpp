// What stands in a mailbox, looked at message by message. Nothing is changed by it, and nothing counts as read.
//
//   waiting    ready in a lane
//   blocked    behind another of its group
//   scheduled  not before a time: delayed, or waiting for its next attempt
//   leased     in somebody's hands
//
// A page is found without an index of its own: each queue is in order already, so that the first few of all of them
// are those of each that are smaller than the largest kept so far. The timers say what is scheduled.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/mailroom/dispatch.hpp"

namespace folkmoot {

class Peeking {
 public:
  Peeking(const MailroomPorts& ports, Shelves& shelves, Dispatch& dispatch)
      : to_(ports), shelves_(shelves), dispatch_(dispatch) {}

  /// Calls `each` for the messages of a mailbox in the order of their keys, from the one behind `after` on, until it
  /// returns false. False if there is no such mailbox. `at_once`: so many are looked for in one go, 1 or more; if far
  /// fewer are wanted, that is what they cost. Cost of each go: O(queues of the mailbox + all timers + its leases).
  bool each(std::string_view name, MessageKey after, std::size_t at_once,
            const std::function<bool(const PeekView&)>& each);
  /// One message, wherever it stands; nothing if it stands nowhere. Its views are valid until the next look at the log.
  std::optional<PeekView> one(const Uuid& id);
  /// Its oldest message that is waiting, blocked or leased: when it came; 0 if there is none.
  Instant oldest(const Mailbox& mailbox) const;
  /// The first `limit` messages that nobody has, behind `after`.
  std::vector<MessageKey> waiting(const Mailbox& mailbox, MessageKey after, std::size_t limit) const;

 private:
  // A message of the mailbox, wherever it stands.
  struct Found {
    Entry entry;
    PeekState state{};
    Slot lease = kNoSlot;
    Instant due = 0;
    bool operator<(const Found& other) const { return entry.key < other.entry.key; }
  };
  class Page;

  // The first `limit` by key behind `after`, whatever state they are in. Copies: handing out invalidates nothing.
  std::vector<Found> find(const Mailbox& mailbox, MessageKey after, std::size_t limit, bool with_leased) const;
  // Reads the log: its views are valid until the next read.
  PeekView view_of(const Mailbox& mailbox, const Found& found);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Dispatch& dispatch_;
};

}  // namespace folkmoot
