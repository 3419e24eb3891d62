// TLS handshakes, on a thread of their own: what they cost of arithmetic is not the engine's time, and what strangers
// hold of memory has a bound. A socket comes here as soon as its first bytes are TLS, and goes back to the first shard
// when the handshake is done, with its session; it is like any other from there on.
//
//   reactor --- take_over(socket) ---> thread: handshakes ---> done(socket, session) ---> reactor
//
// At most login.connections at a time, and login.per_address of one address: for one more the oldest is closed. Each
// has login.timeout.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/connections.hpp"
#include "server/net.hpp"
#include "server/newcomers.hpp"
#include "server/rare_line.hpp"

namespace folkmoot {

class TlsDoor final : public Door {
 public:
  /// `done` is called on the door's thread, and owns the socket then. Errors: io_error.
  static Result<std::unique_ptr<TlsDoor>> make(const LoginOptions& bounds, std::function<void(Arrival)> done);
  ~TlsDoor() override;

  void start();
  /// Handshakes that are under way are cut. May be called twice.
  void stop();

  // -- any thread
  /// For handshakes that begin from here on; null: none is begun.
  void change(const LoginOptions& bounds, std::shared_ptr<const TlsContext> context);
  void take_over(Arrival arrival) override;
  std::uint64_t faults() const override { return failed_count_; }

  struct Counters {
    std::uint64_t done = 0, failed = 0;
    std::size_t under_way = 0;
  };
  Counters counters() const { return {done_count_, failed_count_, under_way_}; }

 private:
  struct Handshake;
  TlsDoor(std::unique_ptr<Net> net, const LoginOptions& bounds, std::function<void(Arrival)> done);

  void run();
  void take_news();
  void begin(Arrival arrival);
  void on_event(const Net::Event& event);
  void go_on(Handshake& handshake, Bytes fresh);
  bool flush(Handshake& handshake);
  void finish(Handshake& handshake);
  void fail(Handshake& handshake, std::string_view why);
  void drop(SessionId id);
  void look_at_deadlines(std::int64_t now);
  std::int64_t wait_ms() const;

  const std::unique_ptr<Net> net_;
  const std::function<void(Arrival)> done_;
  std::thread thread_;
  std::atomic<bool> stop_requested_ = false;
  std::atomic<std::uint64_t> done_count_ = 0, failed_count_ = 0;
  std::atomic<std::size_t> under_way_ = 0;

  std::mutex lock_;
  std::vector<Arrival> arrivals_;                   // guarded by lock_
  LoginOptions next_bounds_;                        // guarded by lock_
  std::shared_ptr<const TlsContext> next_context_;  // guarded by lock_

  // The thread's.
  LoginOptions bounds_;
  std::shared_ptr<const TlsContext> context_;
  Newcomers newcomers_;
  std::list<std::unique_ptr<Handshake>> handshakes_;  // oldest first
  boost::unordered_flat_map<SessionId, std::list<std::unique_ptr<Handshake>>::iterator> by_id_;
  std::uint64_t next_id_ = 1;
  std::vector<std::uint8_t> in_;
  RareLine failed_line_, displaced_line_;
};

}  // namespace folkmoot
