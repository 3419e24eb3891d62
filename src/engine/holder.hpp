// Who has a message, or has settled it.
#pragma once

#include "engine/effects.hpp"

namespace folkmoot {

struct Holder {
  ConnectionId connection = 0;  // 0: nobody
  SessionId session = 0;        // of that connection, if it is bound to it, or was handed it without a lease
  NameId agent = 0;             // name id; 0: none was named
  NameId mailbox = 0;           // name id; where it was taken from
  LeaseToken lease = 0;         // 0: it has none, or not any more
  bool bound = false;           // to that connection
};

}  // namespace folkmoot
