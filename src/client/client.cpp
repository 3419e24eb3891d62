// The operations: each builds its frame on the caller's thread, and reads the answer on the connection's strand. A
// completion may be called from anywhere: it posts to its executor.
#include "folkmoot/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <span>
#include <utility>

#include "client/address.hpp"
#include "client/codec.hpp"
#include "client/connection.hpp"
#include "client/content.hpp"
#include "client/operation.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

using detail::Answer;
using detail::Connection;
using detail::long_wait;
using detail::nothing;
using detail::Operation;
using detail::operation_of;

ClientOptions with_defaults(ClientOptions options) {
  options.address = address_or_default(std::move(options.address));
  const auto from_environment = [](std::string& value, const char* variable) {
    if (const char* const found = value.empty() ? std::getenv(variable) : nullptr) value = found;
  };
  from_environment(options.token, "FOLKMOOT_TOKEN");
  from_environment(options.tls.ca, "FOLKMOOT_CA");
  if (options.tls.key.empty()) from_environment(options.tls.certificate, "FOLKMOOT_CERT");
  if (!options.tls.certificate.empty()) from_environment(options.tls.key, "FOLKMOOT_CERT_KEY");
  options.limits.in_flight = std::max<std::size_t>(options.limits.in_flight, 1);
  options.limits.waiting = std::max<std::size_t>(options.limits.waiting, 1);
  options.heartbeat = std::max(options.heartbeat, Milliseconds(1));
  return options;
}

Result<void> settled(Answer& answer) { return codec::read_settled(answer.body); }

/// The leases that want to be settled, if their number may go into one frame.
Result<std::vector<std::uint64_t>> settleable(std::vector<std::uint64_t> leases) {
  std::erase(leases, 0);
  if (leases.size() > kSettleLeasesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} leases at once; {} is the most", leases.size(), kSettleLeasesMax));
  }
  return leases;
}

// Makes `messages` ready to be sent: true if they are, else `go_on(messages)` is called when their contents are stored,
// or `done` with an error.
template <class T, class GoOn>
bool are_ready(const std::shared_ptr<Connection>& c, std::span<Message> messages, Completion<T>& done, GoOn go_on) {
  const auto above = detail::reference_above(*c);
  bool some_large = false;
  for (auto& message : messages) {
    codec::prepare(message, c->options(), above);
    some_large = some_large || detail::is_large(message, above);
  }
  if (!some_large) return true;
  std::vector<Message> all(std::make_move_iterator(messages.begin()), std::make_move_iterator(messages.end()));
  detail::store_contents(
      c, std::move(all),
      [done = std::move(done), go_on = std::move(go_on)](Result<std::vector<Message>> stored) mutable {
        if (!stored) return done(std::unexpected(std::move(stored.error())));
        go_on(std::move(*stored), std::move(done));
      });
  return false;
}

template <class Build>
void settle(const std::shared_ptr<Connection>& connection, const std::vector<std::uint64_t>& given,
            Completion<void> done, Build build) {
  auto leases = settleable(given);
  if (!leases) return done(std::unexpected(leases.error()));
  if (leases->empty()) return done({});  // posts to the caller's executor, as every completion does
  auto operation = operation_of(build(*leases), std::move(done), settled);
  operation.settles = true;
  connection->submit(std::move(operation));
}

void settle_held(const std::shared_ptr<Connection>& connection, const HeldLease& held, std::string frame,
                 Completion<void> done) {
  limit_to_message(frame, held.message);
  connection->submit(operation_of(std::move(frame), std::move(done), settled));
}

}  // namespace

Client::Client(asio::any_io_executor executor, ClientOptions options)
    : connection_(std::make_shared<Connection>(executor, with_defaults(std::move(options)))) {}

Client::~Client() {
  if (connection_) connection_->close();
}

asio::any_io_executor Client::get_executor() const { return connection_->executor(); }
const std::string& Client::address() const { return connection_->options().address; }
bool Client::is_connected() const { return connection_->is_up(); }
std::uint64_t Client::refused() const { return connection_->refused(); }
void Client::on_refused(std::function<void(const Error&)> handler) { connection_->on_refused = std::move(handler); }
void Client::on_withdrawn(std::function<void(const Withdrawal&)> handler) {
  connection_->on_withdrawn = std::move(handler);
}
void Client::on_breaker(std::function<void(const BreakerEvent&)> handler) {
  connection_->breakers.on_change = std::move(handler);
}
ClientMetrics Client::metrics() const { return connection_->metrics(); }
void Client::close() { connection_->close(); }
void Client::start_connect(const Shared& c, Completion<void> done) { c->connect(std::move(done)); }

