// The watcher inside the server: takes wakes of kind webhook, over a link to each shard as any watcher would over its
// connection, posts them, and says how that ended. It decides nothing: what comes when, and again after how long, is
// the wake's own policy. On a thread of its own; it sleeps until a shard has something for it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/uuid.hpp"
#include "server/link.hpp"
#include "webhook/webhook_options.hpp"

namespace folkmoot {

class Webhooks {
 public:
  /// `connect`: a link to that shard, over which a shard speaks; null when the server is stopping.
  using Connect = std::function<std::shared_ptr<Link>(ShardNumber shard, std::function<void()> on_ready)>;

  Webhooks(std::uint32_t shards, Connect connect, const WebhookOptions& options);
  ~Webhooks();
  Webhooks(const Webhooks&) = delete;

  void start();
  /// Requests under way are cut off: their agents are woken again by the next run. May be called twice.
  void stop();
  /// For requests that begin after it. Any thread.
  void change(const WebhookOptions& options);

 private:
  class Worker;

  const std::uint32_t shards_;
  const Connect connect_;
  const int event_;  // readable: a link has something, or it is to stop
  std::mutex lock_;
  WebhookOptions options_;  // guarded by lock_
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace folkmoot
