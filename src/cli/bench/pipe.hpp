// A blocking socket that speaks native frames, as thin as it can be: what is sent was built before, what comes is
// counted.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/options.hpp"
#include "message/frame.hpp"
#include "transport/tls_session.hpp"

namespace folkmoot::bench {

class Pipe {
 public:
  /// Connects and says HELLO. Throws Failure.
  Pipe(const std::string& address, const ClientTls& tls, const std::string& agent, const std::string& token);
  Pipe(Pipe&& other) noexcept;
  Pipe& operator=(Pipe&&) = delete;
  ~Pipe();

  void write(std::string_view frames);
  /// Waits until something came and calls `on_frame` for every whole frame. An ERROR or GOODBYE throws Failure.
  void read(const std::function<void(const Frame&)>& on_frame);
  /// Sends a frame and waits for the answer with its request number.
  void call(const std::string& frame);
  int fd() const { return fd_; }

 private:
  void secure(const std::string& host, const ClientTls& tls);
  void send(std::string_view bytes);
  std::size_t receive(std::span<std::uint8_t> into);

  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;  // null: plain
  std::vector<std::uint8_t> fresh_;  // of the network
  std::string sealed_;
  std::vector<std::uint8_t> in_;
  std::size_t held_ = 0;
};

}  // namespace folkmoot::bench
