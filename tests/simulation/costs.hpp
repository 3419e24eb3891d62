// What conversations have cost: the sum of what their messages reported, each counted once, whatever crashes when.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

struct Cost {
  std::uint64_t tokens = 0, messages = 0;
  bool operator==(const Cost&) const = default;
};

class CostChecker final : public Checker {
 public:
  explicit CostChecker(RuleCounts& rules) : rules_(rules) {}

  /// A fact says what a conversation has cost. True if it is news, and not a copy.
  bool on_summed(const std::string& conversation, const Cost& sum, Lsn lsn) {
    auto& kept = sums_[conversation];
    const auto before = kept.now();
    kept.say(sum, lsn);
    if (sum == before) return false;
    expect(sum.messages == before.messages + 1 && sum.tokens >= before.tokens,
           "conversation {} cost {} tokens in {} messages, then {} in {}", conversation, before.tokens, before.messages,
           sum.tokens, sum.messages);
    expect(!reported_, "costs were added that no message reports");
    reported_ = {conversation, sum.tokens - before.tokens};
    return true;
  }
  /// A message was accepted. `tokens`: what it reports; 0: nothing.
  void on_accepted(const std::string& conversation, std::uint64_t tokens) {
    const bool reports = !conversation.empty() && tokens != 0;
    // What the sender of another is told of it comes behind the event of the same command.
    if (!reports && reported_ && of_event_ == reported_) return reported_.reset(), of_event_.reset();
    expect(reports == reported_.has_value(), "a message reports {} tokens, and they were {}added", tokens,
           reported_ ? "" : "not ");
    if (!reports) return;
    expect(reported_->first == conversation && reported_->second == tokens, "{} tokens of {} were added as {} of {}",
           tokens, conversation, reported_->second, reported_->first);
    reported_.reset();
    rules_.saw(Rule::cost_summed);
  }
  /// The same of one that waits in memory; without room in the log what it cost may be forgotten.
  void on_asked(const std::string& conversation, std::uint64_t tokens, bool may_lack_room) {
    if (conversation.empty() || tokens == 0) return;
    rules_.saw(Rule::request_costs);
    if (reported_) return on_accepted(conversation, tokens);
    expect(may_lack_room, "{} tokens of a request in memory were not added", tokens);
    auto& kept = sums_[conversation];
    kept.say({kept.now().tokens + tokens, kept.now().messages + 1}, 0);
  }
  /// An event comes last of what is published together, and reports that.
  void expect_event(const std::string& conversation, std::uint64_t tokens) {
    of_event_.reset();
    if (!conversation.empty() && tokens != 0) of_event_ = {conversation, tokens};
  }
  /// It was.
  void on_event(bool may_lack_room) {
    if (const auto event = std::exchange(of_event_, std::nullopt)) on_asked(event->first, event->second, may_lack_room);
  }
  void on_durable(Lsn end) override {
    for (auto& [name, kept] : sums_) kept.on_durable(end);
  }
  void crash() override {
    reported_.reset();
    of_event_.reset();
  }
  void recovered(const Engine& engine, const std::vector<std::string>&) override {
    for (auto& [name, kept] : sums_) {
      const auto sum = told(engine, name);
      expect(kept.may_be(sum), "after the crash conversation {} cost {} tokens in {} messages; it was {} in {}", name,
             sum.tokens, sum.messages, kept.now().tokens, kept.now().messages);
      if (sum.messages != 0) rules_.saw(Rule::cost_kept);
      kept.recovered(sum);
    }
  }
  void compare(const Engine& engine) const override {
    for (const auto& [name, kept] : sums_)
      expect(told(engine, name) == kept.now(), "conversation {} has another cost than was reported", name);
  }

 private:
  static Cost told(const Engine& engine, const std::string& name) {
    const auto sums = engine.causes().conversation(name);
    if (!sums) return {};
    return {static_cast<std::uint64_t>(sums->tokens), sums->messages};
  }

  RuleCounts& rules_;
  std::map<std::string, Kept<Cost>> sums_;
  std::optional<std::pair<std::string, std::uint64_t>> reported_, of_event_;
};

}  // namespace folkmoot::simulation
