#include "folkmoot/sync.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <future>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "folkmoot/client.hpp"

namespace folkmoot {

namespace {

/// The future of an operation that `start(handler)` starts. It becomes ready on the client's own thread.
template <class T, class Start>
std::future<Result<T>> future_of(Start start) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  start([promise](Result<T> result) { promise->set_value(std::move(result)); });
  return future;
}

template <class T, class Start>
Result<T> wait_for(Start start) {
  return future_of<T>(std::move(start)).get();
}

}  // namespace

struct SyncClient::Impl {
  explicit Impl(ClientOptions options) : client(context.get_executor(), std::move(options)) {}
  ~Impl() {
    client.close();
    work.reset();
    thread.join();
  }

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  Client client;
  std::thread thread{[this] { context.run(); }};  // last: it starts when all else is there
};

// A next() that timed out leaves its future behind; the next call takes it up, so that no delivery is lost.
struct SyncStream::Impl {
  detail::Stream stream;
  std::mutex lock;
  std::deque<std::future<Result<Delivery>>> left;  // guarded by lock

  explicit Impl(detail::Stream of) : stream(std::move(of)) {}
  std::future<Result<Delivery>> take() {
    const std::lock_guard guard(lock);
    if (left.empty()) return future_of<Delivery>([&](auto done) { stream.next(std::move(done)); });
    auto first = std::move(left.front());
    left.pop_front();
    return first;
  }
};

SyncStream::SyncStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SyncStream::SyncStream(SyncStream&&) noexcept = default;
SyncStream& SyncStream::operator=(SyncStream&&) noexcept = default;
SyncStream::~SyncStream() = default;

Result<Delivery> SyncStream::next() { return impl_->take().get(); }

Result<Delivery> SyncStream::next(Milliseconds timeout) {
  auto coming = impl_->take();
  if (coming.wait_for(timeout) == std::future_status::ready) return coming.get();
  const std::lock_guard guard(impl_->lock);
  impl_->left.push_back(std::move(coming));
  return failure(ErrorCode::timed_out, "nothing came within " + std::to_string(timeout.count()) + " ms");
}

Result<void> SyncStream::set_filter(std::string filter) {
  return wait_for<void>([&](auto done) { impl_->stream.set_filter(std::move(filter), std::move(done)); });
}
void SyncStream::cancel() { impl_->stream.cancel(); }
std::uint64_t SyncStream::missed() const { return impl_->stream.missed(); }

