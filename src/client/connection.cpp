#include "client/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ranges>
#include <utility>

#include "client/codec.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot::detail {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
// Deadlines are there for servers that do not answer; servers keep the time-outs they were asked for themselves.
constexpr Milliseconds kTickMax{250};
constexpr std::size_t kKeptOutBytes = 4096;  // slack for the few frames that do not wait for room

bool is_final(ErrorCode code) {
  return code == ErrorCode::unauthorized || code == ErrorCode::unsupported_version || code == ErrorCode::invalid_field;
}

std::vector<std::string> addresses_of(const ClientOptions& options) {
  std::vector<std::string> all{options.address};
  if (options.while_open == WhileOpen::alternative) all.insert(all.end(), options.alternatives.begin(), options.alternatives.end());
  return all;
}

Error gave_up() { return {ErrorCode::cancelled, "the operation was cancelled"}; }

}  // namespace

Connection::Connection(const asio::any_io_executor& executor, ClientOptions options)
    : breakers(options.breaker, addresses_of(options)),
      options_(std::move(options)),
      executor_(executor),
      strand_(asio::make_strand(executor)),
      pause_(strand_),
      tick_(strand_),
      random_(std::random_device{}()) {}

// --- what comes in -----------------------------------------------------------------------------------------------------

void Connection::enqueue(std::variant<Operation, Task> item) {
  const std::lock_guard guard(inbox_lock_);
  inbox_.push_back(std::move(item));
  if (std::exchange(drain_posted_, true)) return;
  asio::post(strand_, [self = shared_from_this()] { self->drain(); });
}

void Connection::submit(Operation operation) {
  const auto count = waiting_count_.load(), bytes = waiting_bytes_.load();
  if (count >= options_.limits.waiting || (count > 0 && bytes + operation.frame.size() > options_.limits.pending_bytes)) {
    return finish(operation, failure(ErrorCode::busy, fmt::format("{} operations of {} bytes wait to be sent", count, bytes)));
  }
  if (!passes_breaker()) return finish(operation, std::unexpected(breaker_open()));
  waiting_count_ += 1;
  waiting_bytes_ += operation.frame.size();
  enqueue(std::move(operation));
}

void Connection::cancel(std::shared_ptr<Ticket> ticket) {
  enqueue(Task([this, ticket = std::move(ticket)] {
    if (const auto sent = in_flight_.find(ticket->request); sent != in_flight_.end()) {
      auto operation = std::move(sent->second.waiting.operation);
      in_flight_.erase(sent);
      counted_ -= operation.counted;
      append_cancel(wire_->out(), 0, std::exchange(ticket->request, 0));
      wire_->flush();
      return finish(operation, std::unexpected(gave_up()));
    }
    const auto waits = std::ranges::find(waiting_, ticket, [](const Waiting& waiting) { return waiting.operation.ticket; });
    if (waits == waiting_.end()) {
      ticket->given_up = true;
      return;
    }
    auto operation = std::move(waits->operation);
    waiting_.erase(waits);
    leave_waiting(operation);
    finish(operation, std::unexpected(gave_up()));
  }));
}

void Connection::drain() {
  std::vector<std::variant<Operation, Task>> items;
  {
    const std::lock_guard guard(inbox_lock_);
    items.swap(inbox_);
    drain_posted_ = false;
  }
  const auto now = Clock::now();
  for (auto& item : items) {
    if (auto* task = std::get_if<Task>(&item)) {
      (*task)();
      continue;
    }
    auto& operation = std::get<Operation>(item);
    auto deadline = now + operation.patience + options_.request_timeout;
    if (options_.while_open == WhileOpen::buffer && breakers.is_enabled()) deadline += options_.breaker.open_time;
    waiting_.push_back({std::move(operation), deadline, ++last_order_});
  }
  pump();
}

