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
  /// Of a subscription; also for the connections to come.
  void set_filter(std::shared_ptr<Flow> flow, std::string filter, Completion<void> done);
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

  // Any thread: the only way in. Puts it before the strand, which takes all that has come in one drain().
  void enqueue(std::variant<Operation, Task> item);
  // The strand's alone, as all from here on that do not say otherwise. Takes what was put into the inbox, then pump()s.
  void drain();
  // Sends what waits, as far as window and write buffer have room; without a connection, and none coming, it fails all.
  void pump();
  // Requires: up, out of waiting_ already. It is in flight then, or done.
  void launch(Waiting waiting);
  // Any thread. Whether an operation may be sent, as far as the breaker of the address in use goes.
  bool passes_breaker(bool quiet);
  // Any thread. What an operation is refused with while the breaker of the address in use is open.
  Error breaker_open() const;
  void on_failure();
  void reject_waiting();
  void choose_address();
  // Tells its caller, on whatever thread this is. What a caller submits or cancels then comes by the inbox, later; only
  // open_again()'s ends its flow at once.
  static void finish(Operation& operation, Result<Answer> answer);
  // Ends all operations and flows. Requires: state_ is idle or closed, by which pump() ends what waits.
  void finish_all(const Error& error);
  // Takes it out of the counts that submit() looks at; for each that leaves waiting_, whichever way.
  void leave_waiting(const Operation& operation);

  // From connect() to close() or give_up(): one session after the other, with pauses between. Keeps the connection
  // alive.
  asio::awaitable<void> live();
  // One connection from its beginning to its end, which it returns; state_ says whether it ever came up.
  asio::awaitable<Error> session();
  // WELCOME came: flows are opened again before anything that waits is sent.
  void on_up(std::uint64_t frame_bytes_max);
  // What was in flight goes back to the front of waiting_, if it may be sent twice; the rest fails. Leases that came
  // and were not taken are gone with the connection: their deliveries are forgotten.
  void on_down(const Error& why);
  // No further attempt: idle, until somebody calls connect() again.
  void give_up(const Error& why);
  // Each once.
  void tell_connect_waiters(Result<void> result);

  // Called by the wire for each frame; its bytes live until this returns. An error ends the session: GOODBYE, or what
  // does not parse of WELCOME.
  Result<void> on_frame(const Frame& frame);
  // To the flow or the operation of its number. What nobody wants any more, or cannot be read, gives its lease back.
  void on_deliver(const Frame& frame);
  bool on_status(InFlight& waiter, Delivery& delivery);
  // A message that was handed out is wanted no more; may come before its delivery was taken.
  void on_withdrawn_frame(const Frame& frame);
  // Counts events that the server left out; the next delivery of the flow tells its taker.
  void on_lagged(const Frame& frame);
  // Ends the operation of its number, and lets what waits go on. Number 0 is no operation's: on_refusal().
  void on_answer(const Frame& frame);
  void on_refusal(const Frame& frame);
  // To whoever waits, else kept. Without credit the server does not know how much is kept: beyond the bound it counts
  // as missed. Requires: a delivery, no error.
  void give(Flow& flow, Result<Delivery>&& delivery);
  // A delivery left the flow: gives credit back, several at a time. Does not flush.
  void took(Flow& flow, const Delivery& delivery);
  // Whoever waits is told, and whoever comes. Does nothing a second time. The flow may be out of flows_ already.
  void end_flow(Flow& flow, const Error& why);
  // On a new connection, under the number it had. A refusal ends the flow.
  void open_again(const std::shared_ptr<Flow>& flow);
  // Past the window and the queue; does not flush.
  void send_now(std::string frame, std::uint32_t request);
  // To their mailboxes, at once. Does nothing without a connection, whose end gives them back.
  void give_back(std::vector<std::uint64_t> leases);
  // Calls on_tick() again and again while there is, or is to be, a connection.
  void arm_tick();
  // Times out what was not answered, pings a silent server, ends a connection or an attempt that stays silent.
  void on_tick();
  // A number that neither an operation in flight nor a flow has; never 0.
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