// --- publishing
// --------------------------------------------------------------------------------------------------------

void Client::start_publish(const Shared& c, Message&& message, Completion<PublishReceipt> done) {
  const auto go_on = [c](std::vector<Message> stored, auto finished) {
    start_publish(c, std::move(stored.front()), std::move(finished));
  };
  if (!are_ready(c, {&message, 1}, done, go_on)) return;
  auto frame = codec::publish(message, false);
  if (!frame) return done(std::unexpected(frame.error()));
  auto operation =
      operation_of(std::move(*frame), std::move(done), [](Answer& answer) { return codec::read_confirm(answer.body); });
  operation.again = c->options().resend && !message.key.empty();
  c->submit(std::move(operation));
}

void Client::start_publish_batch(const Shared& c, std::vector<Message> messages, const BatchOptions& options,
                                 Completion<Receipts> done) {
  const auto go_on = [c, options](std::vector<Message> stored, auto finished) {
    start_publish_batch(c, std::move(stored), options, std::move(finished));
  };
  if (!are_ready(c, messages, done, go_on)) return;
  auto frame = codec::publish_batch(messages, options);
  if (!frame) return done(std::unexpected(frame.error()));
  auto operation = operation_of(std::move(*frame), std::move(done), [count = messages.size()](Answer& answer) {
    return codec::read_batch(answer.body, count);
  });
  operation.again =
      c->options().resend && std::ranges::none_of(messages, [](const auto& message) { return message.key.empty(); });
  c->submit(std::move(operation));
}

void Client::start_publish_nowait(const Shared& c, Message&& message, Completion<void> done) {
  const auto go_on = [c](std::vector<Message> stored, auto finished) {
    start_publish_nowait(c, std::move(stored.front()), std::move(finished));
  };
  if (!are_ready(c, {&message, 1}, done, go_on)) return;
  auto frame = codec::publish(message, true);
  if (!frame) return done(std::unexpected(frame.error()));
  auto operation = operation_of(std::move(*frame), std::move(done), nothing);
  operation.quiet = true;
  operation.counted = false;
  c->submit(std::move(operation));
}

void Client::start_reply(const Shared& c, Result<Message> message, Completion<PublishReceipt> done) {
  if (!message) return done(std::unexpected(std::move(message.error())));
  start_publish(c, std::move(*message), std::move(done));
}

void detail::submit_request(const std::shared_ptr<Connection>& connection, Message&& message, Milliseconds timeout,
                            StatusHandler on_status, std::shared_ptr<Ticket> ticket, Completion<Message> done) {
  const auto go_on = [connection, timeout, on_status, ticket](std::vector<Message> stored, auto finished) {
    submit_request(connection, std::move(stored.front()), timeout, on_status, ticket, std::move(finished));
  };
  if (!are_ready(connection, {&message, 1}, done, go_on)) return;
  auto frame = codec::request(message, timeout, static_cast<bool>(on_status));
  if (!frame) return done(std::unexpected(frame.error()));
  auto operation =
      long_wait(operation_of(std::move(*frame), std::move(done),
                             [](Answer& answer) -> Result<Message> {
                               if (answer.deliveries.empty())
                                 return Message{};  // a time-out of 0: a consumer has it, nobody waits for an answer
                               return std::move(answer.deliveries.front().message);
                             }),
                timeout);
  operation.request = true;
  if (on_status) {
    // The end comes behind the statuses that are on their way, also where many threads run the executor: what they are
    // told to may be gone afterwards.
    operation.on_answer = [connection, inner = std::move(operation.on_answer)](Result<Answer> answer) mutable {
      if (answer) answer->body = {};  // lives as long as this call
      asio::post(connection->statuses(),
                 [inner = std::move(inner), answer = std::move(answer)]() mutable { inner(std::move(answer)); });
    };
  }
  operation.on_status = std::move(on_status);
  operation.ticket = std::move(ticket);
  connection->submit(std::move(operation));
}

