// One connection that speaks a peer's protocol, as little as the workloads need. Frames are built once and written many
// times; what arrives is scanned for frame boundaries and counted, never decoded further than an acknowledgement needs.
//
// A scan is given all bytes that have arrived and not been used yet. It uses whole frames and says how many bytes those
// were and how many of the things it counts they held. The rest is handed to it again, with more behind it.
#pragma once

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load.hpp"

namespace folkmoot::bench {

struct Scan {
  std::size_t used = 0;
  std::uint64_t count = 0;
};

class Session {
 public:
  explicit Session(int fd) : fd_(fd) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() { ::close(fd_); }

  // Transient topics. `subscribe` returns when the server has the subscription.
  virtual void subscribe(const std::string& topic) { unsupported("topics", topic); }
  virtual void begin_publishing() {}
  virtual std::string publish_frame(const std::string& topic, const std::string&) { unsupported("topics", topic); }
  virtual Scan scan_messages(std::string_view) { unsupported("topics"); }

  // Requests. `scan_requests` appends to `out` what the responder must send; `scan_replies` counts answers.
  virtual void begin_responding(const std::string& service) { unsupported("requests", service); }
  virtual void begin_requesting() {}
  virtual std::string request_frame(const std::string& service, const std::string&) {
    unsupported("requests", service);
  }
  virtual Scan scan_requests(std::string_view, std::string&) { unsupported("requests"); }
  virtual Scan scan_replies(std::string_view) { unsupported("requests"); }

  // Durable queues. `scan_confirms` counts confirmed messages; `scan_deliveries` appends one acknowledgement a message.
  virtual void make_queue() { unsupported("queues"); }
  virtual std::string durable_frame(const std::string&) { unsupported("queues"); }
  virtual Scan scan_confirms(std::string_view) { unsupported("queues"); }
  virtual void begin_consuming(std::size_t prefetch, std::uint64_t expected, std::string&) {
    unsupported("queues", std::to_string(prefetch + expected));
  }
  virtual Scan scan_deliveries(std::string_view, std::string&) { unsupported("queues"); }
  /// Returns when the server counts nothing as unacknowledged, where the deliveries counted do not say so already.
  virtual void settle(std::uint64_t) {}

  // Streams: events that are kept and read again, confirmed as `scan_confirms` has it. `begin_replay` asks for them
  // from the first one on; `scan_replayed` counts them and appends what asks for more.
  virtual void make_stream() { unsupported("streams"); }
  virtual std::string event_frame(const std::string&) { unsupported("streams"); }
  virtual void begin_replay(std::uint64_t expected, std::string&) { unsupported("streams", std::to_string(expected)); }
  virtual Scan scan_replayed(std::string_view, std::string&) { unsupported("streams"); }

  // A consumer that waits for what will not come: a subscription of its own, or a mailbox.
  virtual void wait_idle(const std::string& name) { subscribe(name); }

  // How many messages wait in the queue, and whether one of them can be read now.
  virtual std::uint64_t count_waiting() { unsupported("queues"); }
  virtual bool read_one() { unsupported("queues"); }

  int fd() const { return fd_; }
  std::string tail;  // arrived and not used yet

 protected:
  /// Blocks until more has arrived behind `tail`.
  void fill_tail();
  void send(std::string_view bytes) { write_all(fd_, bytes); }
  [[noreturn]] void unsupported(std::string_view what, std::string_view detail = {});

 private:
  int fd_;
};

/// Reads for any number of sessions into one buffer.
class Receiver {
 public:
  /// One read of `session`; `scan` is a callable Scan(std::string_view). False when the other side closed.
  template <class Scanner>
  bool receive(Session& session, std::uint64_t& count, Scanner&& scan) {
    const std::size_t kept = session.tail.size();
    if (buffer_.size() < kept + kReadBytes) buffer_.resize(kept + kReadBytes);
    session.tail.copy(buffer_.data(), kept);
    const std::size_t got = read_some(session.fd(), buffer_.data() + kept, kReadBytes);
    if (got == 0) return false;
    const Scan done = scan(std::string_view(buffer_.data(), kept + got));
    session.tail.assign(buffer_.data() + done.used, kept + got - done.used);
    count += done.count;
    return true;
  }

 private:
  static constexpr std::size_t kReadBytes = 256 << 10;
  std::vector<char> buffer_;
};

/// Connects and greets; `name` is the agent's or client's, where the protocol has one.
/// Peers: nats, jetstream, redis, rabbitmq, folkmoot, folkmoot-http, folkmoot-ws.
std::unique_ptr<Session> open_session(const Options& options, const std::string& name);

std::unique_ptr<Session> open_nats(int fd, bool jetstream);
std::unique_ptr<Session> open_redis(int fd);
std::unique_ptr<Session> open_rabbitmq(int fd);
std::unique_ptr<Session> open_folkmoot(int fd, const std::string& agent, std::size_t content_bytes);
std::unique_ptr<Session> open_folkmoot_http(int fd);
std::unique_ptr<Session> open_folkmoot_websocket(int fd, const std::string& agent);

/// PUBLISH to the benchmarks' mailbox, as the native protocol has it.
std::string folkmoot_durable_frame(std::string_view content);

}  // namespace folkmoot::bench
