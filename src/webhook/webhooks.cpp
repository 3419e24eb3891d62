#include "webhook/webhooks.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <optional>

#include "folkmoot/operations.hpp"
#include "message/operations.hpp"
#include "operation/answers.hpp"
#include "operation/json_codec.hpp"
#include "webhook/poster.hpp"

namespace folkmoot {
namespace {

constexpr std::chrono::milliseconds kTakeWait = std::chrono::minutes(5);  // then it is asked again
constexpr std::chrono::milliseconds kRestMs{1'000};                       // between looks, if nothing happens
constexpr std::size_t kNoLimit = std::size_t{1} << 31;                    // frames of our own server
constexpr std::uint32_t kTakenAtOnce = 8;

template <class Op>
void append_operation(std::string& frames, std::uint32_t request, const Op& operation) {
  std::string arguments;
  JsonWriter writer(arguments);
  write_json(writer, describe<Op>(), &operation, Sparse::everything);
  append_call(frames, request, Op::kOperation.name, arguments);
}

std::vector<std::string> headers_of(const TakenWake& wake, const std::string& software) {
  return {"Content-Type: application/json",
          fmt::format("User-Agent: {}", software),
          fmt::format("webhook-id: {}", wake.id.text()),
          fmt::format("webhook-timestamp: {}", wake.signed_at_ms / 1'000),
          fmt::format("webhook-signature: {}", wake.signature),
          "Expect:"};
}

}  // namespace

// What the thread has. Each shard is asked for more when what it gave is begun, so that no wake is held in vain.
class Webhooks::Worker {
 public:
  explicit Worker(Webhooks& owner) : owner_(owner), links_(owner.shards_) {}

  void run() {
    while (!owner_.stopping_) {
      {
        const std::lock_guard guard(owner_.lock_);
        options_ = owner_.options_;
      }
      refused_ = false;
      for (ShardNumber shard = 0; shard.value < owner_.shards_; ++shard) look_at(shard);
      wait();
    }
    for (auto& each : links_) {
      if (each.link) each.link->close();
    }
  }

 private:
  struct ShardSide {
    std::shared_ptr<Link> link;
    std::uint32_t next = 1;  // request number
    std::uint32_t take = 0;  // that is not answered; 0: none
  };
  struct Underway {
    ShardNumber shard = 0;
    std::string agent;
    std::uint64_t wake = 0;
  };

  void look_at(ShardNumber shard) {
    auto& side = links_[shard.value];
    if (!side.link) {
      side = {.link = owner_.connect_(shard, [event = owner_.event_] { (void)::eventfd_write(event, 1); })};
      if (!side.link) return;  // the server is stopping
      std::string frames;
      append_hello(frames, side.next++, {.agent = {}, .token = {}, .software = "webhooks"});
      side.link->send(frames);
    }
    read(shard, side);
    if (!side.link || side.take != 0 || underway_.size() >= options_.at_once) return;
    std::string frames;
    side.take = side.next++;
    const auto free = options_.at_once - static_cast<std::uint32_t>(underway_.size());
    append_operation(frames, side.take,
                     TakeWakes{.agents = {"*"},
                               .how = {"webhook"},
                               .limit = std::min(free, kTakenAtOnce),
                               .wait = kTakeWait,
                               .watcher = "the server"});
    side.link->send(frames);
  }

  void read(ShardNumber shard, ShardSide& side) {
    const bool was_closed = side.link->closed();
    const auto taken = side.link->take();
    auto bytes = as_bytes(taken);
    for (;;) {
      const auto cut = cut_frame(bytes, kNoLimit);
      if (!cut || !*cut) break;
      const auto& frame = **cut;
      if (frame.header.request != side.take) continue;
      side.take = 0;
      if (frame.header.opcode == Opcode::ok) {
        begin_all(shard, frame.body);
      } else if (frame.header.opcode == Opcode::error) {
        const auto why = read_error(frame);
        spdlog::error("webhooks: shard {} gives out no wakes: {}", shard.value, why ? why->describe() : "?");
        refused_ = true;
      }
    }
    if (was_closed) side.link.reset();
  }

  void begin_all(ShardNumber shard, Bytes body) {
    static constexpr auto kInfo = operation_info<TakeWakes>();
    TakenWakes taken;
    if (const auto read = read_answer(kInfo, body, &taken); !read) {
      spdlog::error("webhooks: {}", read.error().describe());
      return;
    }
    for (const auto& wake : taken.wakes) {
      const auto number = ++last_;
      underway_[number] = {.shard = shard, .agent = wake.agent, .wake = wake.wake};
      if (!poster_) make_poster();
      if (!poster_) {
        end({.number = number, .error = no_poster_});
        continue;
      }
      poster_->begin(number, {.url = wake.url, .body = wake.body, .headers = headers_of(wake, options_.software)},
                     {.timeout = options_.timeout, .local = options_.local});
    }
  }

  void make_poster() {
    auto made = Poster::make();
    if (made) {
      poster_ = std::move(*made);
    } else {
      no_poster_ = made.error().describe();
    }
  }

  void wait() {
    if (!poster_ || poster_->under_way() == 0) {
      pollfd waits{owner_.event_, POLLIN, 0};
      ::poll(&waits, 1, all_well() ? -1 : static_cast<int>(kRestMs.count()));
    }
    if (poster_) {
      const auto ended =
          poster_->step(owner_.event_, poster_->under_way() == 0 ? std::chrono::milliseconds(0) : kRestMs);
      for (const auto& outcome : ended) end(outcome);
    }
    eventfd_t seen = 0;
    (void)::eventfd_read(owner_.event_, &seen);
  }
  // Else it looks again after a while.
  bool all_well() const {
    return !refused_ && std::ranges::all_of(links_, [](const ShardSide& each) { return each.link != nullptr; });
  }

  // 2xx alone is success; its lease may be over, if the link broke: then the shard says so, and that is all.
  void end(const PostOutcome& outcome) {
    const auto found = underway_.find(outcome.number);
    const auto wake = std::move(found->second);
    underway_.erase(found);
    EndWake done{.agent = wake.agent, .wake = wake.wake};
    if (!outcome.error.empty()) {
      done.reason = outcome.error;
    } else if (outcome.status < 200 || outcome.status > 299) {
      done.reason = fmt::format("it answered {}", outcome.status);
    }
    done.outcome = done.reason.empty() ? WakeOutcome::done : WakeOutcome::failed;
    if (!done.reason.empty()) spdlog::warn("webhook of {}: {}", wake.agent, done.reason);
    auto& side = links_[wake.shard.value];
    if (!side.link) return;
    std::string frames;
    append_operation(frames, side.next++, done);
    side.link->send(frames);
  }

  Webhooks& owner_;
  WebhookOptions options_;
  std::vector<ShardSide> links_;
  std::unique_ptr<Poster> poster_;  // once there was something to post
  std::string no_poster_;
  std::map<std::uint64_t, Underway> underway_;
  std::uint64_t last_ = 0;
  bool refused_ = false;
};

Webhooks::Webhooks(std::uint32_t shards, Connect connect, const WebhookOptions& options)
    : shards_(shards),
      connect_(std::move(connect)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      options_(options) {}

Webhooks::~Webhooks() {
  stop();
  ::close(event_);
}

void Webhooks::start() {
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { Worker(*this).run(); });
  pthread_setname_np(thread_.native_handle(), "webhooks");
}

void Webhooks::stop() {
  stopping_ = true;
  (void)::eventfd_write(event_, 1);
  if (thread_.joinable()) thread_.join();
}

void Webhooks::change(const WebhookOptions& options) {
  {
    const std::lock_guard guard(lock_);
    options_ = options;
  }
  (void)::eventfd_write(event_, 1);
}

}  // namespace folkmoot