void Client::start_request(const Shared& c, Message&& message, Milliseconds timeout, StatusHandler on_status,
                           asio::cancellation_slot slot, Completion<Message> done) {
  auto ticket = std::make_shared<detail::Ticket>();
  if (slot.is_connected()) slot.assign([c, ticket](asio::cancellation_type) { c->cancel(ticket); });
  detail::submit_request(c, std::move(message), timeout, std::move(on_status), std::move(ticket), std::move(done));
}

// --- receiving
// ---------------------------------------------------------------------------------------------------------

namespace {

template <class Stream>
void open(const std::shared_ptr<Connection>& connection, std::shared_ptr<detail::Flow> flow, Completion<Stream> done) {
  Operation operation;
  operation.frame = flow->frame;
  operation.flow = flow;
  operation.again = true;
  flow->ready_max = connection->options().limits.subscription_events;
  operation.on_answer = [connection, flow = std::move(flow), done = std::move(done)](Result<Answer> answer) mutable {
    if (!answer) return done(std::unexpected(std::move(answer.error())));
    done(Stream(std::move(connection), std::move(flow)));
  };
  connection->submit(std::move(operation));
}

}  // namespace

void Client::start_subscribe(const Shared& c, const std::string& pattern, const SubscribeOptions& options,
                             Completion<Subscription> done) {
  auto flow = std::make_shared<detail::Flow>();
  flow->frame = codec::subscribe(pattern, options);
  flow->credit = options.credit;
  flow->pattern = pattern;
  flow->echo = options.echo;
  open(c, std::move(flow), std::move(done));
}

void Client::start_consume(const Shared& c, const std::string& mailbox, const ConsumeOptions& options,
                           Completion<Consumer> done) {
  if (options.credit == 0 || options.credit > kCreditMax) {
    return done(
        failure(ErrorCode::out_of_range, fmt::format("a credit of {}; 1 to {} may be", options.credit, kCreditMax)));
  }
  auto flow = std::make_shared<detail::Flow>();
  flow->frame = codec::consume(mailbox, options);
  flow->credit = options.credit;
  open(c, std::move(flow), std::move(done));
}

void Client::start_receive(const Shared& c, const std::string& mailbox, const ReceiveOptions& options,
                           Completion<std::vector<Delivery>> done) {
  auto operation =
      operation_of(codec::receive(mailbox, options), std::move(done),
                   [](Answer& answer) -> Result<std::vector<Delivery>> { return std::move(answer.deliveries); });
  // Leases that live as long as the connection were given back with it. Others are held until their deadline.
  operation.again = options.lease.count() == 0;
  c->submit(long_wait(std::move(operation), options.wait));
}

void Client::start_wait(const Shared& c, const std::string& mailbox, Milliseconds timeout,
                        Completion<MailboxReady> done) {
  auto operation = operation_of(codec::wait(mailbox, timeout), std::move(done),
                                [](Answer& answer) { return codec::read_ready(answer.body); });
  operation.again = true;
  c->submit(long_wait(std::move(operation), timeout));
}

// --- settling
// ----------------------------------------------------------------------------------------------------------

void Client::start_ack(const Shared& c, const std::vector<std::uint64_t>& leases, Completion<void> done) {
  settle(c, leases, std::move(done), [](const auto& held) { return codec::ack(held, false); });
}

void Client::ack_nowait(const Delivery& delivery) {
  if (!delivery.leased()) return;
  Operation operation;
  operation.frame = codec::ack({&delivery.lease, 1}, true);
  operation.quiet = true;
  operation.settles = true;
  operation.counted = false;
  connection_->submit(std::move(operation));
}

void Client::start_nack(const Shared& c, const std::vector<std::uint64_t>& leases, const NackOptions& options,
                        Completion<void> done) {
  settle(c, leases, std::move(done), [&](const auto& held) { return codec::nack(held, options, false); });
}

void Client::start_reject(const Shared& c, const std::vector<std::uint64_t>& leases, const std::string& reason,
                          Completion<void> done) {
  settle(c, leases, std::move(done), [&](const auto& held) { return codec::reject(held, reason); });
}

void Client::start_ack(const Shared& c, const HeldLease& held, Completion<void> done) {
  settle_held(c, held, codec::ack({&held.lease, 1}, false), std::move(done));
}