void Connection::pump() {
  if (state_ == State::idle || state_ == State::closed) {
    while (!waiting_.empty()) {
      auto operation = std::move(waiting_.front().operation);
      waiting_.pop_front();
      leave_waiting(operation);
      finish(operation, std::unexpected(down_why_));
    }
    return;
  }
  if (state_ != State::up) return;
  while (!waiting_.empty()) {
    const auto& first = waiting_.front().operation;
    const bool room = wire_->pending_bytes() == 0 || wire_->pending_bytes() + first.frame.size() <= options_.limits.pending_bytes;
    if (!room || (first.counted && counted_ >= options_.limits.in_flight)) break;
    auto waiting = std::move(waiting_.front());
    waiting_.pop_front();
    leave_waiting(waiting.operation);
    launch(std::move(waiting));
  }
  wire_->flush();
}

void Connection::leave_waiting(const Operation& operation) {
  waiting_bytes_ -= operation.frame.size();
  waiting_count_ -= 1;
}

void Connection::launch(Waiting waiting) {
  auto& operation = waiting.operation;
  if (operation.ticket && operation.ticket->given_up) return finish(operation, std::unexpected(gave_up()));
  if (operation.frame.size() > frame_bytes_max_) {
    return finish(operation, failure(ErrorCode::frame_too_large, fmt::format("a frame of {} bytes; the server takes {} at most",
                                                                             operation.frame.size(), frame_bytes_max_)));
  }
  if (operation.quiet) {
    wire_->out().append(operation.frame);
    return finish(operation, Answer{});
  }
  const auto request = next_request();
  if (operation.ticket) operation.ticket->request = request;
  codec::set_request(operation.frame, request);
  wire_->out().append(operation.frame);
  if (!operation.again) std::string().swap(operation.frame);
  if (operation.flow) {
    operation.flow->request = request;
    flows_[request] = operation.flow;
  }
  counted_ += operation.counted;
  in_flight_.emplace(request, InFlight{std::move(waiting), {}});
}

void Connection::finish(Operation& operation, Result<Answer> answer) {
  if (operation.on_answer) operation.on_answer(std::move(answer));
}

std::uint32_t Connection::next_request() {
  do {
    if (++last_request_ == 0) ++last_request_;  // 0 is for what is not answered
  } while (in_flight_.contains(last_request_) || flows_.contains(last_request_));
  return last_request_;
}

// --- the circuit breaker -----------------------------------------------------------------------------------------------

bool Connection::passes_breaker() {
  if (options_.while_open == WhileOpen::buffer || !breakers.is_enabled()) return true;
  if (breakers.allow(address_)) return true;
  if (options_.while_open != WhileOpen::alternative) return false;
  for (std::size_t i = 0; i < breakers.size(); ++i) {
    if (!breakers.is_open(i)) return true;
  }
  return false;
}

Error Connection::breaker_open() const {
  return {ErrorCode::connection_lost, fmt::format("the circuit breaker of {} is open after {} failures in a row; nothing was sent",
                                                  breakers.address(address_), options_.breaker.failures_to_open)};
}

// An attempt to connect failed, or an operation timed out.
void Connection::on_failure() {
  failed_ = true;
  breakers.failure(address_);
  if (!breakers.is_open(address_)) return;
  if (options_.while_open == WhileOpen::reject) reject_waiting();
  if (options_.while_open != WhileOpen::alternative) return;
  const bool elsewhere = std::ranges::any_of(std::views::iota(std::size_t{0}, breakers.size()), [this](auto i) { return !breakers.is_open(i); });
  if (!elsewhere) return reject_waiting();
  if (state_ == State::up) wire_->close();  // live() goes over to another address
}

// What was on its way when the connection was lost goes on waiting: nobody knows whether it was done.
void Connection::reject_waiting() {
  for (std::size_t left = waiting_.size(); left-- > 0;) {
    auto waiting = std::move(waiting_.front());
    waiting_.pop_front();
    if (waiting.operation.sent) {
      waiting_.push_back(std::move(waiting));
      continue;
    }
    leave_waiting(waiting.operation);
    finish(waiting.operation, std::unexpected(breaker_open()));
  }
}

// The first address that is not known to be down; if all are, the next one in turn.
void Connection::choose_address() {
  if (breakers.size() == 1 || !breakers.is_open(address_)) return;
  for (std::size_t i = 0; i < breakers.size(); ++i) {
    if (!breakers.is_open(i)) return address_.store(i);
  }
  address_.store((address_ + 1) % breakers.size());
}

