// A running server: the data folder, the journal and its thread, the engine in its reactor, the listening sockets.
#pragma once

#include <memory>

#include "base/error.hpp"
#include "server/link.hpp"
#include "server/options.hpp"

namespace folkmoot {

class Server {
 public:
  /// Takes the data folder, recovers what it holds and opens the sockets. Errors: in_use, damaged, io_error, disk_full,
  /// not_permitted (an address other than loopback without a token).
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options);
  ~Server();

  /// Where other doors connect, and who takes HTTP connections over (before run(); must outlive it).
  Hub& hub();
  void set_http_door(Door* door);

  /// The port that was taken; the path of the Unix socket ("" if there is none).
  std::uint16_t port() const;
  const std::string& unix_socket() const;
  const RecoveryReport& recovered() const;

  /// Serves until request_stop(). Errors are fatal: the journal could not keep its promise.
  Result<void> run();
  /// Any thread, and signal handlers.
  void request_stop();

 private:
  Server();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace folkmoot
