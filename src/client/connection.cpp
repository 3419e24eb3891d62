#include "client/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "client/codec.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot::detail {
namespace {

// Deadlines are there for servers that do not answer; servers keep the time-outs they were asked for themselves.
constexpr Milliseconds kTickMax{250};
constexpr Milliseconds kTickLate{1'000};

std::vector<std::string> addresses_of(const ClientOptions& options) {
  std::vector<std::string> all{options.address};
  if (options.while_open == WhileOpen::alternative)
    all.insert(all.end(), options.alternatives.begin(), options.alternatives.end());
  return all;
}

Error gave_up() { return {ErrorCode::cancelled, "the operation was cancelled"}; }

}  // namespace

Connection::Connection(const asio::any_io_executor& executor, ClientOptions options)
    : breakers(options.breaker, addresses_of(options)),
      options_(std::move(options)),
      executor_(executor),
      strand_(asio::make_strand(executor)),
      statuses_(asio::make_strand(executor)),
      pause_(strand_),
      tick_(strand_),
      random_(std::random_device{}()) {}

// --- what comes in
// -----------------------------------------------------------------------------------------------------

void Connection::enqueue(std::variant<Operation, Task> item) {
  const std::lock_guard guard(inbox_lock_);
  inbox_.push_back(std::move(item));
  if (std::exchange(drain_posted_, true)) return;
  asio::post(strand_, [self = shared_from_this()] { self->drain(); });
}

void Connection::submit(Operation operation) {
  const auto count = waiting_count_.load(), bytes = waiting_bytes_.load();
  if (count >= options_.limits.waiting ||
      (count > 0 && bytes + operation.frame.size() > options_.limits.pending_bytes)) {
    return finish(operation,
                  failure(ErrorCode::busy, fmt::format("{} operations of {} bytes wait to be sent", count, bytes)));
  }
  // A lease is given back whatever the breaker thinks; where it may, that is a probe.
  if (!passes_breaker(operation.quiet) && !operation.settles) return finish(operation, std::unexpected(breaker_open()));
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
    const auto waits =
        std::ranges::find(waiting_, ticket, [](const Waiting& waiting) { return waiting.operation.ticket; });
    if (waits == waiting_.end()) {
      ticket->given_up = true;  // it is over, or another thread has yet to submit it
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
    if (operation.ticket && operation.ticket->given_up) {
      leave_waiting(operation);
      finish(operation, std::unexpected(gave_up()));
      continue;
    }
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
    const bool room =
        wire_->pending_bytes() == 0 || wire_->pending_bytes() + first.frame.size() <= options_.limits.pending_bytes;
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
  if (operation.frame.size() > frame_bytes_max_) {
    return finish(operation,
                  failure(ErrorCode::frame_too_large, fmt::format("a frame of {} bytes; the server takes {} at most",
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

// --- the circuit breaker
// -----------------------------------------------------------------------------------------------

// What is not answered says nothing about the server: it is no probe.
bool Connection::passes_breaker(bool quiet) {
  if (options_.while_open == WhileOpen::buffer || !breakers.is_enabled()) return true;
  if (quiet ? !breakers.is_open(address_) : breakers.allow(address_)) return true;
  if (options_.while_open != WhileOpen::alternative) return false;
  for (std::size_t i = 0; i < breakers.size(); ++i) {
    if (!breakers.is_open(i)) return true;
  }
  return false;
}

Error Connection::breaker_open() const {
  return {ErrorCode::circuit_open,
          fmt::format("the circuit breaker of {} is open after {} failures in a row; nothing was sent",
                      breakers.address(address_), options_.breaker.failures_to_open)};
}

// An attempt to connect failed, or an operation timed out.
void Connection::on_failure() {
  failed_ = true;
  breakers.failure(address_);
  if (!breakers.is_open(address_)) return;
  if (options_.while_open == WhileOpen::reject) reject_waiting();
  if (options_.while_open != WhileOpen::alternative) return;
  const bool elsewhere = std::ranges::any_of(std::views::iota(std::size_t{0}, breakers.size()),
                                             [this](auto i) { return !breakers.is_open(i); });
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

// --- time
// --------------------------------------------------------------------------------------------------------------

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
  // A program that kept the executor to itself has not read what came meanwhile: that goes first.
  const bool is_late = now - std::exchange(ticked_at_, now) > kTickLate;
  if (is_late && !std::exchange(was_late_, true)) return;
  was_late_ = false;
  const auto timed_out = [&](Operation& operation) {
    const auto waited = operation.patience + options_.request_timeout;
    finish(operation, failure(ErrorCode::timed_out, fmt::format("no answer within {} ms", waited.count()),
                              "the server is overloaded or hangs; it may have done what was asked"));
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
    const auto heard = wire_->last_heard();
    if (last_pinged_ > heard) {
      silent_ = now - last_pinged_ > 2 * options_.heartbeat;
      if (silent_) return wire_->close();
    } else if (now - heard >= options_.heartbeat) {
      last_pinged_ = now;
      append_ping(wire_->out(), 0);
    }
    pump();
  } else if (wire_ && now > attempt_deadline_) {
    wire_->close();  // ends the attempt; live() pauses and tries again
  }
}

}  // namespace folkmoot::detail
