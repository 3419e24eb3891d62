// Causes and the limits on loops, told plainly: how many causes stand before a message, and which budgets are used up.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/rules.hpp"

namespace folkmoot::simulation {

constexpr std::size_t kChainKept = 16;

/// What is known of a message that names a cause.
struct Caused {
  Uuid cause;
  std::uint32_t said = 0;   // hops, as its sender claims
  std::uint32_t hops = 0;   // as the server must count
  std::vector<Uuid> chain;  // the last causes, oldest first

  /// One more, after a message with these causes.
  static Caused after(const Uuid& cause, std::uint32_t hops, std::vector<Uuid> chain) {
    chain.push_back(cause);
    if (chain.size() > kChainKept) chain.erase(chain.begin());
    return {.cause = cause, .said = 0, .hops = hops + 1, .chain = std::move(chain)};
  }
};

class GuardChecker final : public Checker {
 public:
  GuardChecker(const GuardLimits& limits, RuleCounts& rules) : limits_(limits), rules_(rules) {}

  /// What is decided together is decided at once: only its own messages count, one before the other, nothing that comes
  /// in between.
  void begin_together() {
    if (!decided_on_) decided_on_ = counts_;
  }
  void end_together() { decided_on_.reset(); }

  bool trips(std::size_t sender, std::size_t mailbox, std::uint32_t conversation, std::uint32_t hops,
             std::int64_t now) {
    const auto& counts = decided_on_ ? *decided_on_ : counts_;
    const auto used = [&](std::size_t a, std::size_t b) {
      const auto found = counts.find({now / 60'000, a, b});
      return found == counts.end() ? 0 : found->second;
    };
    const auto trips = [&](Rule rule, bool over) {
      if (over) rules_.saw(rule);
      return over;
    };
    return trips(Rule::guard_hops, limits_.hops_max != 0 && hops > limits_.hops_max) ||
           trips(Rule::guard_pair, limits_.pair_per_minute != 0 && used(sender, mailbox) >= limits_.pair_per_minute) ||
           trips(Rule::guard_conversation, limits_.conversation_per_minute != 0 && conversation != 0 &&
                                               used(kConversations, conversation) >= limits_.conversation_per_minute);
  }
  void count(std::size_t sender, std::size_t mailbox, std::uint32_t conversation, std::int64_t now, bool is_bounce) {
    const auto add = [&](Counts& counts) {
      ++counts[{now / 60'000, sender, mailbox}];
      if (conversation != 0) ++counts[{now / 60'000, kConversations, conversation}];
    };
    add(counts_);
    if (decided_on_ && !is_bounce) add(*decided_on_);
  }
  /// Forgets what was counted since.
  void restore(const GuardChecker& before) { counts_ = before.counts_; }
  void after_command(std::int64_t) override { end_together(); }
  void crash() override {
    counts_.clear();
    decided_on_.reset();
  }

 private:
  static constexpr std::size_t kConversations = ~std::size_t{0};
  using Counts =
      std::map<std::tuple<std::int64_t, std::size_t, std::size_t>, std::uint32_t>;  // minute, sender, mailbox

  const GuardLimits limits_;
  RuleCounts& rules_;
  Counts counts_;
  std::optional<Counts> decided_on_;
};

}  // namespace folkmoot::simulation
