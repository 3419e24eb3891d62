// When mailboxes were last read, told plainly: what the log says of it is not before what it said last, comes back
// after a crash, and is never far behind.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class ReadChecker final : public Checker {
 public:
  explicit ReadChecker(RuleCounts& rules) : rules_(rules) {}

  void on_read(const std::string& name, std::int64_t at, Lsn lsn) {
    auto& kept = reads_.try_emplace(name, kNever).first->second;
    expect(at >= kept.now(), "the last read of {} is noted as {} after {}", name, at, kept.now());
    kept.say(at, lsn);
    rules_.saw(Rule::read_noted);
  }
  void on_deleted(const std::string& name, Lsn lsn) { reads_.try_emplace(name, kNever).first->second.say(kNever, lsn); }

  void on_durable(Lsn end) override {
    for (auto& [name, kept] : reads_) kept.on_durable(end);
  }
  void recovered(Engine& engine, const std::vector<std::string>& names) override {
    for (const auto& name : names) {
      auto& kept = reads_.try_emplace(name, kNever).first->second;
      MailboxStats stats;
      const auto told = engine.mailboxes().stats(name, stats) ? stats.last_read.ms : kNever;
      expect(kept.may_be(told), "after the crash {} was last read at {}, which nobody said", name, told);
      if (told != kNever) rules_.saw(Rule::read_kept);
      kept.recovered(told);
    }
  }
  void compare(const Engine& engine) const override {
    for (const auto& [name, kept] : reads_) {
      MailboxStats stats;
      const auto told = engine.mailboxes().stats(name, stats) ? stats.last_read.ms : kNever;
      expect(told >= kept.now(), "{} was last read at {}, and the log says {}", name, told, kept.now());
    }
  }

 private:
  static constexpr std::int64_t kNever = -1;

  RuleCounts& rules_;
  std::map<std::string, Kept<std::int64_t>> reads_;
};

}  // namespace folkmoot::simulation
