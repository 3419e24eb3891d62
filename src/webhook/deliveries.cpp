#include "webhook/deliveries.hpp"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "webhook/endpoint.hpp"
#include "webhook/failing.hpp"

namespace folkmoot {
namespace {

using EndpointNumber = std::uint64_t;

constexpr std::int64_t kLookMs = 1'000;  // at the longest between looks while requests are under way
constexpr std::size_t kConnectionsKept = 256;
constexpr std::int64_t kFailingNotedMs = 60'000;  // at the longest between notes while some fail
constexpr std::int64_t kRunningNotedMs = 1'000;   // ... of that the server runs

// Which endpoints have something on their links. Rung on reactors' threads.
class Bell {
 public:
  explicit Bell(int event) : event_(event) {}

  void ring(EndpointNumber number) {
    {
      const std::lock_guard guard(lock_);
      if (!rung_.insert(number).second) return;
    }
    (void)::eventfd_write(event_, 1);
  }
  std::set<EndpointNumber> take() {
    const std::lock_guard guard(lock_);
    return std::exchange(rung_, {});
  }

 private:
  const int event_;
  std::mutex lock_;
  std::set<EndpointNumber> rung_;  // guarded by lock_
};

PostTime time_now() {
  using std::chrono::milliseconds;
  const auto ms = [](auto clock) { return std::chrono::duration_cast<milliseconds>(clock.time_since_epoch()).count(); };
  return {.steady_ms = ms(std::chrono::steady_clock::now()), .wall = Instant{ms(std::chrono::system_clock::now())}};
}

}  // namespace

// What the thread has.
class Deliveries::Worker {
 public:
  explicit Worker(Deliveries& owner) : owner_(owner), bell_(std::make_shared<Bell>(owner.event_)) {}

  void run() {
    {
      const std::lock_guard guard(owner_.lock_);
      options_ = owner_.options_;
    }
    if (auto read = read_failing(options_.failing_file)) {
      written_ = failing_ = std::move(read->webhooks);
      ran_until_ = read->ran_until;
    } else {
      spdlog::warn("webhooks: since when they fail is not known, and counts from now: {}", read.error().describe());
    }
    while (!owner_.stopping_) {
      {
        const std::lock_guard guard(owner_.lock_);
        options_ = owner_.options_;
      }
      now_ = time_now();
      look_at_rules();
      for (const auto number : bell_->take()) {
        if (auto* const endpoint = find(number)) {
          endpoint->read(now_);
          go_on(number, *endpoint);
        }
      }
      look_at_times();
      let_in();
      note_failing();
      wait();
    }
    note_failing();
    for (auto& [number, known] : endpoints_) known.endpoint->close();
  }

 private:
  struct Known {
    std::unique_ptr<Endpoint> endpoint;
    std::string agent;
    SharedWebhookRule rule{};  // as it was told
    std::int64_t at = 0;       // its time in times_
    bool waits = false;        // it stands in hungry_
    bool is_set = false;       // by the rules of now
  };

  Endpoint* find(EndpointNumber number) {
    const auto found = endpoints_.find(number);
    return found == endpoints_.end() ? nullptr : found->second.endpoint.get();
  }

  void look_at_rules() {
    const auto version = owner_.board_.version();
    if (version == seen_) return;
    seen_ = version;
    for (auto& [number, known] : endpoints_) known.is_set = false;
    const auto rules = owner_.board_.rules();
    for (const auto& [shard, rule] : rules) {
      const auto& agent = rule->agent;
      auto& number = numbers_[agent];
      if (number == 0) {
        number = ++last_endpoint_;
        endpoints_[number] = make(number, agent);
      }
      auto& known = endpoints_[number];
      known.is_set = true;
      if (known.rule == rule) continue;
      const bool is_new = known.rule == nullptr;
      known.rule = rule;
      known.endpoint->set_rule(shard, *rule, now_);
      const auto before = failing_.find(agent);
      if (is_new && before != failing_.end() && before->second.revision == rule->revision)
        known.endpoint->go_on_failing(before->second, ran_until_, now_);
      go_on(number, *known.endpoint);
    }
    for (auto at = endpoints_.begin(); at != endpoints_.end();) {
      const auto number = at->first;
      auto& known = (at++)->second;
      if (known.is_set) continue;
      known.endpoint->remove();
      go_on(number, *known.endpoint);
    }
  }

