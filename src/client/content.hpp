// Contents that are too large for a message, as the operations see them (content.cpp).
#pragma once

#include <vector>

#include "client/operation.hpp"

namespace folkmoot::detail {

/// The operation `frame` as something to be awaited; `again`: it may be sent a second time when its answer was lost.
template <class T, class Read>
auto carry_out(std::shared_ptr<Connection> connection, std::string frame, Read read, bool again) {
  const auto executor = connection->executor();
  return initiate<T>(asio::use_awaitable, executor,
                     [connection = std::move(connection), frame = std::move(frame), read, again](Completion<T> done) mutable {
                       auto operation = operation_of(std::move(frame), std::move(done), read);
                       operation.again = again;
                       connection->submit(std::move(operation));
                     });
}

/// The size above which a content goes by reference: what the options say, and no more than the server takes in a message.
std::size_t reference_above(const Connection& connection);
bool is_large(const Message& message, std::size_t above);
/// Uploads the contents that are too large, and has their messages refer to them.
void store_contents(const std::shared_ptr<Connection>& connection, std::vector<Message> messages, Completion<std::vector<Message>> done);

}  // namespace folkmoot::detail
