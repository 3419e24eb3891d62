// The client for programs that would rather wait: each call blocks until it is done. It has a thread of its own for the
// connection; calls may come from any thread, several at a time. See client.hpp for what the operations do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "folkmoot/delivery.hpp"
#include "folkmoot/error.hpp"
#include "folkmoot/failure.hpp"
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

  Result<PublishReceipt> publish(Message message);
  Result<std::vector<Result<PublishReceipt>>> publish_batch(std::vector<Message> messages);
  Result<void> publish_nowait(Message message);
  Result<SyncStream> subscribe(std::string pattern, SubscribeOptions options = {});
  Result<SyncStream> consume(std::string mailbox, ConsumeOptions options = {});
  Result<std::vector<Delivery>> receive(std::string mailbox, ReceiveOptions options = {});
  Result<void> ack(const Delivery& delivery);
  Result<void> ack(std::vector<std::uint64_t> leases);
  Result<void> nack(const Delivery& delivery, NackOptions options = {});
  Result<void> nack(std::vector<std::uint64_t> leases, NackOptions options = {});
  Result<void> extend(const Delivery& delivery, Milliseconds lease);
  Result<Message> request(Message message, Milliseconds timeout = std::chrono::seconds(30));
  Result<PublishReceipt> reply(const Delivery& delivery, Message response);
  Result<std::vector<Receipt>> receipts(std::vector<Uuid> ids);
  Result<MailboxReady> wait(std::string mailbox, Milliseconds timeout);
  Result<std::string> stats(std::string mailbox = {});
  Result<void> configure_mailbox(std::string mailbox, MailboxOptions options);
  Result<void> ping();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace folkmoot
