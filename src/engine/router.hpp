// Who finds a recipient for a message that names none.
#pragma once

#include "engine/prepared.hpp"

namespace folkmoot {

class Router {
 public:
  /// Gives the message a recipient; where no route fits, the mailbox of lost ones, dead. Errors: no_recipient (there is
  /// no route), and those of the changed envelope.
  virtual Result<void> find_route(Prepared& prepared) = 0;

 protected:
  ~Router() = default;
};

}  // namespace folkmoot
