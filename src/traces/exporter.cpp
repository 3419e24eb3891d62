#include "traces/exporter.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kGather{1'000}, kPostTimeout{10'000}, kStopTime{2'000};
constexpr std::chrono::milliseconds kRetry{1'000}, kRetryMax{30'000};

// Those of the specification: the collector is busy, or out of reach for a while.
bool may_try_again(const PostOutcome& outcome) {
  return outcome.status == 0 || outcome.status == 429 || (outcome.status >= 502 && outcome.status <= 504);
}

}  // namespace

TraceExporter::TraceExporter(const TraceOptions& options)
    : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), options_(options) {}

TraceExporter::~TraceExporter() {
  stop();
  ::close(event_);
}

void TraceExporter::start() {
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "traces");
}

void TraceExporter::stop() {
  stopping_ = true;
  (void)::eventfd_write(event_, 1);
  if (thread_.joinable()) thread_.join();
}

void TraceExporter::change(const TraceOptions& options) {
  {
    const std::lock_guard guard(lock_);
    options_ = options;
  }
  (void)::eventfd_write(event_, 1);
}

TraceOptions TraceExporter::options() const {
  const std::lock_guard guard(lock_);
  return options_;
}

void TraceExporter::take(const SpanView& span) {
  bool is_first = false, is_enough = false;
  {
    const std::lock_guard guard(lock_);
    if (queue_.size() >= kQueueMax) {
      ++no_room_;
      return;
    }
    is_first = queue_.empty();
    queue_.emplace_back(span);
    is_enough = queue_.size() == kBatchMax;
  }
  if (is_first || is_enough) (void)::eventfd_write(event_, 1);
}

void TraceExporter::run() {
  auto until = Steady::time_point::max();
  for (;;) {
    if (stopping_ && until == Steady::time_point::max()) until = Steady::now() + kStopTime;
    gather();
    if (!batch_.empty() && !is_under_way_ && (Steady::now() >= next_at_ || stopping_)) post();
    if (batch_.empty() && stopping_) break;
    if (Steady::now() >= until) break;
    wait(stopping_ ? std::min(rest(), 100ms) : rest());
  }
  not_exported_ += batch_.size();
}

void TraceExporter::gather() {
  if (!batch_.empty()) return;
  const std::lock_guard guard(lock_);
  if (queue_.empty()) {
    next_at_ = {};
    return;
  }
  // The first of them waits for others, unless there are enough.
  if (next_at_ == Steady::time_point{}) next_at_ = Steady::now() + kGather;
  if (queue_.size() < kBatchMax && Steady::now() < next_at_ && !stopping_) return;
  const auto count = std::min(queue_.size(), kBatchMax);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  batch_.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  next_at_ = Steady::now();
  tries_ = 0;
}

void TraceExporter::post() {
  const auto how = options();
  if (how.endpoint.empty()) return give_up();
  if (!poster_) {
    auto made = Poster::make();
    if (!made) return on_outcome({.error = made.error().describe()});
    poster_ = std::move(*made);
  }
  PostRequest request{.url = how.endpoint, .body = otlp_request(how.resource, batch_), .headers = how.headers};
  request.headers.emplace_back("Content-Type: application/json");
  request.headers.push_back(fmt::format("User-Agent: folkmoot/{}", how.resource.version));
  request.headers.emplace_back("Expect:");
  is_under_way_ = true;
  poster_->begin(1, std::move(request), {.timeout = stopping_ ? kStopTime : kPostTimeout, .local = true});
}

void TraceExporter::on_outcome(const PostOutcome& outcome) {
  is_under_way_ = false;
  if (outcome.error.empty() && outcome.status >= 200 && outcome.status <= 299) {
    exported_ += batch_.size();
    batch_.clear();
    next_at_ = {};
    if (std::exchange(has_said_, false)) spdlog::info("traces: the collector takes spans again");
    is_failing_ = false;
    return;
  }
  is_failing_ = true;
  if (!std::exchange(has_said_, true)) {
    spdlog::warn("traces: the collector does not take spans: {}",
                 outcome.error.empty() ? fmt::format("it answered {}", outcome.status) : outcome.error);
  }
  if (++tries_ >= kTriesMax || !may_try_again(outcome)) return give_up();
  next_at_ = Steady::now() + std::min(kRetry * (1u << (tries_ - 1)), kRetryMax);
}

void TraceExporter::give_up() {
  not_exported_ += batch_.size();
  batch_.clear();
  next_at_ = {};
}

std::chrono::milliseconds TraceExporter::rest() const {
  if (next_at_ == Steady::time_point{}) return std::chrono::hours(1);
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(next_at_ - Steady::now()), 0ms);
}

void TraceExporter::wait(std::chrono::milliseconds most) {
  if (poster_ && is_under_way_) {
    for (const auto& outcome : poster_->step(event_, std::min(kPostTimeout, stopping_ ? 100ms : kPostTimeout)))
      on_outcome(outcome);
  } else {
    pollfd waits{event_, POLLIN, 0};
    ::poll(&waits, 1, static_cast<int>(most.count()));
  }
  eventfd_t seen = 0;
  (void)::eventfd_read(event_, &seen);
}

}  // namespace folkmoot