  Known make(EndpointNumber number, const std::string& agent) {
    Endpoint::Ways ways{
        .connect =
            [this, number](ShardNumber shard) {
              return owner_.connect_(shard, [bell = bell_, number] { bell->ring(number); });
            },
        .post = [this, number](PostRequest request,
                               const PostLimits& limits) { return post(number, std::move(request), limits); },
        .board = owner_.board_};
    return {.endpoint = std::make_unique<Endpoint>(agent, std::move(ways)), .agent = agent};
  }

  void go_on(EndpointNumber number, Endpoint& endpoint) {
    auto& known = endpoints_[number];
    const Endpoint::Settings settings{.timeout = options_.timeout,
                                      .local = options_.local,
                                      .notes_answers = options_.history,
                                      .software = options_.software};
    auto room = options_.deliveries > under_way_.size() ? options_.deliveries - under_way_.size() : 0;
    const auto wants = endpoint.go_on(settings, now_, room);
    if (known.at != wants.at) {
      if (known.at != 0) times_.erase({known.at, number});
      if (wants.at != 0) times_.emplace(wants.at, number);
      known.at = wants.at;
    }
    if (wants.room && !std::exchange(known.waits, true)) hungry_.push_back(number);
    if (const auto failing = endpoint.failing(); failing.since != 0) {
      failing_[known.agent] = failing;
    } else {
      failing_.erase(known.agent);
    }
    if (!endpoint.is_over()) return;
    endpoint.close();
    if (known.at != 0) times_.erase({known.at, number});
    failing_.erase(known.agent);
    numbers_.erase(known.agent);
    endpoints_.erase(number);
  }

  // Whenever one begins or ends to fail; and now and then how far it has come, from which the next run goes on. What
  // could not be written is tried again then.
  void note_failing() {
    if (options_.failing_file.empty()) return;
    const bool is_other = !std::ranges::equal(failing_, written_, [](const auto& one, const auto& other) {
      return one.first == other.first && one.second.is_same_failure(other.second);
    });
    const bool is_due = failing_ != written_ && now_.steady_ms >= written_at_ + kFailingNotedMs;
    if (!is_other && !is_due) return note_running();
    written_ = failing_;
    written_at_ = ran_at_ = now_.steady_ms;
    const auto done = write_failing(options_.failing_file, {.webhooks = failing_, .ran_until = now_.wall.ms});
    has_file_ = done.has_value();
    if (!done)
      spdlog::warn("webhooks: since when they fail is forgotten with the next restart: {}", done.error().describe());
  }

  // What a run before has left is not touched before this one has written what it knows: until then it may still be
  // wanted as it stands.
  void note_running() {
    if (!has_file_ || failing_.empty() || now_.steady_ms < ran_at_ + kRunningNotedMs) return;
    ran_at_ = now_.steady_ms;
    folkmoot::note_running(options_.failing_file, now_.wall.ms);
  }

  void look_at_times() {
    while (!times_.empty() && times_.begin()->first <= now_.steady_ms) {
      const auto [at, number] = *times_.begin();
      times_.erase(times_.begin());
      endpoints_[number].at = 0;
      go_on(number, *endpoints_[number].endpoint);
    }
  }

  // Those that wait for a request to end have turns.
  void let_in() {
    for (auto left = hungry_.size(); left > 0 && under_way_.size() < options_.deliveries; --left) {
      const auto number = hungry_.front();
      hungry_.pop_front();
      const auto found = endpoints_.find(number);
      if (found == endpoints_.end()) continue;
      found->second.waits = false;
      go_on(number, *found->second.endpoint);
    }
  }

