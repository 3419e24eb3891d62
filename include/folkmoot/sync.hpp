// The client for programs that would rather wait: each call blocks until it is done. It has a thread of its own for the
// connection; calls may come from any thread, several at a time. See client.hpp for what the operations do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "folkmoot/content.hpp"
#include "folkmoot/delivery.hpp"
#include "folkmoot/error.hpp"
#include "folkmoot/failure.hpp"
#include "folkmoot/operations.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot {

class SyncClient;

/// A Subscription or a Consumer; must not outlive its client.
class SyncStream {
 public:
  SyncStream(SyncStream&&) noexcept;
  SyncStream& operator=(SyncStream&&) noexcept;
  ~SyncStream();
  /// Waits for the next delivery. Errors: cancelled after cancel() or SyncClient::close().
  Result<Delivery> next();
  /// Waits at most this long for it: timed_out. No delivery is lost by that.
  Result<Delivery> next(Milliseconds timeout);
  /// As Stream::set_filter() of client.hpp.
  Result<void> set_filter(std::string filter);
  void cancel();
  std::uint64_t missed() const;

 private:
  friend class SyncClient;
  struct Impl;
  explicit SyncStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class SyncClient {
 public:
  explicit SyncClient(ClientOptions options = {});
  SyncClient(SyncClient&&) = delete;
  ~SyncClient();

  Result<void> connect();
  /// Callable from any thread: every call that waits comes back with `cancelled`.
  void close();
  const std::string& address() const;
  ClientMetrics metrics() const;
  /// Called on the client's own thread, or (on_breaker) on that of the call that made the change. Set before connect().
  void on_withdrawn(std::function<void(const Withdrawal&)> handler);
  void on_breaker(std::function<void(const BreakerEvent&)> handler);

  Result<PublishReceipt> publish(Message message);
  Result<std::vector<Result<PublishReceipt>>> publish_batch(std::vector<Message> messages, BatchOptions options = {});
  Result<void> publish_nowait(Message message);
  Result<SyncStream> subscribe(std::string pattern, SubscribeOptions options = {});
  Result<SyncStream> consume(std::string mailbox, ConsumeOptions options = {});
  Result<std::vector<Delivery>> receive(std::string mailbox, ReceiveOptions options = {});
  Result<void> ack(const Delivery& delivery);
  Result<void> ack(std::vector<std::uint64_t> leases);
  Result<void> nack(const Delivery& delivery, NackOptions options = {});
  Result<void> nack(std::vector<std::uint64_t> leases, NackOptions options = {});
  Result<void> extend(const Delivery& delivery, Milliseconds lease);
  Result<void> reject(const Delivery& delivery, std::string reason);
  Result<void> reject(std::vector<std::uint64_t> leases, std::string reason);
  Result<std::vector<Result<PublishReceipt>>> complete(const Delivery& delivery, std::vector<Message> outputs);
  Result<void> ack(const HeldLease& held);
  Result<void> nack(const HeldLease& held, NackOptions options = {});
  Result<void> extend(const HeldLease& held, Milliseconds lease);
  Result<void> reject(const HeldLease& held, std::string reason);
  Result<std::vector<Result<PublishReceipt>>> complete(const HeldLease& held, std::vector<Message> outputs);
  /// `on_status` is called on the client's own thread, before the call comes back. `stop` ends the call with
  /// `cancelled`.
  Result<Message> request(Message message, Milliseconds timeout = std::chrono::seconds(30),
                          std::function<void(const Message&)> on_status = {}, std::stop_token stop = {});
  Result<Gathered> request_all(std::vector<Message> messages, GatherOptions options = {});
  Result<Message> send_command(std::string agent, Command command, Milliseconds timeout = std::chrono::seconds(30),
                               std::function<void(const Message&)> on_status = {}, std::stop_token stop = {});
  Result<PublishReceipt> reply(const Delivery& delivery, Message response);
  Result<PublishReceipt> status(const Delivery& delivery, std::string content);
  Result<PublishReceipt> forward(const Delivery& delivery, std::string to);
  Result<std::vector<Receipt>> receipts(std::vector<Uuid> ids);
  Result<MailboxReady> wait(std::string mailbox, Milliseconds timeout);
  Result<std::string> stats(std::string mailbox = {});
  Result<void> configure_mailbox(std::string mailbox, MailboxOptions options);
  /// One of the operations of folkmoot/operations.hpp.
  template <DescribedOperation Op>
  Result<AnswerOf<Op>> call(const Op& operation) {
    static constexpr auto kInfo = operation_info<Op>();
    const auto answer = carry_out(kInfo, &operation);
    if (!answer) return std::unexpected(answer.error());
    if constexpr (std::is_void_v<AnswerOf<Op>>) {
      return {};
    } else {
      return std::move(*std::static_pointer_cast<AnswerOf<Op>>(*answer));
    }
  }
  Result<std::string> call(std::string name, std::string arguments = {});
  /// The same for programs that know an operation by its description alone: the answer is a struct of
  /// `operation.answer`.
  Result<std::shared_ptr<void>> carry_out(const OperationInfo& operation, const void* arguments);
  /// `source` and `sink` are called on the client's own thread.
  Result<ContentRef> upload(ContentSource source, std::uint64_t size);
  Result<ContentRef> upload_file(std::string path);
  Result<void> fetch(ContentRef ref, ContentSink sink);
  Result<void> fetch_file(ContentRef ref, std::string path, ContentSink seen = {});
  Result<std::string> fetch_bytes(ContentRef ref, std::size_t bytes_max);
  Result<std::optional<std::uint64_t>> find_content(ContentHash hash);
  Result<void> ping();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace folkmoot
