// Webhooks, told plainly: each agent's as it was set last, with what was changed of it since. What was confirmed stands
// after any crash; what stands was asked for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/webhooks/webhook_rule.hpp"
#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class WebhookChecker final : public Checker {
 public:
  explicit WebhookChecker(RuleCounts& rules) : rules_(rules) {}

  /// What is being asked right now: whose, and what it is to be.
  std::string asking{};
  std::optional<WebhookRule> wanted{};

  std::optional<WebhookRule> rule_of(const std::string& agent) const {
    return rules_of_.contains(agent) ? rules_of_.at(agent).now() : std::nullopt;
  }

  /// Whose are there now.
  std::vector<std::string> there() const {
    std::vector<std::string> out;
    for (const auto& [agent, kept] : rules_of_)
      if (kept.now()) out.push_back(agent);
    return out;
  }

  /// False: it is a fact of another part.
  bool on_fact(FactKind kind, FactPlace place, Bytes body) {
    if (kind == FactKind::webhook_set) {
      WebhookRule rule;
      expect(unpack_webhook(body, rule).has_value(), "a webhook's fact does not parse");
      auto& kept = rules_of_[rule.agent];
      if (asking != rule.agent) {
        expect(kept.now() == rule, "the webhook of {} was set and nobody asked for it", rule.agent);
      } else {
        expect(!kept.now() || rule.revision > kept.now()->revision, "the webhook of {} has no new revision",
               rule.agent);
        if (wanted) wanted->revision = rule.revision;
        expect(wanted == rule, "the webhook of {} was set to something that nobody asked for", rule.agent);
        rules_.saw(Rule::webhook_set);
      }
      kept.say(rule, place.lsn);
      return true;
    }
    if (kind != FactKind::webhook_removed) return false;
    const std::string agent(as_text(body));
    expect(asking == agent && !wanted, "the webhook of {} was removed and nobody asked for it", agent);
    rules_of_[agent].say(std::nullopt, place.lsn);
    return true;
  }

  void on_durable(Lsn end) override {
    for (auto& [agent, kept] : rules_of_) kept.on_durable(end);
  }
  void crash() override { asking.clear(); }
  void recovered(Engine& engine, const std::vector<std::string>& /*names*/) override {
    std::size_t there = 0;
    for (auto& [agent, kept] : rules_of_) {
      const auto* const known = engine.webhooks().find(agent);
      const auto told = known != nullptr ? std::optional(*known) : std::nullopt;
      expect(kept.may_be(told), "after the crash the webhook of {} is none of those it may be", agent);
      if (told) rules_.saw(Rule::webhook_kept);
      there += told.has_value();
      kept.recovered(told);
    }
    std::size_t all = 0;
    engine.webhooks().each([&](const auto&) { ++all; });
    expect(all == there, "after the crash there are webhooks that nobody set");
  }

 private:
  RuleCounts& rules_;
  std::map<std::string, Kept<std::optional<WebhookRule>>> rules_of_;
};

}  // namespace folkmoot::simulation
