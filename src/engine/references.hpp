// Content by reference, as it is seen by what refers to it: messages and schedules.
#pragma once

#include "engine/commands.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

class References {
 public:
  /// Whether what the message refers to, if anything, is there. It is asked for by that: it stays until the message is
  /// accepted. Errors: not_found, invalid_field.
  Result<void> check(const IncomingMessage& message) {
    if (message.routing.content_ref.empty()) [[likely]]
      return {};
    return check_reference(message);
  }
  /// A message refers to it; drop() ends that. (Also a message whose content is missing: it was accepted once.)
  virtual void refer(MessageKey message, const ContentRef& ref) = 0;
  virtual void drop(MessageKey message) = 0;
  /// The same for what has no key: the result is for drop(), and lives until then.
  virtual const ContentHash* refer(const ContentRef& ref) = 0;
  virtual void drop(const ContentHash* hash) = 0;

 protected:
  ~References() = default;
  virtual Result<void> check_reference(const IncomingMessage& message) = 0;
};

}  // namespace folkmoot
