// Bytes of connections into and out of their sockets: as they are, or through TLS. A read takes once from the socket
// and a write puts in what it takes, either way; what TLS holds back is kept by its session, never here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/connection.hpp"
#include "server/net.hpp"

namespace folkmoot {

class SocketBytes {
 public:
  explicit SocketBytes(Net& net) : net_(net) {}

  /// As Net::receive(). Of one with TLS there may be more, without the socket being readable: has_more().
  std::ptrdiff_t receive(Connection& connection, std::span<std::uint8_t> into) {
    return connection.tls ? receive_secured(connection, into) : net_.receive(connection.socket, into);
  }
  static bool has_more(const Connection& connection) { return connection.tls && connection.tls->has_input(); }
  /// If so, and it is read, it is among take_heard_again(), once.
  void hear_again(Connection& connection) {
    if (!has_more(connection) || connection.state == Connection::State::ending || !connection.is_read()) [[likely]]
      return;
    if (!std::exchange(connection.is_heard_again, true)) heard_again_.push_back(connection.id);
  }
  bool has_heard_again() const { return !heard_again_.empty(); }
  /// Whoever has one of them heard takes its mark off (Connection::is_heard_again).
  std::vector<SessionId> take_heard_again() { return std::exchange(heard_again_, {}); }

  /// As Net::send(). Of one with TLS what was taken may be unsent still: Connection::has_unsent().
  std::ptrdiff_t send(Connection& connection, std::span<const Bytes> parts) {
    return connection.tls ? send_secured(connection, parts) : net_.send(connection.socket, parts);
  }
  /// What TLS made before goes out, as far as the socket takes it. False: the connection has broken.
  bool flush(Connection& connection);
  /// The peer is to see the end of what was sent.
  void end_sending(Connection& connection);

 private:
  std::ptrdiff_t receive_secured(Connection& connection, std::span<std::uint8_t> into);
  std::ptrdiff_t send_secured(Connection& connection, std::span<const Bytes> parts);

  Net& net_;
  // Of all connections, one after the other; not there before one speaks TLS.
  std::unique_ptr<std::uint8_t[]> in_;
  std::string out_;
  std::vector<SessionId> heard_again_;
};

}  // namespace folkmoot
