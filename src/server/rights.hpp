// Who asks, and whether they may: the one place where that is decided, whatever door it came by.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "engine/effects.hpp"
#include "folkmoot/describe.hpp"
#include "server/link.hpp"

namespace folkmoot {

struct Caller {
  SessionId session = 0;
  std::string_view agent{};  // empty: none was named. Lives as long as the session
  DoorKind door = DoorKind::native;
};

/// Whether the caller may do what has that right. Until there are accounts, everybody may do everything.
/// Errors: not_permitted.
inline Result<void> check_right(const Caller&, Right) { return {}; }

}  // namespace folkmoot
