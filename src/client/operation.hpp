// How an operation is made of a frame and of what reads its answer.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "client/connection.hpp"

namespace folkmoot::detail {

/// The operation `frame`, whose answer `read(Answer&)` turns into a Result<T>.
template <class T, class Read>
Operation operation_of(std::string frame, Completion<T> done, Read read) {
  Operation operation;
  operation.frame = std::move(frame);
  operation.on_answer = [done = std::move(done), read = std::move(read)](Result<Answer> answer) mutable {
    if (!answer) return done(std::unexpected(std::move(answer.error())));
    done(read(*answer));
  };
  return operation;
}

/// One that the server answers after `patience` at the latest, and that takes no place in the window meanwhile.
inline Operation long_wait(Operation operation, Milliseconds patience) {
  operation.patience = std::max(patience, Milliseconds(0));
  operation.counted = false;
  return operation;
}

inline Result<void> nothing(Answer&) { return {}; }

/// Sends a request that ends with `ticket`. Errors: as encode_envelope; they come through `done`.
void submit_request(const std::shared_ptr<Connection>& connection, Message&& message, Milliseconds timeout,
                    StatusHandler on_status, std::shared_ptr<Ticket> ticket, Completion<Message> done);

}  // namespace folkmoot::detail
