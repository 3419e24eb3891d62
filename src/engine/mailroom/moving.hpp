// Mail that is held in a mailbox for somebody else: in that of an address, on its way to the agent that it is for, and
// in that of streams, which are to keep it.
#pragma once

#include "engine/held_mail.hpp"
#include "engine/mailroom/publishing.hpp"

namespace folkmoot {

class Moving {
 public:
  Moving(const MailroomPorts& ports, Shelves& shelves, Publishing& publishing, Post& post)
      : to_(ports), shelves_(shelves), publishing_(publishing), post_(post) {}

  /// As HeldMail says.
  HeldMail::Moved move_next(NameId mailbox, const std::function<NameId(const Routing&)>& choose);
  HeldMail::Moved take_next(NameId mailbox, HeldMail::Taker& taker);

 private:
  // In one group of facts. False, and nothing has changed, if the log has no room.
  bool move(Mailbox& from, const QueuedMessage& message, Bytes bytes, NameId to);

  const MailroomPorts& to_;
  Shelves& shelves_;
  Publishing& publishing_;
  Post& post_;
};

}  // namespace folkmoot
