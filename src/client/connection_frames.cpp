// What the server says: answers to operations, deliveries, and the streams that they belong to.
#include <algorithm>
#include <limits>
#include <utility>

#include "client/codec.hpp"
#include "client/connection.hpp"
#include "message/operations.hpp"

namespace folkmoot::detail {

Result<void> Connection::on_frame(const Frame& frame) {
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
      auto error = read_error(frame);
      return std::unexpected(error ? *error : error.error());
    }
    case Opcode::deliver:
      return on_deliver(frame), Result<void>{};
    case Opcode::lagged:
      return on_lagged(frame), Result<void>{};
    case Opcode::withdrawn:
      return on_withdrawn_frame(frame), Result<void>{};
    case Opcode::confirm:
    case Opcode::ok:
    case Opcode::error:
    case Opcode::settled:
      return on_answer(frame), Result<void>{};
    default:
      return {};  // of a newer server
  }
}

void Connection::on_deliver(const Frame& frame) {
  const auto flow = flows_.find(frame.header.request);
  const auto waiter = flow == flows_.end() ? in_flight_.find(frame.header.request) : in_flight_.end();
  Result<Delivery> delivery(std::in_place);
  if (!codec::read_delivery(frame, *delivery)) {
    // A message this client cannot read is given back, so that its dead letter tells of it.
    if (frame.header.flags & kFlagLeased && frame.body.size() >= kLeaseBlockBytes)
      give_back({load<std::uint64_t>(frame.body.data())});
    return;
  }
  codec::unpack(*delivery, options_.content_bytes_max);
  if (delivery->leased() || !delivery->message.reply_to.empty()) delivery->withdrawals = withdrawals_;
  if (flow != flows_.end()) {
    give(*flow->second, std::move(delivery));
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
  asio::post(statuses_, [call = operation.on_status, status = std::move(delivery.message)] { call(status); });
  return true;
}

void Connection::on_withdrawn_frame(const Frame& frame) {
  const auto withdrawn = read_withdrawn(frame.body);
  if (!withdrawn) return;
  withdrawals_->add(withdrawn->id);
  if (on_withdrawn) on_withdrawn({withdrawn->id, withdrawn->lease});
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
  if (failed_) {
    breakers.success(address_);
    failed_ = !breakers.is_closed(address_);
  }
  if (frame.header.opcode == Opcode::error) {
    if (operation.flow) flows_.erase(frame.header.request), operation.flow->request = 0;
    auto error = read_error(frame);
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
    auto read = read_error(frame);
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

// --- subscriptions and consumers
// ---------------------------------------------------------------------------------------

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

void Connection::give(Flow& flow, Result<Delivery>&& delivery) {
  delivery->missed = std::exchange(flow.missed_before_next, 0);
  if (!flow.takers.empty()) {
    auto taker = std::move(flow.takers.front());
    flow.takers.pop_front();
    took(flow, *delivery);
    return taker(std::move(delivery));
  }
  if (flow.credit == 0 && flow.ready.size() >= flow.ready_max) {
    flow.missed_before_next = delivery->missed + 1;
    ++flow.missed;
    return;
  }
  flow.ready.push_back(*std::move(delivery));
}

void Connection::took(Flow& flow, const Delivery& delivery) {
  if (flow.credit == 0 || delivery.leased() || state_ != State::up)
    return;  // a lease returns its credit when it is settled
  if (++flow.owed < std::max(flow.credit / 2, 1u)) return;
  append_credit(wire_->out(), 0, flow.request, std::exchange(flow.owed, 0));
}

void Connection::next(std::shared_ptr<Flow> flow, Completion<Delivery> done) {
  enqueue(Task([this, flow = std::move(flow), done = std::move(done)]() mutable {
    if (!flow->ready.empty()) {
      Result<Delivery> delivery(std::move(flow->ready.front()));
      flow->ready.pop_front();
      took(*flow, *delivery);
      return done(std::move(delivery));
    }
    if (flow->ended) return done(std::unexpected(flow->why));
    flow->takers.push_back(std::move(done));
  }));
}

void Connection::set_filter(std::shared_ptr<Flow> flow, std::string filter, Completion<void> done) {
  enqueue(Task([this, flow = std::move(flow), filter = std::move(filter), done = std::move(done)]() mutable {
    if (flow->ended) return done(std::unexpected(flow->why));
    Operation operation;
    operation.frame = codec::filter(flow->request, filter);
    operation.again = true;  // on another connection the flow is open again by then, under its number
    operation.on_answer = [flow, filter, done = std::move(done)](Result<Answer> answer) mutable {
      if (!answer) return done(std::unexpected(std::move(answer.error())));
      flow->frame = codec::subscribe(flow->pattern, {.credit = flow->credit, .echo = flow->echo, .filter = filter});
      done({});
    };
    submit(std::move(operation));
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

}  // namespace folkmoot::detail
