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

#include "message/limits.hpp"
#include "server/link.hpp"

namespace folkmoot {

struct GatewayOptions {
  int threads = 1;
  std::size_t connections_max = 16'384;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 8 * 1024 * 1024;
  std::size_t frame_bytes_max = 8 * 1024 * 1024;      // of one WebSocket message
  std::uint64_t content_bytes_max = kStoredBytesMax;  // of one that is stored by reference
  std::uint64_t content_pace_bytes = 4 * 1024;        // a second, on average, that one must come at
  /// For a connection to send the header of a request, and on a WebSocket to be welcome: as HELLO has at the native
  /// door.
  std::chrono::milliseconds hello_timeout{10'000};
  std::chrono::milliseconds read_timeout{30'000};   // for a request's body or a message, and for taking an answer
  std::chrono::milliseconds idle_timeout{120'000};  // between requests; a silent WebSocket is pinged, then closed
  std::chrono::milliseconds stop_timeout{3'000};    // how long stop() lets running requests finish
  /// Connections of strangers, who have shown no token yet (if one is needed), and bytes of requests and messages that
  /// are not whole, or not answered: by address and in all.
  std::size_t strangers_max = 2'048;
  std::size_t strangers_by_address_max = 1'024;
  std::size_t unfinished_bytes_max = 128 * 1024 * 1024;
  std::size_t unfinished_bytes_by_address_max = 64 * 1024 * 1024;
  /// Origins that pages in browsers may come from beside the server's own; "*" is any. None by default: whatever page
  /// somebody looks at could otherwise read and write a bus on loopback.
  std::vector<std::string> cors_origins = {};
  /// Names that clients may call the server by, beside localhost and the address that a connection came in at; "*" is
  /// any. A page could otherwise reach a server on loopback under a name of its own, whose address it has changed (DNS
  /// rebinding): to the browser that is the page's own server.
  std::vector<std::string> hosts = {};
  std::size_t metrics_mailboxes_max = 100;  // told of one by one in /metrics: those with the most messages
  std::string software = "folkmoot";        // the Server header
};

class Gateway : public Door {
 public:
  /// `hub` must outlive the gateway.
  Gateway(Hub& hub, const GatewayOptions& options);
  ~Gateway() override;

  void start();
  /// Refuses new connections and lets running requests finish; returns at once. May be called twice.
  void close();
  /// close(), then waits until everything has ended (cut off after stop_timeout). May be called twice.
  void stop();

  /// From now on as they say, but for the threads: for requests that begin after it, and new WebSockets. Any thread.
  void change(const GatewayOptions& options);

  /// Owns the socket from here on, also when it refuses it. Any thread; never blocks.
  void take_over(Arrival arrival) override;
  std::uint64_t faults() const override;

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace folkmoot
