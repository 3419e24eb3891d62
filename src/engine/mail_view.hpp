// What waits in mailboxes, as wakes see it: the mailroom tells of mailboxes that are watched, and of those alone.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "base/uuid.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

struct WaitingMail {
  std::uint64_t ready = 0;      // of the priorities asked for: may be taken now
  Priority first = 0;           // the highest of them; 0: nothing is ready
  std::uint64_t unread = 0;     // all that waits, for a time too
  Instant last_read = kNoTime;  // kNoTime: never
  bool is_attended = false;     // somebody consumes from it: its agent is awake
};

class MailView {
 public:
  /// `from`: messages of this priority and higher ones.
  virtual WaitingMail waiting(NameId mailbox, Priority from) = 0;
  /// When the oldest of them was accepted. Requires: one is ready.
  virtual Instant oldest(NameId mailbox, Priority from) = 0;
  /// Whether MailWatcher is told of it from now on.
  virtual void watch(NameId mailbox, bool is_watched) = 0;

 protected:
  ~MailView() = default;
};

class MailWatcher {
 public:
  /// Something has become ready in a mailbox that is watched, or whoever consumed from it is gone; those who wait there
  /// have had their turn.
  virtual void has_mail(NameId mailbox) = 0;

 protected:
  ~MailWatcher() = default;
};

}  // namespace folkmoot
