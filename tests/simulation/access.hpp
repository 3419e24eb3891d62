// Who may do what, told plainly: accounts by name, each in one of several forms, and rules by key. What was withdrawn
// and confirmed is withdrawn after any crash; what is in force was said to be so by somebody.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "access/policy.hpp"
#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class AccessChecker final : public Checker {
 public:
  explicit AccessChecker(RuleCounts& rules) : rules_(rules) {}

  /// As its fact has it: what two forms of one are told apart by.
  using Form = std::optional<std::string>;
  /// What is being asked right now: a key of kept_, and what it is to be.
  std::string asking{};
  Form wanted{};

  static std::string of_account(std::string_view name) { return std::string("account ").append(name); }
  static std::string of_rule(std::string_view key) { return std::string("rule ").append(key); }
  bool has(const std::string& key) const { return kept_.contains(key) && kept_.at(key).now().has_value(); }

  /// False: it is a fact of another part.
  bool on_fact(FactKind kind, FactPlace place, Bytes body) {
    switch (kind) {
      case FactKind::account_set:
        return on_set(of_account(access::unpack_account(body)->name), std::string(as_text(body)), place.lsn);
      case FactKind::rule_set:
        return on_set(of_rule(access::unpack_rule(body)->key()), std::string(as_text(body)), place.lsn);
      case FactKind::account_removed:
        return on_removed(of_account(as_text(body)), place.lsn);
      case FactKind::rule_removed:
        return on_removed(of_rule(as_text(body)), place.lsn);
      default:
        return false;
    }
  }

  void on_durable(Lsn end) override {
    for (auto& [key, kept] : kept_) kept.on_durable(end);
  }
  void crash() override { asking.clear(); }
  void compare(const Engine& engine) const override {
    const auto told = told_by(engine);
    for (const auto& [key, kept] : kept_) expect(form_in(told, key) == kept.now(), "{} is not as it was set", key);
    expect_all_known(told);
  }
  void recovered(const Engine& engine, const std::vector<std::string>& /*names*/) override {
    const auto told = told_by(engine);
    for (auto& [key, kept] : kept_) {
      const auto form = form_in(told, key);
      expect(kept.may_be(form), "after the crash {} is none of what it may be", key);
      if (form) rules_.saw(Rule::access_kept);
      if (!form && kept.is_certain()) rules_.saw(Rule::access_withdrawn_for_good);
      kept.recovered(form);
    }
    expect_all_known(told);
    expect(engine.accounts().version() == (told.empty() ? 0u : 1u), "a policy of a run before is in force");
  }

 private:
  using Told = std::map<std::string, std::string>;

  bool on_set(const std::string& key, const std::string& form, Lsn lsn) {
    auto& kept = kept_[key];
    if (asking != key) {
      expect(kept.now() == form, "{} was set and nobody asked for it", key);
      kept.say(form, lsn);  // copied forward
      return true;
    }
    expect(wanted == form, "{} was set to something that nobody asked for", key);
    kept.say(form, lsn);
    rules_.saw(Rule::access_set);
    return true;
  }
  bool on_removed(const std::string& key, Lsn lsn) {
    expect(asking == key && !wanted, "{} was removed and nobody asked for it", key);
    kept_[key].say(std::nullopt, lsn);
    return true;
  }
  static Told told_by(const Engine& engine) {
    const auto policy = engine.accounts().policy();
    Told told;
    for (const auto& [name, account] : policy.accounts) told[of_account(name)] = access::pack(*account);
    for (const auto& rule : policy.rules) told[of_rule(rule->key())] = access::pack(*rule);
    return told;
  }
  static Form form_in(const Told& told, const std::string& key) {
    const auto found = told.find(key);
    return found == told.end() ? std::nullopt : Form(found->second);
  }
  void expect_all_known(const Told& told) const {
    for (const auto& [key, form] : told) expect(kept_.contains(key), "{} is there, and nobody set it", key);
  }

  RuleCounts& rules_;
  std::map<std::string, Kept<Form>> kept_;
};

}  // namespace folkmoot::simulation
