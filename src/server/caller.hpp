// Who asks. Whether they may was asked where the frame came in (credentials.hpp).
#pragma once

#include <string_view>

#include "engine/effects.hpp"
#include "server/link.hpp"

namespace folkmoot {

struct Caller {
  SessionId session = 0;
  std::string_view agent{};  // empty: none was named. Lives as long as the session
  DoorKind door = DoorKind::native;
};

}  // namespace folkmoot
