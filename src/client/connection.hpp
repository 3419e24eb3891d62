// A client's session with a server, across as many sockets as it takes.
//
// Operations come in through submit(), from any thread, and are worked off on the strand in that order:
//
//   inbox_ --drain()--> waiting_ --pump(), within the window--> in_flight_ --answer or deadline--> on_answer
//                          ^                                        |
//                          +------ lost connection, `again` --------+
//
// Completions are posted to their executors, never run from inside, so nothing here is entered twice. A background
// coroutine (live) connects, reads until the connection is lost, pauses, and connects again; a tick looks for deadlines
// and silence.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "client/flow.hpp"
#include "client/server_breakers.hpp"
#include "client/wire.hpp"
#include "client/withdrawals.hpp"
#include "folkmoot/client.hpp"
#include "message/limits.hpp"

namespace folkmoot::detail {

/// The last frame of an answer, and the deliveries that came before it (RECEIVE, REQUEST).
struct Answer {
  Opcode opcode{};
  std::uint32_t request = 0;
  Bytes body;
  std::vector<Delivery> deliveries;
};

/// By which an operation can be found to be cancelled. Owned by the strand.
struct Ticket {
  std::uint32_t request = 0;  // 0: not sent (yet)
  bool given_up = false;      // before it came here
};

struct Operation {
  std::string frame;               // whole, but for its request number
  Milliseconds patience{0};        // how long the server was asked to wait
  bool again = false;              // may be sent a second time when its answer was lost
  bool counted = true;             // takes a place in the window
  bool quiet = false;              // no answer comes: done when it is in the write buffer
  bool settles = false;            // gives a lease back: a breaker has nothing to say about it
  bool request = false;            // a delivery is its answer
  bool sent = false;               // it was on its way when a connection was lost: the server may have done it
  StatusHandler on_status;         // for deliveries of type status before the answer
  std::shared_ptr<Ticket> ticket;  // none: it is not cancelled
  std::shared_ptr<Flow> flow;      // what it opens
  std::move_only_function<void(Result<Answer>)> on_answer;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(const asio::any_io_executor& executor, ClientOptions options);

  // From any thread.
  void connect(Completion<void> done);
  void close();
  void submit(Operation operation);
  /// Ends the operation with `cancelled`, and tells the server, if it was sent and not answered yet.
  void cancel(std::shared_ptr<Ticket> ticket);
  void next(std::shared_ptr<Flow> flow, Completion<Delivery> done);
  void cancel(std::shared_ptr<Flow> flow);

  const asio::any_io_executor& executor() const { return executor_; }
  /// Where statuses are told, one after the other, and then the end of their request.
  const Strand& statuses() const { return statuses_; }
  const ClientOptions& options() const { return options_; }
  bool is_up() const { return up_; }
  std::uint64_t refused() const { return refused_; }
  ClientMetrics metrics() const;
  /// What the server takes in a message; before it has said so, what servers take that nobody configured.
  std::size_t content_bytes_max() const { return content_bytes_max_; }

  // Set before connect().
  std::function<void(const Error&)> on_refused;
  std::function<void(const Withdrawal&)> on_withdrawn;
  ServerBreakers breakers;
  std::mutex handlers_lock;
  std::map<std::string, Client::Handler> handlers;  // guarded by handlers_lock

 private:
  using Clock = std::chrono::steady_clock;
  using Task = std::move_only_function<void()>;
  enum class State { idle, connecting, up, closed };

  struct Waiting {
    Operation operation;
    Clock::time_point deadline;
    std::uint64_t order;
  };
  struct InFlight {
    Waiting waiting;
    std::vector<Delivery> deliveries;
  };

  void enqueue(std::variant<Operation, Task> item);
  void drain();
  void pump();
  void launch(Waiting waiting);
  bool passes_breaker(bool quiet);
  Error breaker_open() const;
  void on_failure();
  void reject_waiting();
  void choose_address();
  static void finish(Operation& operation, Result<Answer> answer);
  void finish_all(const Error& error);
  void leave_waiting(const Operation& operation);

  asio::awaitable<void> live();
  asio::awaitable<Error> session();
  void on_up(std::uint64_t frame_bytes_max);
  void on_down(const Error& why);
  void give_up(const Error& why);
  void tell_connect_waiters(Result<void> result);

  Result<void> on_frame(const Frame& frame);
  void on_deliver(const Frame& frame);
  bool on_status(InFlight& waiter, Delivery& delivery);
  void on_withdrawn_frame(const Frame& frame);
  void on_lagged(const Frame& frame);
  void on_answer(const Frame& frame);
  void on_refusal(const Frame& frame);
  void give(Flow& flow, Result<Delivery>&& delivery);
  void took(Flow& flow, const Delivery& delivery);
  void end_flow(Flow& flow, const Error& why);
  void open_again(const std::shared_ptr<Flow>& flow);
  void send_now(std::string frame, std::uint32_t request);
  void give_back(std::vector<std::uint64_t> leases);
  void arm_tick();
  void on_tick();
  std::uint32_t next_request();

  const ClientOptions options_;
  const asio::any_io_executor executor_;
  Strand strand_;
  const Strand statuses_;

  std::mutex inbox_lock_;
  std::vector<std::variant<Operation, Task>> inbox_;                // guarded by inbox_lock_
  bool drain_posted_ = false;                                       // guarded by inbox_lock_
  std::atomic<std::size_t> waiting_count_ = 0, waiting_bytes_ = 0;  // in inbox_ and waiting_
  std::atomic<bool> up_ = false;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> connections_ = 0;
  std::atomic<std::size_t> content_bytes_max_ = kContentBytesDefault;
  std::atomic<std::size_t> address_ = 0;  // the one in use, of the breakers' addresses
  const std::shared_ptr<Withdrawals> withdrawals_ = std::make_shared<Withdrawals>();

  // All below: the strand's.
  State state_ = State::idle;
  bool was_up_ = false;
  Error down_why_{ErrorCode::not_connected, "connect() was not called"};
  std::vector<Completion<void>> connect_waiters_;
  std::shared_ptr<Wire> wire_;
  std::size_t frame_bytes_max_ = 0;
  std::deque<Waiting> waiting_;
  std::unordered_map<std::uint32_t, InFlight> in_flight_;
  std::size_t counted_ = 0;  // of in_flight_
  std::map<std::uint32_t, std::shared_ptr<Flow>> flows_;
  std::uint32_t last_request_ = 0;
  std::uint64_t last_order_ = 0;
  asio::steady_timer pause_, tick_;
  Clock::time_point last_pinged_{}, attempt_deadline_{};
  bool failed_ = false;  // a failure was told to the breaker, which has not closed since
  Clock::time_point ticked_at_{};
  bool was_late_ = false;         // the last tick
  bool silent_ = false;           // the connection was given up for want of a sign of life
  bool lost_in_silence_ = false;  // the last connection was
  std::minstd_rand random_;
};

}  // namespace folkmoot::detail