SyncClient::SyncClient(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
SyncClient::~SyncClient() = default;

Result<void> SyncClient::connect() {
  return wait_for<void>([&](auto done) { impl_->client.connect(std::move(done)); });
}
void SyncClient::close() { impl_->client.close(); }
const std::string& SyncClient::address() const { return impl_->client.address(); }
ClientMetrics SyncClient::metrics() const { return impl_->client.metrics(); }
void SyncClient::on_withdrawn(std::function<void(const Withdrawal&)> handler) {
  impl_->client.on_withdrawn(std::move(handler));
}
void SyncClient::on_breaker(std::function<void(const BreakerEvent&)> handler) {
  impl_->client.on_breaker(std::move(handler));
}

Result<PublishReceipt> SyncClient::publish(Message message) {
  return wait_for<PublishReceipt>([&](auto done) { impl_->client.publish(std::move(message), std::move(done)); });
}
Result<std::vector<Result<PublishReceipt>>> SyncClient::publish_batch(std::vector<Message> messages,
                                                                      BatchOptions options) {
  return wait_for<std::vector<Result<PublishReceipt>>>(
      [&](auto done) { impl_->client.publish_batch(std::move(messages), options, std::move(done)); });
}
Result<void> SyncClient::publish_nowait(Message message) {
  return wait_for<void>([&](auto done) { impl_->client.publish_nowait(std::move(message), std::move(done)); });
}

Result<SyncStream> SyncClient::subscribe(std::string pattern, SubscribeOptions options) {
  auto stream =
      wait_for<Subscription>([&](auto done) { impl_->client.subscribe(std::move(pattern), options, std::move(done)); });
  if (!stream) return std::unexpected(stream.error());
  return SyncStream(std::make_unique<SyncStream::Impl>(std::move(*stream)));
}
Result<SyncStream> SyncClient::consume(std::string mailbox, ConsumeOptions options) {
  auto stream =
      wait_for<Consumer>([&](auto done) { impl_->client.consume(std::move(mailbox), options, std::move(done)); });
  if (!stream) return std::unexpected(stream.error());
  return SyncStream(std::make_unique<SyncStream::Impl>(std::move(*stream)));
}

Result<std::vector<Delivery>> SyncClient::receive(std::string mailbox, ReceiveOptions options) {
  return wait_for<std::vector<Delivery>>(
      [&](auto done) { impl_->client.receive(std::move(mailbox), options, std::move(done)); });
}
Result<void> SyncClient::ack(const Delivery& delivery) {
  return wait_for<void>([&](auto done) { impl_->client.ack(delivery, std::move(done)); });
}
Result<void> SyncClient::ack(std::vector<std::uint64_t> leases) {
  return wait_for<void>([&](auto done) { impl_->client.ack(std::move(leases), std::move(done)); });
}
Result<void> SyncClient::nack(const Delivery& delivery, NackOptions options) {
  return wait_for<void>([&](auto done) { impl_->client.nack(delivery, options, std::move(done)); });
}
Result<void> SyncClient::nack(std::vector<std::uint64_t> leases, NackOptions options) {
  return wait_for<void>([&](auto done) { impl_->client.nack(std::move(leases), options, std::move(done)); });
}
Result<void> SyncClient::extend(const Delivery& delivery, Milliseconds lease) {
  return wait_for<void>([&](auto done) { impl_->client.extend(delivery, lease, std::move(done)); });
}
Result<void> SyncClient::reject(const Delivery& delivery, std::string reason) {
  return wait_for<void>([&](auto done) { impl_->client.reject(delivery, std::move(reason), std::move(done)); });
}
Result<void> SyncClient::reject(std::vector<std::uint64_t> leases, std::string reason) {
  return wait_for<void>(
      [&](auto done) { impl_->client.reject(std::move(leases), std::move(reason), std::move(done)); });
}
Result<std::vector<Result<PublishReceipt>>> SyncClient::complete(const Delivery& delivery,
                                                                 std::vector<Message> outputs) {
  return wait_for<std::vector<Result<PublishReceipt>>>(
      [&](auto done) { impl_->client.complete(delivery, std::move(outputs), std::move(done)); });
}
Result<void> SyncClient::ack(const HeldLease& held) {
  return wait_for<void>([&](auto done) { impl_->client.ack(held, std::move(done)); });
}
Result<void> SyncClient::nack(const HeldLease& held, NackOptions options) {
  return wait_for<void>([&](auto done) { impl_->client.nack(held, options, std::move(done)); });
}
Result<void> SyncClient::extend(const HeldLease& held, Milliseconds lease) {
  return wait_for<void>([&](auto done) { impl_->client.extend(held, lease, std::move(done)); });
}
Result<void> SyncClient::reject(const HeldLease& held, std::string reason) {
  return wait_for<void>([&](auto done) { impl_->client.reject(held, std::move(reason), std::move(done)); });
}
Result<std::vector<Result<PublishReceipt>>> SyncClient::complete(const HeldLease& held, std::vector<Message> outputs) {
  return wait_for<std::vector<Result<PublishReceipt>>>(
      [&](auto done) { impl_->client.complete(held, std::move(outputs), std::move(done)); });
}
Result<Message> SyncClient::request(Message message, Milliseconds timeout,
                                    std::function<void(const Message&)> on_status, std::stop_token stop) {
  // The signal is emitted on the client's thread, where its slot is used; it lives as long as either side needs it.
  const auto signal = std::make_shared<asio::cancellation_signal>();
  auto answer = future_of<Message>([&](auto done) {
    asio::post(impl_->client.get_executor(), [&, signal, done = std::move(done)]() mutable {
      impl_->client.request(std::move(message), timeout, std::move(on_status),
                            asio::bind_cancellation_slot(signal->slot(), std::move(done)));
    });
  });
  const std::stop_callback stopped(stop, [this, signal] {
    asio::post(impl_->client.get_executor(), [signal] { signal->emit(asio::cancellation_type::total); });
  });
  return answer.get();
}
Result<Gathered> SyncClient::request_all(std::vector<Message> messages, GatherOptions options) {
  return wait_for<Gathered>(
      [&](auto done) { impl_->client.request_all(std::move(messages), options, std::move(done)); });
}
Result<Message> SyncClient::send_command(std::string agent, Command command, Milliseconds timeout,
                                         std::function<void(const Message&)> on_status, std::stop_token stop) {
  return request(make_command(std::move(agent), command), timeout, std::move(on_status), std::move(stop));
}
Result<PublishReceipt> SyncClient::status(const Delivery& delivery, std::string content) {
  return wait_for<PublishReceipt>(
      [&](auto done) { impl_->client.status(delivery, std::move(content), std::move(done)); });
}
Result<PublishReceipt> SyncClient::forward(const Delivery& delivery, std::string to) {
  return wait_for<PublishReceipt>([&](auto done) { impl_->client.forward(delivery, std::move(to), std::move(done)); });
}
Result<PublishReceipt> SyncClient::reply(const Delivery& delivery, Message response) {
  return wait_for<PublishReceipt>(
      [&](auto done) { impl_->client.reply(delivery, std::move(response), std::move(done)); });
}
Result<std::vector<Receipt>> SyncClient::receipts(std::vector<Uuid> ids) {
  return wait_for<std::vector<Receipt>>([&](auto done) { impl_->client.receipts(std::move(ids), std::move(done)); });
}
Result<MailboxReady> SyncClient::wait(std::string mailbox, Milliseconds timeout) {
  return wait_for<MailboxReady>([&](auto done) { impl_->client.wait(std::move(mailbox), timeout, std::move(done)); });
}
Result<std::string> SyncClient::stats(std::string mailbox) {
  return wait_for<std::string>([&](auto done) { impl_->client.stats(std::move(mailbox), std::move(done)); });
}
Result<void> SyncClient::configure_mailbox(std::string mailbox, MailboxOptions options) {
  return wait_for<void>(
      [&](auto done) { impl_->client.configure_mailbox(std::move(mailbox), options, std::move(done)); });
}
Result<std::string> SyncClient::call(std::string name, std::string arguments) {
  return wait_for<std::string>(
      [&](auto done) { impl_->client.call(std::move(name), std::move(arguments), std::move(done)); });
}
Result<std::shared_ptr<void>> SyncClient::carry_out(const OperationInfo& operation, const void* arguments) {
  return wait_for<std::shared_ptr<void>>(
      [&](auto done) { Client::start_operation(impl_->client.connection_, operation, arguments, std::move(done)); });
}
Result<ContentRef> SyncClient::upload(ContentSource source, std::uint64_t size) {
  return wait_for<ContentRef>([&](auto done) { impl_->client.upload(std::move(source), size, std::move(done)); });
}
Result<ContentRef> SyncClient::upload_file(std::string path) {
  return wait_for<ContentRef>([&](auto done) { impl_->client.upload_file(std::move(path), std::move(done)); });
}
Result<void> SyncClient::fetch(ContentRef ref, ContentSink sink) {
  return wait_for<void>([&](auto done) { impl_->client.fetch(ref, std::move(sink), std::move(done)); });
}
Result<void> SyncClient::fetch_file(ContentRef ref, std::string path, ContentSink seen) {
  return wait_for<void>(
      [&](auto done) { impl_->client.fetch_file_seen(ref, std::move(path), std::move(seen), std::move(done)); });
}
Result<std::string> SyncClient::fetch_bytes(ContentRef ref, std::size_t bytes_max) {
  return wait_for<std::string>([&](auto done) { impl_->client.fetch_bytes(ref, bytes_max, std::move(done)); });
}
Result<std::optional<std::uint64_t>> SyncClient::find_content(ContentHash hash) {
  return wait_for<std::optional<std::uint64_t>>([&](auto done) { impl_->client.find_content(hash, std::move(done)); });
}
Result<void> SyncClient::ping() {
  return wait_for<void>([&](auto done) { impl_->client.ping(std::move(done)); });
}

}  // namespace folkmoot
