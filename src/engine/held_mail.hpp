// Mail that waits in a mailbox for somebody else than its readers, as who moves it on sees it.
#pragma once

#include <functional>

#include "engine/ledger.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

class HeldMail {
 public:
  /// Messages that wait there and are due.
  virtual std::size_t ready(NameId mailbox) const = 0;

  enum class Moved : std::uint8_t {
    moved,
    nobody,   // `choose` found nobody
    no_room,  // in the log
  };
  /// The next message that is ready goes to the mailbox that `choose` says: accepted there and settled here in one
  /// group of facts, so that it is in one of them whatever happens. Requires: ready(mailbox) > 0, no group open.
  virtual Moved move_next(NameId mailbox, const std::function<NameId(const Routing&)>& choose) = 0;

  /// Who makes something else of mail.
  class Taker {
   public:
    /// What keep() will write of a message's content, at most.
    virtual Draft measure(Bytes content) = 0;
    /// Writes the facts of what was measured last, which is there still.
    virtual void keep() = 0;

   protected:
    ~Taker() = default;
  };
  /// The next message that is ready is what `taker` makes of it: kept there and settled here in one group of facts.
  /// Requires: ready(mailbox) > 0, no group open.
  virtual Moved take_next(NameId mailbox, Taker& taker) = 0;

 protected:
  ~HeldMail() = default;
};

}  // namespace folkmoot
