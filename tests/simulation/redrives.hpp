// Dead letters that are being sent again: which are to go, as what, and how fast.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class RedriveChecker final : public Checker {
 public:
  struct Job {
    std::map<MessageKey, std::uint64_t> becomes;  // numbers of what the dead letters become
    std::vector<MessageKey> order;
    std::size_t next = 0, sent = 0;
    std::uint32_t per_second = 0;
    std::int64_t began = 0;
  };
  using Id = std::pair<SessionId, RequestNumber>;

  explicit RedriveChecker(RuleCounts& rules) : rules_(rules) {}

  Job& begin(Id id) {
    lately_ = true;
    return jobs_[id];
  }
  void end(Id id) { jobs_.erase(id); }
  void close(SessionId session) {
    std::erase_if(jobs_, [&](const auto& each) { return each.first.first == session; });
  }
  void crash() override { jobs_.clear(); }
  bool any() const { return !jobs_.empty(); }
  /// Whether there was any within the command that ends now.
  bool end_command() { return std::exchange(lately_, any()); }
  const Job* find(Id id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second;
  }

  /// A dead letter is sent again now, as the message whose number is returned.
  std::uint64_t goes(MessageKey dead, std::int64_t now) {
    for (auto& [id, job] : jobs_) {
      const auto found = std::find(job.order.begin() + static_cast<std::ptrdiff_t>(job.next), job.order.end(), dead);
      if (found == job.order.end()) continue;
      job.next = static_cast<std::size_t>(found - job.order.begin()) + 1;
      ++job.sent;
      if (job.per_second != 0) {
        const auto due = static_cast<std::uint64_t>(now - job.began) * job.per_second / 1'000 + 1;
        expect(job.sent <= due, "{} dead letters were sent again in {} ms, and {} a second are the most", job.sent,
               now - job.began, job.per_second);
        if (job.sent > 1) rules_.saw(Rule::redrive_paced);
      }
      return job.becomes.at(dead);
    }
    expect(false, "a dead letter is sent again and nobody asked for it");
    return 0;
  }

 private:
  RuleCounts& rules_;
  std::map<Id, Job> jobs_;
  bool lately_ = false;
};

}  // namespace folkmoot::simulation
