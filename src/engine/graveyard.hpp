// Dead letters, as those see them whose messages die.
#pragma once

#include <string>

#include "engine/entry.hpp"
#include "engine/ledger.hpp"
#include "folkmoot/message.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

struct DeadLetter {
  QueuedMessage message;
  DeadReason reason{};
  Instant at = 0;
  FactPlace place;  // of its message_dead fact, which has the reason in words; lsn 0: none
};

/// A message of the server's own: that another is dead.
struct Notice {
  Message message;
  std::string envelope;
};

class Graveyard {
 public:
  /// A message is a dead letter from now on. Live and at recovery.
  virtual void enter(NameId mailbox, const DeadLetter& letter) = 0;
  /// It has just died: those who listen hear of it. `text`: why, in words.
  virtual void tell(NameId mailbox, const DeadLetter& letter, std::string_view text) = 0;
  /// Too many of a mailbox: the oldest go.
  virtual void bound(NameId mailbox) = 0;

  /// Null if there is none. The pointer lives until it is dropped.
  virtual DeadLetter* find(NameId mailbox, MessageKey key) = 0;
  /// Recovery: it is gone. Requires: find(mailbox, key).
  virtual void drop(NameId mailbox, MessageKey key) = 0;
  virtual std::size_t count(NameId mailbox) const = 0;
  /// Up to `limit` of a mailbox's go for good; what says so in the log is added to `noted`. How many they were.
  virtual std::size_t purge(NameId mailbox, std::size_t limit, Durable& noted) = 0;

  // -- what the sender of a dead message is told
  /// A message of type error, caused by the dead one, to where answers to it would go or to its sender's own mailbox.
  /// `routing`, `id`: the dead one's, as it was stamped.
  virtual Notice notice_of(const Routing& routing, const Uuid& id, std::uint32_t deliveries, DeadReason reason,
                           std::string_view text) const = 0;
  /// What post() will write of it.
  virtual Draft measure(const Notice& notice) const = 0;
  /// Into the group of facts that is open; `death`: the fact that it tells of. Bounces do not bounce, and displace no
  /// mail: where there is no room, the dead letter is all that tells.
  virtual void post(const Notice& notice, Durable death) = 0;

 protected:
  ~Graveyard() = default;
};

}  // namespace folkmoot
