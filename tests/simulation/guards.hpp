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
  /// `entries_max`: so many pairs, and so many conversations, are counted a minute.
  GuardChecker(const GuardLimits& limits, std::size_t entries_max, RuleCounts& rules)
      : limits_(limits), entries_max_(entries_max), rules_(rules) {}

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
    add(counts_, {now / 60'000, sender, mailbox}, true);
    if (conversation != 0) add(counts_, {now / 60'000, kConversations, conversation}, true);
    if (!decided_on_ || is_bounce) return;
    add(*decided_on_, {now / 60'000, sender, mailbox}, false);
    if (conversation != 0) add(*decided_on_, {now / 60'000, kConversations, conversation}, false);
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
  using Key = std::tuple<std::int64_t, std::size_t, std::size_t>;  // minute, sender, mailbox
  using Counts = std::map<Key, std::uint32_t>;

  void add(Counts& counts, const Key& key, bool bounded) {
    const auto [minute, sender, mailbox] = key;
    const bool of_pairs = sender != kConversations;
    std::size_t others = 0;
    for (const auto& [other, count] : counts)
      others += std::get<0>(other) == minute && (std::get<1>(other) != kConversations) == of_pairs;
    if (bounded && others >= entries_max_ && !counts.contains(key)) return rules_.saw(Rule::guard_full);
    ++counts[key];
  }

  const GuardLimits limits_;
  const std::size_t entries_max_;
  RuleCounts& rules_;
  Counts counts_;
  std::optional<Counts> decided_on_;
};

}  // namespace folkmoot::simulation
