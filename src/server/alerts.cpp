#include "server/alerts.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kTopic = "bus.alerts";
constexpr std::string_view kQueue = "queue_depth", kDead = "dead_letters", kFailed = "deliveries_failed",
                           kHeartbeat = "heartbeat_lost", kDisk = "disk_low", kRefuses = "durable_refused",
                           kUnreachable = "history_unreachable", kBehind = "history_behind";
constexpr std::size_t kMailboxesMax = 1'000;
constexpr std::int64_t kSampleMs = 1'000;
constexpr std::size_t kLossesMax = 10'000;

std::uint64_t sum(const std::array<std::atomic<std::uint64_t>, kShardsMax>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0},
                         [](std::uint64_t so_far, const auto& count) { return so_far + count.load(); });
}

}  // namespace

std::uint64_t Alerts::Minute::of(std::uint64_t total, std::int64_t now) {
  while (samples_.size() > 1 && samples_[1].first <= now - kMinuteMs) samples_.pop_front();
  if (samples_.empty() || samples_.back().first <= now - kSampleMs) samples_.emplace_back(now, total);
  return total - std::min(samples_.front().second, total);
}

std::vector<AlertRow> Alerts::rows() const {
  std::vector<AlertRow> out;
  for (const auto& [key, raised] : raised_) {
    out.push_back({.name = std::string(key.first),
                   .subject = key.second,
                   .severity = raised.severity == Severity::severe ? "critical" : "warning",
                   .value = raised.value,
                   .threshold = raised.threshold,
                   .since = raised.since});
  }
  return out;
}

void Alerts::look_at_all(std::int64_t now) {
  now_ = now;
  next_ = now + options_.every_ms;
  look_at_mailboxes();
  look_at_history();
  look_at_rates();
  const bool takes = ways_.takes_durable();
  judge(!takes, takes,
        {.kind = kRefuses,
         .subject = {},
         .severity = Severity::severe,
         .value = !takes,
         .text = takes ? "durable messages are taken" : "durable messages are refused: there is no room for them"});
  if (shard_ == 0) {
    look_at_registry();
    look_at_disk();
  }
  look_at_agents();
}

void Alerts::look_at_mailboxes() {
  if (options_.queue_depth == 0) return drop(kQueue);
  std::vector<Finding> findings;
  const auto add = [&](const MailboxStats& mailbox) {
    if (mailbox.is_misplaced || mailbox.name.starts_with('$')) return;
    if (mailbox.ready <= options_.queue_depth && !raised_.contains({kQueue, std::string(mailbox.name)})) return;
    findings.push_back({.kind = kQueue,
                        .subject = std::string(mailbox.name),
                        .value = mailbox.ready,
                        .threshold = options_.queue_depth,
                        .text = fmt::format("{} messages wait for {}", mailbox.ready, mailbox.name)});
  };
  engine_.mailboxes().each_fullest(kMailboxesMax, add);
  // Those that are among the fullest no more.
  for (const auto& [key, raised] : raised_) {
    if (key.first != kQueue || std::ranges::find(findings, key.second, &Finding::subject) != findings.end()) continue;
    MailboxStats one;
    if (engine_.mailboxes().stats(key.second, one)) {
      add(one);
    } else {
      findings.push_back({.kind = kQueue,
                          .subject = key.second,
                          .threshold = options_.queue_depth,
                          .text = fmt::format("{} has no mailbox any more", key.second)});
    }
  }
  for (const auto& finding : findings) judge_most(finding);
}

void Alerts::look_at_rates() {
  const auto& counters = engine_.counters();
  const auto failures = std::accumulate(counters.failed_by_end.begin(), counters.failed_by_end.end(), std::uint64_t{0});
  auto dead = counters.dead, failed = failures;
  if (board_ != nullptr) {
    board_->dead[shard_.value] = counters.dead;
    board_->failed[shard_.value] = failures;
    dead = sum(board_->dead);
    failed = sum(board_->failed);
  }
  if (shard_ != 0) return;
  dead = dead_.of(dead, now_);
  failed = failed_.of(failed, now_);
  if (options_.dead_per_minute == 0) {
    drop(kDead);
  } else {
    judge_most({.kind = kDead,
                .value = dead,
                .threshold = options_.dead_per_minute,
                .text = fmt::format("{} messages died within a minute", dead)});
  }
  if (options_.failed_per_minute == 0) return drop(kFailed);
  judge_most({.kind = kFailed,
              .value = failed,
              .threshold = options_.failed_per_minute,
              .text = fmt::format("{} deliveries failed within a minute", failed)});
}

