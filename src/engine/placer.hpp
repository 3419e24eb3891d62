// Who finds an agent for a message that is addressed to what an agent can do (capability_address.hpp).
#pragma once

#include "engine/prepared.hpp"

namespace folkmoot {

class Placer {
 public:
  /// Gives the message the agent that it goes to. It stays as it is if there is none that can take it, or others wait
  /// before it: then it is kept in the mailbox of its address. Errors: invalid_name (it is no such address), and those
  /// of the changed envelope.
  virtual Result<void> place(Prepared& prepared) = 0;
  /// Mail is ready in the mailbox of an address.
  virtual void on_held(NameId address) = 0;

 protected:
  ~Placer() = default;
};

}  // namespace folkmoot