void Client::start_nack(const Shared& c, const HeldLease& held, const NackOptions& options, Completion<void> done) {
  settle_held(c, held, codec::nack({&held.lease, 1}, options, false), std::move(done));
}

void Client::start_reject(const Shared& c, const HeldLease& held, const std::string& reason, Completion<void> done) {
  settle_held(c, held, codec::reject({&held.lease, 1}, reason), std::move(done));
}

void Client::start_extend(const Shared& c, const HeldLease& held, Milliseconds lease, Completion<void> done) {
  settle_held(c, held, codec::extend({&held.lease, 1}, lease), std::move(done));
}

void Client::start_complete(const Shared& c, const HeldLease& held, std::vector<Message> outputs,
                            Completion<Receipts> done) {
  if (held.lease == 0)
    return done(failure(ErrorCode::invalid_field, "the delivery has no lease: there is nothing to complete"));
  const auto go_on = [c, held](std::vector<Message> stored, auto finished) {
    start_complete(c, held, std::move(stored), std::move(finished));
  };
  if (!are_ready(c, outputs, done, go_on)) return;
  auto frame = codec::complete(held.lease, outputs);
  if (!frame) return done(std::unexpected(frame.error()));
  if (!held.message.is_nil()) limit_to_message(*frame, held.message);
  c->submit(operation_of(std::move(*frame), std::move(done),
                         [count = outputs.size()](Answer& answer) { return codec::read_batch(answer.body, count); }));
}

void Client::start_extend(const Shared& c, const std::vector<std::uint64_t>& leases, Milliseconds lease,
                          Completion<void> done) {
  settle(c, leases, std::move(done), [&](const auto& held) { return codec::extend(held, lease); });
}

// --- asking
// ------------------------------------------------------------------------------------------------------------

void Client::start_receipts(const Shared& c, const std::vector<Uuid>& ids, Completion<std::vector<Receipt>> done) {
  if (ids.empty() || ids.size() > kReceiptIdsMax) {
    return done(failure(ErrorCode::out_of_range, fmt::format("{} ids; 1 to {} may be", ids.size(), kReceiptIdsMax)));
  }
  auto operation = operation_of(codec::receipt(ids), std::move(done),
                                [](Answer& answer) { return codec::read_receipts(answer.body); });
  operation.again = true;
  c->submit(std::move(operation));
}

void Client::start_stats(const Shared& c, const std::string& mailbox, Completion<std::string> done) {
  auto operation = operation_of(codec::stats(mailbox), std::move(done), [](Answer& answer) -> Result<std::string> {
    return std::string(as_text(answer.body));
  });
  operation.again = true;
  c->submit(std::move(operation));
}

void Client::start_mailbox(const Shared& c, const std::string& mailbox, const MailboxOptions& options,
                           Completion<void> done) {
  auto operation = operation_of(codec::mailbox(mailbox, options), std::move(done), nothing);
  operation.again = true;
  c->submit(std::move(operation));
}

void Client::start_ping(const Shared& c, Completion<void> done) {
  auto operation = operation_of(codec::ping(), std::move(done), nothing);
  operation.again = true;
  c->submit(std::move(operation));
}

// --- streams
// -----------------------------------------------------------------------------------------------------------

namespace detail {

Stream::Stream(std::shared_ptr<Connection> connection, std::shared_ptr<Flow> flow)
    : connection_(std::move(connection)), flow_(std::move(flow)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  connection_ = std::move(other.connection_);
  flow_ = std::move(other.flow_);
  return *this;
}

Stream::~Stream() { cancel(); }

void Stream::cancel() {
  if (connection_ && flow_) connection_->cancel(flow_);
}

std::uint64_t Stream::missed() const { return flow_ ? flow_->missed.load() : 0; }

asio::any_io_executor Stream::executor() const { return connection_->executor(); }

void Stream::start_set_filter(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Flow>& flow,
                              std::string filter, Completion<void> done) {
  connection->set_filter(flow, std::move(filter), std::move(done));
}

void Stream::start_next(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Flow>& flow,
                        Completion<Delivery> done) {
  connection->next(flow, std::move(done));
}

}  // namespace detail
}  // namespace folkmoot