ClientMetrics Connection::metrics() const {
  return {.connected = up_,
          .address = breakers.address(address_),
          .connections = connections_,
          .refused = refused_,
          .waiting = waiting_count_,
          .waiting_bytes = waiting_bytes_,
          .breakers = breakers.snapshot()};
}

// --- connecting --------------------------------------------------------------------------------------------------------

void Connection::connect(Completion<void> done) {
  enqueue(Task([this, done = std::move(done)]() mutable {
    if (state_ == State::up) return done({});
    if (state_ == State::closed) return done(std::unexpected(down_why_));
    if (auto good = ServerBreakers::check(options_.breaker); !good) return done(std::unexpected(std::move(good.error())));
    connect_waiters_.push_back(std::move(done));
    if (state_ == State::connecting) return;
    state_ = State::connecting;
    asio::co_spawn(strand_, [self = shared_from_this()] { return self->live(); }, asio::detached);
    arm_tick();
  }));
}

void Connection::close() {
  enqueue(Task([this] {
    if (state_ == State::closed) return;
    state_ = State::closed;
    up_ = false;
    down_why_ = {ErrorCode::cancelled, "the client was closed"};
    if (wire_) wire_->close();
    pause_.cancel();
    tick_.cancel();
    tell_connect_waiters(std::unexpected(down_why_));
    finish_all(down_why_);
  }));
}

asio::awaitable<void> Connection::live() {
  const auto self = shared_from_this();
  const auto patience_ends = Clock::now() + options_.patience;
  auto pause = std::max(options_.backoff_min, Milliseconds(1));
  was_up_ = false;
  while (state_ != State::closed) {
    choose_address();
    attempt_deadline_ = Clock::now() + options_.connect_timeout;
    const Error why = co_await session();
    if (state_ == State::closed) break;
    const bool came_up = state_ == State::up;
    if (came_up) {
      on_down(why);
      pause = std::max(options_.backoff_min, Milliseconds(1));
    }
    if ((!came_up || lost_in_silence_) && !is_final(why.code)) on_failure();
    const bool go_on = was_up_ ? options_.reconnect : Clock::now() < patience_ends;
    if (!go_on || is_final(why.code)) {
      give_up(why);
      break;
    }
    std::uniform_int_distribution<std::int64_t> jitter(pause.count() / 2, pause.count());
    pause_.expires_after(Milliseconds(jitter(random_)));
    pause = std::min(pause * 2, std::max(options_.backoff_max, options_.backoff_min));
    co_await pause_.async_wait(kAwait);
  }
}

asio::awaitable<Error> Connection::session() {
  auto address = parse_address(breakers.address(address_));
  if (!address) co_return address.error();
  auto wire = std::make_shared<Wire>(strand_);
  wire_ = wire;
  auto connected = co_await wire->connect(std::move(*address));
  if (!connected) co_return connected.error();
  wire->on_written([this] { pump(); });
  wire->out() = codec::hello(options_);
  wire->flush();
  Error why = co_await wire->read([this](const Frame& frame) { return on_frame(frame); });
  wire->close();
  lost_in_silence_ = std::exchange(silent_, false);
  if (lost_in_silence_) {
    why = {ErrorCode::connection_lost, fmt::format("the server gave no sign of life for {} ms", 3 * options_.heartbeat.count())};
  }
  co_return why;
}

void Connection::on_up(std::uint64_t frame_bytes_max) {
  state_ = State::up;
  up_ = was_up_ = true;
  failed_ = false;
  ++connections_;
  breakers.reset(address_);
  frame_bytes_max_ = std::clamp<std::uint64_t>(frame_bytes_max, kHelloBytesMax, UINT32_MAX);
  // What is delivered may be larger than what was sent by the fields that the server puts in front.
  wire_->set_frame_bytes_max(frame_bytes_max_ + kKeptOutBytes);
  for (const auto& [request, flow] : flows_) open_again(flow);
  tell_connect_waiters({});
  pump();
}

