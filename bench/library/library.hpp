// One peer's client library, used as its documentation recommends for throughput: asynchronous or pipelined where it
// can be. The workloads (main.cpp) say how much is done and measure it; a Library does it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "load.hpp"

namespace folkmoot::bench {

/// Keeps the publisher of a topic at most a window ahead of its subscriber.
class Window {
 public:
  explicit Window(std::size_t messages);

  // The publisher's: how many messages it is to send now. `take` waits for room, and gives 0 once the window is closed;
  // `try_take` gives 0 when there is no room.
  std::uint64_t take();
  std::uint64_t try_take();
  /// Counts one message. The subscriber's.
  void count_received();

  void close();
  bool is_closed() const { return closed_; }
  std::uint64_t sent() const { return sent_; }  // with the publisher's thread, or when that has ended
  std::uint64_t received() const { return received_; }
  std::size_t messages() const { return messages_; }

 private:
  void ring();

  const std::size_t messages_;
  const std::uint64_t batch_;  // a bell for every message would cost more than the message
  std::uint64_t sent_ = 0;
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint32_t> bell_{0};
  std::atomic<bool> closed_{false};
};

class Library {
 public:
  Library() = default;
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  /// Ends its connections and threads.
  virtual ~Library() = default;

  // Topics. `subscribe` returns when the server has the subscription; messages are counted on a thread of the library's
  // or the subscriber's. `publish` goes on until the window is closed.
  virtual void subscribe(Window&) { unsupported("topics"); }
  virtual void publish(Window&) { unsupported("topics"); }

  // Requests. `respond` returns when the responder is there; it works on a thread of its own. `request` is one and its
  // answer.
  virtual void respond() { unsupported("requests"); }
  virtual void request() { unsupported("requests"); }

  // Durable queues. `publish_until` has at most `options.window` messages unconfirmed, returns when all are confirmed
  // and says how many these are. `consume` acknowledges each message by itself and returns when the server has
  // `expected` acknowledgements.
  virtual void make_queue() { unsupported("queues"); }
  virtual std::uint64_t publish_until(std::uint64_t) { unsupported("queues"); }
  virtual void consume(std::uint64_t) { unsupported("queues"); }

 private:
  [[noreturn]] static void unsupported(std::string_view what) {
    fail("this peer has no " + std::string(what) + " here");
  }
};

constexpr const char* kTopic = "bench.topic";
constexpr const char* kService = "bench.service";
constexpr const char* kQueue = "queue";
constexpr std::uint16_t kPrefetch = 1'000;

std::unique_ptr<Library> open_folkmoot_library(const Options& options);
std::unique_ptr<Library> open_nats_library(const Options& options);  // nats and jetstream
std::unique_ptr<Library> open_redis_library(const Options& options);
std::unique_ptr<Library> open_rabbitmq_library(const Options& options);

}  // namespace folkmoot::bench
