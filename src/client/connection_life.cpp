// How a connection comes about, is kept, and ends; and what becomes of the operations meanwhile.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "client/codec.hpp"
#include "client/connection.hpp"
#include "message/limits.hpp"

namespace folkmoot::detail {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kKeptOutBytes = 4096;  // slack for the few frames that do not wait for room

bool is_final(ErrorCode code) {
  return code == ErrorCode::unauthorized || code == ErrorCode::unsupported_version ||
         code == ErrorCode::invalid_field || code == ErrorCode::not_permitted;
}

}  // namespace

void Connection::connect(Completion<void> done) {
  enqueue(Task([this, done = std::move(done)]() mutable {
    if (state_ == State::up) return done({});
    if (state_ == State::closed) return done(std::unexpected(down_why_));
    if (auto good = ServerBreakers::check(options_.breaker); !good)
      return done(std::unexpected(std::move(good.error())));
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
  auto connected = co_await wire->connect(std::move(*address), options_.tls);
  if (!connected) co_return connected.error();
  wire->on_written([this] { pump(); });
  wire->out() = codec::hello(options_);
  wire->flush();
  Error why = co_await wire->read([this](const Frame& frame) { return on_frame(frame); });
  wire->close();
  lost_in_silence_ = std::exchange(silent_, false);
  if (lost_in_silence_) {
    why = {ErrorCode::connection_lost,
           fmt::format("the server gave no sign of life for {} ms", 3 * options_.heartbeat.count()),
           "it hangs, or the network does not lead there any more"};
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
    finish(waiting.operation,
           failure(ErrorCode::connection_lost,
                   fmt::format("the connection broke before the answer came ({}); the server may have done "
                               "what was asked or not",
                               why.text),
                   "look whether it is done before you ask again; what has a `key` may be sent again"));
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
  for (auto& done : std::exchange(connect_waiters_, {})) done(Result<void>(result));
}

void Connection::finish_all(const Error& error) {
  for (auto& [request, entry] : std::exchange(in_flight_, {})) finish(entry.waiting.operation, std::unexpected(error));
  counted_ = 0;
  pump();  // in a state without a connection it ends all that waits
  for (auto& [request, flow] : std::exchange(flows_, {})) end_flow(*flow, error);
}

}  // namespace folkmoot::detail