void Connection::on_down(const Error& why) {
  up_ = false;
  state_ = State::connecting;
  down_why_ = why;
  std::vector<Waiting> again, lost;
  for (auto& [request, entry] : in_flight_) {
    auto& waiting = entry.waiting;
    if (waiting.operation.flow) flows_.erase(request), waiting.operation.flow->request = 0;
    if (waiting.operation.ticket) waiting.operation.ticket->request = 0;
    waiting.operation.sent = true;
    (waiting.operation.again && options_.reconnect ? again : lost).push_back(std::move(waiting));
  }
  in_flight_.clear();
  counted_ = 0;
  // In the order they were sent in, ahead of what has not been sent yet.
  std::ranges::sort(again, std::greater{}, &Waiting::order);
  for (auto& waiting : again) {
    waiting_count_ += 1;
    waiting_bytes_ += waiting.operation.frame.size();
    waiting_.push_front(std::move(waiting));
  }
  std::ranges::sort(lost, {}, &Waiting::order);
  for (auto& waiting : lost) {
    finish(waiting.operation, failure(ErrorCode::connection_lost,
                                      fmt::format("the connection broke before the answer came ({}); the server may have done "
                                                  "what was asked or not", why.text)));
  }
  // What was pushed and not taken goes back to its mailbox by itself, and comes again.
  for (const auto& [request, flow] : flows_) {
    std::erase_if(flow->ready, [](const Delivery& delivery) { return delivery.leased(); });
    flow->owed = 0;
  }
}

void Connection::give_up(const Error& why) {
  state_ = State::idle;
  down_why_ = why;
  tick_.cancel();
  tell_connect_waiters(std::unexpected(why));
  finish_all(why);
}

void Connection::tell_connect_waiters(Result<void> result) {
  for (auto& done : std::exchange(connect_waiters_, {})) done(result);
}

void Connection::finish_all(const Error& error) {
  for (auto& [request, entry] : std::exchange(in_flight_, {})) finish(entry.waiting.operation, std::unexpected(error));
  counted_ = 0;
  pump();  // in a state without a connection it ends all that waits
  for (auto& [request, flow] : std::exchange(flows_, {})) end_flow(*flow, error);
}

// --- frames of the server ----------------------------------------------------------------------------------------------

Result<void> Connection::on_frame(const Frame& frame) {
  last_heard_ = Clock::now();
  switch (frame.header.opcode) {
    case Opcode::welcome: {
      auto welcome = read_welcome(frame.body);
      if (!welcome) return std::unexpected(welcome.error());
      if (state_ != State::up) {
        // A server that stores nothing by reference refuses what is too large for a message by itself.
        const bool is_known = welcome->max_stored_bytes > 0 && welcome->max_content_bytes > 0;
        content_bytes_max_ = is_known ? welcome->max_content_bytes : std::numeric_limits<std::size_t>::max();
        on_up(welcome->max_frame_bytes);
      }
      return {};
    }
    case Opcode::goodbye: {
      auto error = read_error(frame.body);
      return std::unexpected(error ? *error : error.error());
    }
    case Opcode::deliver: return on_deliver(frame), Result<void>{};
    case Opcode::lagged: return on_lagged(frame), Result<void>{};
    case Opcode::withdrawn: return on_withdrawn_frame(frame), Result<void>{};
    case Opcode::confirm:
    case Opcode::ok:
    case Opcode::error:
    case Opcode::settled: return on_answer(frame), Result<void>{};
    default: return {};  // of a newer server
  }
}

void Connection::on_deliver(const Frame& frame) {
  const auto flow = flows_.find(frame.header.request);
  const auto waiter = flow == flows_.end() ? in_flight_.find(frame.header.request) : in_flight_.end();
  auto delivery = codec::read_delivery(frame);
  if (!delivery) {
    // A message this client cannot read is given back, so that its dead letter tells of it.
    if (frame.header.flags & kFlagLeased && frame.body.size() >= kLeaseBlockBytes) give_back({load<std::uint64_t>(frame.body.data())});
    return;
  }
  codec::unpack(*delivery, options_.content_bytes_max);
  if (delivery->leased()) delivery->withdrawals = withdrawals_;
  if (flow != flows_.end()) {
    give(*flow->second, std::move(*delivery));
    wire_->flush();
  } else if (waiter != in_flight_.end() && on_status(waiter->second, *delivery)) {
    return;
  } else if (waiter != in_flight_.end()) {
    waiter->second.deliveries.push_back(std::move(*delivery));
    if (waiter->second.waiting.operation.request) on_answer(frame);
  } else if (delivery->leased()) {
    give_back({delivery->lease});
  }
}

