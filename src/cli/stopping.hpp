// Waiting for who reads this program's output, or writes its input, ends when it is told to stop: a read or write that
// was begun would not, as signals go to a thread of their own (session.hpp).
#pragma once

#include "folkmoot/error.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot::cli {

/// Until `file` is ready for `events` (of poll()). Errors: cancelled, after stop_waiting(), if it is not ready then;
/// io_error.
Result<void> wait_for(int file, short events);

/// So long; false, and sooner, after stop_waiting().
bool rest(Milliseconds time);

/// Any thread; it cannot be taken back.
void stop_waiting();

}  // namespace folkmoot::cli