// One that says it is away is so on purpose.
void Alerts::look_at_registry() {
  for (const auto& name : engine_.registry().take_health_news()) {
    const auto agent = engine_.registry().show(name);
    const bool is_lost = agent && agent->registered && agent->health == AgentHealth::stale &&
                         agent->record.status == AgentStatus::active;
    if (board_ == nullptr) {
      losses_.push_back({name, is_lost});
      continue;
    }
    const std::lock_guard guard(board_->lock);
    auto& losses = board_->losses[home_(name).value];
    if (losses.size() < kLossesMax) losses.push_back({name, is_lost});
  }
}

// One that is woken by its mail sleeps.
void Alerts::look_at_agents() {
  auto losses = std::exchange(losses_, {});
  if (board_ != nullptr) {
    const std::lock_guard guard(board_->lock);
    losses.swap(board_->losses[shard_.value]);
  }
  if (!options_.heartbeat) return drop(kHeartbeat);
  for (const auto& [name, is_missing] : losses) {
    const bool is_lost = is_missing && engine_.wakes().find(name) == nullptr;
    judge(is_lost, !is_lost,
          {.kind = kHeartbeat,
           .subject = name,
           .value = is_lost,
           .text = fmt::format(fmt::runtime(is_lost ? "{} is not heard of any more" : "{} is there again, or gone"),
                               name)});
  }
}

void Alerts::look_at_disk() {
  const auto disk = ways_.disk();
  if (options_.disk_free_percent == 0 || disk.total_bytes == 0) return drop(kDisk);
  const auto percent = disk.free_bytes / (disk.total_bytes / 100 + 1);
  judge(percent<options_.disk_free_percent, percent> options_.disk_free_percent,
        {.kind = kDisk,
         .severity = percent < options_.disk_free_percent / 2 ? Severity::severe : Severity::warning,
         .value = percent,
         .threshold = options_.disk_free_percent,
         .text = fmt::format("the data folder's disk has {} % left", percent)});
}

void Alerts::look_at_history() {
  const auto history = ways_.history();
  if (!history.kept) return;
  const bool is_reachable = history.reachable;
  const auto shard = shard_ == 0 ? std::string() : fmt::format("shard {}", shard_.value);
  if (shard_ == 0) {
    judge(!is_reachable, is_reachable,
          {.kind = kUnreachable,
           .value = !is_reachable,
           .text = is_reachable ? "the history's database takes what comes"
                                : "the history's database takes nothing; messages go on"});
  }
  if (options_.history_behind_bytes == 0) return drop(kBehind);
  judge_most({.kind = kBehind,
              .subject = shard,
              .value = history.behind_bytes,
              .threshold = options_.history_behind_bytes,
              .text = fmt::format("the history is {} bytes behind the journal", history.behind_bytes)});
}

void Alerts::judge_most(const Finding& finding) {
  judge(finding.value > finding.threshold, finding.value <= finding.threshold - finding.threshold / 5, finding);
}

void Alerts::judge(bool is_bad, bool is_good, const Finding& finding) {
  const auto found = raised_.find({finding.kind, finding.subject});
  if (found == raised_.end()) {
    if (!is_bad || raised_.size() >= kRaisedMax) return;
    raised_[{finding.kind, finding.subject}] = {finding.severity, finding.value, finding.threshold, now_};
    return tell(finding, true);
  }
  if (!is_good) {
    found->second.value = finding.value;
    found->second.threshold = finding.threshold;
    return;
  }
  raised_.erase(found);
  tell(finding, false);
}

void Alerts::drop(std::string_view kind) {
  for (auto at = raised_.begin(); at != raised_.end();) {
    if (at->first.first != kind) {
      ++at;
      continue;
    }
    const Finding finding{.kind = kind,
                          .subject = at->first.second,
                          .severity = at->second.severity,
                          .value = at->second.value,
                          .threshold = at->second.threshold,
                          .text = "it is not looked at any more"};
    at = raised_.erase(at);
    tell(finding, false);
  }
}

void Alerts::tell(const Finding& finding, bool is_raised) const {
  const auto subject = finding.subject.empty() ? std::string() : " " + finding.subject;
  if (is_raised) {
    spdlog::warn("alerts: {}{}: {}", finding.kind, subject, finding.text);
  } else {
    spdlog::info("alerts: {}{} is over: {}", finding.kind, subject, finding.text);
  }
  if (!engine_.announcer().is_heard(kTopic)) return;
  std::string event;
  JsonWriter json(event);
  json.begin_object().field("alert", finding.kind).field("state", is_raised ? "raised" : "cleared");
  json.field("severity", finding.severity == Severity::severe ? "critical" : "warning");
  json.optional_field("subject", finding.subject).field("value", finding.value).field("threshold", finding.threshold);
  json.field("text", finding.text).field("at", now_).end_object();
  engine_.announcer().announce(kTopic, event);
}

}  // namespace folkmoot
