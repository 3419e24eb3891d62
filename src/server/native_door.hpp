// The native door on threads of its own (`native.threads`): they move bytes between sockets and links, so that the reactor's thread is
// left with what a message means. Without them (the default) the reactor serves native sockets itself, which costs less in all and
// is sooner.
//
//   reactor --- take_over(socket) ---> a pump --- bytes as they come ---> link ---> reactor
//                                      a pump <--- frames --------------- link <--- reactor
//
// A pump knows nothing of frames: what a client may say, and how large it may be, is decided where all links are read.
#pragma once

#include <memory>
#include <vector>

#include "base/error.hpp"
#include "server/link.hpp"

namespace folkmoot {

class NativeDoor final : public Door {
 public:
  /// Starts the threads. Errors: io_error, when the system has no descriptors left.
  static Result<std::unique_ptr<NativeDoor>> start(std::size_t threads, Hub& hub);
  ~NativeDoor() override;

  void take_over(int socket, std::string first, bool is_unix) override;
  /// After the reactor's last turn: what links still hold is written, for at most `drain_ms`; then the threads are gone.
  void stop(std::int64_t drain_ms);

 private:
  class Pump;
  NativeDoor() = default;

  std::vector<std::unique_ptr<Pump>> pumps_;
  std::size_t next_ = 0;
};

}  // namespace folkmoot
