// Webhooks that deliver: the thread that takes the mail of agents with an endpoint and posts it there, message by
// message. What is posted where stands on a board that shards put up (server/webhook_board.hpp); it decides nothing
// about messages, which are leased, tried again and given up by their mailbox's policy.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "server/link.hpp"
#include "server/webhook_board.hpp"
#include "webhook/webhook_options.hpp"

namespace folkmoot {

class Deliveries {
 public:
  /// `connect`: a link for the agent whose mail it is, to that shard; null when the server is stopping.
  using Connect = std::function<std::shared_ptr<Link>(ShardNumber shard, std::function<void()> on_ready)>;

  Deliveries(WebhookBoard& board, Connect connect, const WebhookOptions& options);
  ~Deliveries();
  Deliveries(const Deliveries&) = delete;

  void start();
  /// Requests under way are cut off: their messages are posted again by the next run. May be called twice.
  void stop();
  /// For requests that begin after it. Any thread.
  void change(const WebhookOptions& options);

 private:
  class Worker;

  WebhookBoard& board_;
  const Connect connect_;
  const int event_;  // readable: a link has something, rules have changed, or it is to stop
  std::mutex lock_;
  WebhookOptions options_;  // guarded by lock_
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace folkmoot
