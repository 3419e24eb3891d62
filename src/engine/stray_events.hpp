// Who keeps events that another shard has decided, and that have come into the mailbox kStreamsMailbox.
#pragma once

#include "engine/ids.hpp"

namespace folkmoot {

class StrayEvents {
 public:
  /// Some are ready there.
  virtual void on_mail(NameId mailbox) = 0;

 protected:
  ~StrayEvents() = default;
};

}  // namespace folkmoot