  std::uint64_t post(EndpointNumber number, PostRequest request, const PostLimits& limits) {
    const auto mine = ++last_post_;
    under_way_[mine] = number;
    if (!poster_) {
      if (auto made = Poster::make(kConnectionsKept)) {
        poster_ = std::move(*made);
      } else {
        failed_.push_back({.number = mine, .error = made.error().describe(), .failure = PostFailure::unreachable});
        return mine;
      }
    }
    poster_->begin(mine, std::move(request), limits);
    return mine;
  }

  std::chrono::milliseconds wait_ms() const {
    if (!failed_.empty() || (!hungry_.empty() && under_way_.size() < options_.deliveries))
      return std::chrono::milliseconds(0);
    auto wait = kLookMs;
    if (!times_.empty()) wait = std::clamp<std::int64_t>(times_.begin()->first - now_.steady_ms, 0, kLookMs);
    return std::chrono::milliseconds(wait);
  }

  void wait() {
    const bool is_idle = !poster_ || poster_->under_way() == 0;
    if (is_idle) {
      const bool for_ever = times_.empty() && failed_.empty() && hungry_.empty() && failing_.empty();
      pollfd waits{owner_.event_, POLLIN, 0};
      ::poll(&waits, 1, for_ever ? -1 : static_cast<int>(wait_ms().count()));
    }
    auto ended = std::exchange(failed_, {});
    if (poster_) {
      auto more = poster_->step(owner_.event_, is_idle ? std::chrono::milliseconds(0) : wait_ms());
      std::ranges::move(more, std::back_inserter(ended));
    }
    eventfd_t seen = 0;
    (void)::eventfd_read(owner_.event_, &seen);
    now_ = time_now();
    for (auto& outcome : ended) end(std::move(outcome));
  }

  void end(PostOutcome outcome) {
    const auto found = under_way_.find(outcome.number);
    const auto number = found->second;
    const auto post = outcome.number;
    under_way_.erase(found);
    auto* const endpoint = find(number);
    endpoint->end(post, std::move(outcome), {.notes_answers = options_.history}, now_);
    go_on(number, *endpoint);
  }

  Deliveries& owner_;
  const std::shared_ptr<Bell> bell_;
  WebhookOptions options_;
  PostTime now_;
  std::uint64_t seen_ = 0;  // version of the rules
  std::map<EndpointNumber, Known> endpoints_;
  std::map<std::string, EndpointNumber> numbers_;
  EndpointNumber last_endpoint_ = 0;
  std::set<std::pair<std::int64_t, EndpointNumber>> times_;
  std::deque<EndpointNumber> hungry_;
  std::map<std::uint64_t, EndpointNumber> under_way_;  // requests, and whose
  std::uint64_t last_post_ = 0;
  std::vector<PostOutcome> failed_;             // that could not be begun
  std::unique_ptr<Poster> poster_;              // once there was something to post
  FailingWebhooks failing_;                     // as it is now
  FailingWebhooks written_;                     // as it stands in the file
  std::int64_t written_at_ = -kFailingNotedMs;  // steady
  bool has_file_ = false;                       // this run has written it
  std::int64_t ran_until_ = 0;                  // Unix ms: the run before
  std::int64_t ran_at_ = 0;                     // steady: when it was said that this one runs
};

Deliveries::Deliveries(WebhookBoard& board, Connect connect, const WebhookOptions& options)
    : board_(board),
      connect_(std::move(connect)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      options_(options) {}

Deliveries::~Deliveries() {
  stop();
  ::close(event_);
}

void Deliveries::start() {
  if (thread_.joinable()) return;
  board_.listen([event = event_] { (void)::eventfd_write(event, 1); });
  thread_ = std::thread([this] { Worker(*this).run(); });
  pthread_setname_np(thread_.native_handle(), "deliveries");
}

void Deliveries::stop() {
  stopping_ = true;
  (void)::eventfd_write(event_, 1);
  if (!thread_.joinable()) return;
  thread_.join();
  board_.listen(nullptr);
}

void Deliveries::change(const WebhookOptions& options) {
  {
    const std::lock_guard guard(lock_);
    options_ = options;
  }
  (void)::eventfd_write(event_, 1);
}

}  // namespace folkmoot