// True if it was a status on the way to the answer.
bool Connection::on_status(InFlight& waiter, Delivery& delivery) {
  const auto& operation = waiter.waiting.operation;
  if (!operation.request || !operation.on_status || delivery.message.type != "status") return false;
  asio::post(executor_, [call = operation.on_status, status = std::move(delivery.message)] { call(status); });
  return true;
}

void Connection::on_withdrawn_frame(const Frame& frame) {
  const auto lease = read_withdrawn(frame.body);
  if (!lease) return;
  withdrawals_->add(*lease);
  if (on_withdrawn) on_withdrawn(*lease);
}

void Connection::on_lagged(const Frame& frame) {
  const auto flow = flows_.find(frame.header.request);
  if (flow == flows_.end() || frame.body.size() < 4) return;
  const auto count = load<std::uint32_t>(frame.body.data());
  flow->second->missed_before_next += count;
  flow->second->missed += count;
}

void Connection::on_answer(const Frame& frame) {
  const auto found = in_flight_.find(frame.header.request);
  if (found == in_flight_.end()) {
    if (frame.header.request == 0) on_refusal(frame);
    return;
  }
  auto entry = std::move(found->second);
  in_flight_.erase(found);
  auto& operation = entry.waiting.operation;
  counted_ -= operation.counted;
  if (operation.ticket) operation.ticket->request = 0;
  if (std::exchange(failed_, false)) breakers.success(address_);
  if (frame.header.opcode == Opcode::error) {
    if (operation.flow) flows_.erase(frame.header.request), operation.flow->request = 0;
    auto error = read_error(frame.body);
    finish(operation, std::unexpected(error ? std::move(*error) : std::move(error.error())));
  } else {
    finish(operation, Answer{frame.header.opcode, frame.header.request, frame.body, std::move(entry.deliveries)});
  }
  if (!waiting_.empty()) pump();
}

// Something quiet was refused; or OK came, for a CANCEL or PING of our own.
void Connection::on_refusal(const Frame& frame) {
  Error error;
  if (frame.header.opcode == Opcode::settled) {
    auto settled = codec::read_settled(frame.body);
    if (settled) return;
    error = std::move(settled.error());
  } else if (frame.header.opcode == Opcode::error) {
    auto read = read_error(frame.body);
    error = read ? std::move(*read) : std::move(read.error());
  } else {
    return;
  }
  ++refused_;
  if (on_refused) on_refused(error);
}

void Connection::send_now(std::string frame, std::uint32_t request) {
  codec::set_request(frame, request);
  wire_->out().append(frame);
}

void Connection::give_back(std::vector<std::uint64_t> leases) {
  if (leases.empty() || state_ != State::up) return;
  append_nack(wire_->out(), 0, leases, 0, {}, true);
  wire_->flush();
}

// --- subscriptions and consumers ---------------------------------------------------------------------------------------

void Connection::open_again(const std::shared_ptr<Flow>& flow) {
  send_now(flow->frame, flow->request);
  Operation operation;
  operation.counted = false;
  operation.on_answer = [this, flow](Result<Answer> answer) {
    if (answer || answer.error().code == ErrorCode::connection_lost || flow->ended) return;
    flows_.erase(std::exchange(flow->request, 0));
    end_flow(*flow, answer.error());
  };
  in_flight_.emplace(flow->request, InFlight{{std::move(operation), Clock::time_point::max(), ++last_order_}, {}});
}

void Connection::give(Flow& flow, Delivery delivery) {
  delivery.missed = std::exchange(flow.missed_before_next, 0);
  if (!flow.takers.empty()) {
    auto taker = std::move(flow.takers.front());
    flow.takers.pop_front();
    took(flow, delivery);
    return taker(std::move(delivery));
  }
  if (flow.credit == 0 && flow.ready.size() >= flow.ready_max) {
    flow.missed_before_next = delivery.missed + 1;
    ++flow.missed;
    return;
  }
  flow.ready.push_back(std::move(delivery));
}

