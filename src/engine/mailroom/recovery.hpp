// Recovery of the mailroom's facts, and compaction: those that still matter, again.
#pragma once

#include "engine/mailroom/publishing.hpp"

namespace folkmoot {

class Recovery {
 public:
  Recovery(const MailroomPorts& ports, Shelves& shelves, Dispatch& dispatch, Publishing& publishing)
      : to_(ports), shelves_(shelves), dispatch_(dispatch), publishing_(publishing) {}

  Result<void> enter(const Fact& fact);
  bool keep(const Fact& fact);

 private:
  // A message's record as it stands now, for its copy.
  struct Standing {
    Entry* entry = nullptr;                // if it waits, is leased or dead
    waiting::Accepted* pending = nullptr;  // else, if it waits for the disk
    DeadLetter* letter = nullptr;          // if it is dead
    bool is_at(FactPlace place) const {
      return entry != nullptr ? entry->place() == place : pending != nullptr && pending->place == place;
    }
    // That it died had no room; without a fact of it the next run would not know when.
    bool is_unsaid() const { return letter != nullptr && letter->place.lsn == 0; }
  };

  // Recovery, one a kind: as Part::enter() says.
  Result<void> enter_accepted(const Fact& fact);
  Result<void> enter_settled(const Fact& fact);
  // What is said of a message that is known. Facts about others were overtaken: their messages are gone, or come as
  // copies that say where they stand.
  Result<void> enter_returned(const Fact& fact);
  Result<void> enter_attempt(const Fact& fact);
  Result<void> enter_dead(const Fact& fact);
  Result<void> enter_purged(const Fact& fact);
  Result<void> enter_key(const Fact& fact);
  Result<void> enter_configured(const Fact& fact);
  Result<void> enter_deleted(const Fact& fact);
  Result<void> enter_read(const Fact& fact);
  // True if the message is known already: its record is now the copy at `place`.
  bool enter_copy(Mailbox& mailbox, const MessageRef& ref, const AcceptedFact& fact, FactPlace place);
  // One that was to be delivered at a later time is not one of its group before that; having been handed out, it is.
  void come_back(Mailbox& mailbox, const QueuedMessage& message, Instant not_before);
  // Into the dead letters, with the fact that says so. Requires: it is out of its lane already.
  void die(Mailbox& mailbox, const QueuedMessage& message, DeadReason reason, Instant at, FactPlace place);

  // Compaction, one a kind: as Part::keep() says. A message's record takes all that was said of it along.
  bool keep_message(const Fact& fact);
  Standing find(AcceptedFact& fact, const Fact& record);
  // All that the group of a message's copy comes to, its history included.
  Draft measure_copy(const Standing& standing, const Fact& record, MessageKey key);
  void copy_history(const Standing& standing, const AcceptedFact& fact);
  void copy(FactKind kind, FactPlace& place);
  bool keep_attempt(const Fact& fact);
  bool keep_death(const Fact& fact);
  bool keep_key(const Fact& fact);
  bool keep_limits(const Fact& fact);
  bool keep_read(const Fact& fact);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Dispatch& dispatch_;
  Publishing& publishing_;
  MessageKey newest_ = 0;  // that was recovered
};

}  // namespace folkmoot
