// The gateway: a small pool of threads that speaks HTTP and WebSocket, and native frames with the server behind it
// (docs/protocol.md, sections 11 to 13). It decides nothing about messages.
//
//   reactor --- take_over(socket) ---> pool: connection (http/) --- upgrade ---> session (websocket/)
//   reactor <== link: native frames ==> at most one for each connection, made when it is first needed
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/link.hpp"

namespace folkmoot {

struct GatewayOptions {
  int threads = 1;
  std::size_t connections_max = 16'384;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 8 * 1024 * 1024;
  std::size_t frame_bytes_max = 8 * 1024 * 1024;    // of one WebSocket message
  std::chrono::milliseconds read_timeout{30'000};   // for a request's header and body, and for writing its answer
  std::chrono::milliseconds idle_timeout{120'000};  // between requests; a silent WebSocket is pinged, then closed
  std::chrono::milliseconds stop_timeout{3'000};    // how long stop() lets running requests finish
  /// Origins that pages in browsers may come from beside the server's own; "*" is any. None by default: whatever page
  /// somebody looks at could otherwise read and write a bus on loopback.
  std::vector<std::string> cors_origins = {};
  /// Names that clients may call the server by, beside localhost and the address that a connection came in at; "*" is
  /// any. A page could otherwise reach a server on loopback under a name of its own, whose address it has changed (DNS
  /// rebinding): to the browser that is the page's own server.
  std::vector<std::string> hosts = {};
  std::string software = "folkmoot";  // the Server header
};

class Gateway : public Door {
 public:
  /// `hub` must outlive the gateway.
  Gateway(Hub& hub, GatewayOptions options);
  ~Gateway() override;

  void start();
  /// Refuses new connections and lets running requests finish; returns at once. May be called twice.
  void close();
  /// close(), then waits until everything has ended (cut off after stop_timeout). May be called twice.
  void stop();

  /// Owns `socket` from here on, also when it refuses it. Any thread; never blocks.
  void take_over(int socket, std::string first, bool is_unix) override;

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace folkmoot