void Connection::took(Flow& flow, const Delivery& delivery) {
  if (flow.credit == 0 || delivery.leased() || state_ != State::up) return;  // a lease returns its credit when it is settled
  if (++flow.owed < std::max(flow.credit / 2, 1u)) return;
  append_credit(wire_->out(), 0, flow.request, std::exchange(flow.owed, 0));
}

void Connection::next(std::shared_ptr<Flow> flow, Completion<Delivery> done) {
  enqueue(Task([this, flow = std::move(flow), done = std::move(done)]() mutable {
    if (!flow->ready.empty()) {
      auto delivery = std::move(flow->ready.front());
      flow->ready.pop_front();
      took(*flow, delivery);
      return done(std::move(delivery));
    }
    if (flow->ended) return done(std::unexpected(flow->why));
    flow->takers.push_back(std::move(done));
  }));
}

void Connection::end_flow(Flow& flow, const Error& why) {
  if (std::exchange(flow.ended, true)) return;
  flow.why = why;
  flow.ready.clear();
  for (auto& taker : std::exchange(flow.takers, {})) taker(std::unexpected(why));
}

void Connection::cancel(std::shared_ptr<Flow> flow) {
  enqueue(Task([this, flow = std::move(flow)] {
    if (flow->ended) return;
    std::vector<std::uint64_t> leases;
    for (const auto& delivery : flow->ready) {
      if (delivery.leased()) leases.push_back(delivery.lease);
    }
    const auto request = std::exchange(flow->request, 0);
    end_flow(*flow, {ErrorCode::cancelled, "the stream was cancelled"});
    if (request == 0) return;
    flows_.erase(request);
    if (const auto opening = in_flight_.find(request); opening != in_flight_.end()) {
      counted_ -= opening->second.waiting.operation.counted;
      in_flight_.erase(opening);
    }
    if (state_ != State::up) return;
    append_cancel(wire_->out(), 0, request);
    give_back(std::move(leases));
    wire_->flush();
  }));
}

// --- time --------------------------------------------------------------------------------------------------------------

void Connection::arm_tick() {
  tick_.expires_after(std::clamp(options_.heartbeat / 2, Milliseconds(1), kTickMax));
  tick_.async_wait([self = shared_from_this()](auto error) {
    if (error || self->state_ == State::idle || self->state_ == State::closed) return;
    self->on_tick();
    self->arm_tick();
  });
}

void Connection::on_tick() {
  const auto now = Clock::now();
  const auto timed_out = [&](Operation& operation) {
    const auto waited = operation.patience + options_.request_timeout;
    finish(operation, failure(ErrorCode::timed_out, fmt::format("no answer within {} ms", waited.count())));
  };
  std::size_t late = 0;
  for (auto entry = in_flight_.begin(); entry != in_flight_.end();) {
    if (entry->second.waiting.deadline > now) {
      ++entry;
      continue;
    }
    // A late delivery finds nobody and is given back; CANCEL keeps a late RECEIVE from taking anything.
    auto& operation = entry->second.waiting.operation;
    counted_ -= operation.counted;
    if (operation.flow) flows_.erase(entry->first), operation.flow->request = 0;
    if (!operation.counted || operation.flow) append_cancel(wire_->out(), 0, entry->first);
    if (operation.ticket) operation.ticket->request = 0;
    timed_out(operation);
    entry = in_flight_.erase(entry);
    ++late;
  }
  for (std::size_t i = waiting_.size(); i-- > 0;) {
    if (waiting_[i].deadline > now) continue;
    auto operation = std::move(waiting_[i].operation);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    leave_waiting(operation);
    timed_out(operation);
  }
  for (; late > 0 && state_ == State::up; --late) on_failure();

  if (state_ == State::up) {
    if (now - last_heard_ > 3 * options_.heartbeat) {
      silent_ = true;
      return wire_->close();
    }
    if (now - last_heard_ >= options_.heartbeat && now - last_pinged_ >= options_.heartbeat) {
      last_pinged_ = now;
      append_ping(wire_->out(), 0);
    }
    pump();
  } else if (wire_ && now > attempt_deadline_) {
    wire_->close();  // ends the attempt; live() pauses and tries again
  }
}

}  // namespace folkmoot::detail
