// Waiting for who reads this program's output, or writes its input, ends when it is told to stop: a read or write that
// was begun would not, as signals go to a thread of their own (session.hpp).
#pragma once

#include "folkmoot/error.hpp"

namespace folkmoot::cli {

/// Until `file` is ready for `events` (of poll()). Errors: cancelled, after stop_waiting(), if it is not ready then;
/// io_error.
Result<void> wait_for(int file, short events);

/// Any thread; it cannot be taken back.
void stop_waiting();

}  // namespace folkmoot::cli
