// Mailboxes, as requests see them, which may wait there in memory alone.
#pragma once

#include <optional>

#include "base/error.hpp"
#include "engine/commands.hpp"
#include "engine/holder.hpp"

namespace folkmoot {

class Inbox {
 public:
  /// The number of a mailbox, which is made if there is none. Errors: invalid_name, limit_reached.
  virtual Result<NameId> mailbox_named(std::string_view name) = 0;
  /// Whether somebody would take a message there at once.
  virtual bool is_waited_at(NameId mailbox) = 0;
  /// Errors: mailbox_full.
  virtual Result<void> check_space(NameId mailbox) = 0;

  /// A message that is in memory alone, in TransientStore at `stored`.
  struct Transient {
    MessageKey key = 0;
    NameId mailbox = 0;
    NameId sender = 0;
    Slot stored = 0;
    std::uint32_t bytes = 0;
    Priority priority = normal;
    Instant expires_at = 0;
    bool refers = false;  // its content is stored by reference
    bool traced = false;
  };
  virtual void enter(const Transient& message) = 0;

  /// Who has the message under a lease.
  virtual std::optional<Holder> holder_of(MessageKey key) = 0;
  /// Where a message that is leased wants answers. Requires: holder_of(key).
  virtual std::string answers_of(MessageKey key) = 0;
  /// Takes a message that nobody has yet out for good, if it is there.
  virtual void withdraw(NameId mailbox, MessageKey key) = 0;

 protected:
  ~Inbox() = default;
};

}  // namespace folkmoot
