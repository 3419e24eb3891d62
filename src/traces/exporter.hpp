// Tells a collector of OpenTelemetry the spans that the shards tell it, over OTLP/HTTP in JSON, on a thread of its own.
//
//   take()   a shard puts a span into the queue, or counts it if the queue is full; wakes the thread if that has enough
//   thread   gathers for a second, posts up to kBatchMax, and tries again what the collector is too busy for
//
// What the collector does not take is dropped in the end and counted: traces are never worth a message.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/span_sink.hpp"
#include "traces/otlp.hpp"
#include "webhook/poster.hpp"

namespace folkmoot {

struct TraceOptions {
  std::string endpoint{};              // URL of the collector; empty: nothing is told
  std::vector<std::string> headers{};  // whole lines
  TraceResource resource;
};

class TraceExporter final : public SpanSink {
 public:
  static constexpr std::size_t kQueueMax = 8'192, kBatchMax = 512;
  static constexpr unsigned kTriesMax = 5;

  explicit TraceExporter(const TraceOptions& options);
  ~TraceExporter() override;
  TraceExporter(const TraceExporter&) = delete;

  void start();
  /// Tells what waits, for two seconds at most. May be called twice.
  void stop();
  /// For what is posted after it. Any thread.
  void change(const TraceOptions& options);

  // SpanSink
  void take(const SpanView& span) override;
  Counts counts() const override { return {exported_, no_room_, not_exported_}; }
  bool is_failing() const override { return is_failing_; }

 private:
  using Steady = std::chrono::steady_clock;

  void run();
  // The next of the queue, if there is no batch yet.
  void gather();
  void post();
  void on_outcome(const PostOutcome& outcome);
  void give_up();
  void wait(std::chrono::milliseconds most);
  std::chrono::milliseconds rest() const;
  TraceOptions options() const;

  const int event_;  // readable: there is enough to post, or it is to stop
  mutable std::mutex lock_;
  TraceOptions options_;         // guarded by lock_
  std::vector<KeptSpan> queue_;  // guarded by lock_
  std::atomic<bool> stopping_ = false, is_failing_ = false;
  std::atomic<std::uint64_t> exported_ = 0, no_room_ = 0, not_exported_ = 0;
  std::thread thread_;

  // The thread's.
  std::unique_ptr<Poster> poster_;  // once there was something to post
  std::vector<KeptSpan> batch_;
  unsigned tries_ = 0;
  bool is_under_way_ = false, has_said_ = false;
  Steady::time_point next_at_{};  // when the batch is posted, or the queue looked at
};

}  // namespace folkmoot
