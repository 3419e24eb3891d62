#include "access/mandate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"

namespace folkmoot::access {
namespace {

bool holds(const Rule& rule, const FilterInput* message, bool unseen) {
  if (!rule.filter) return true;
  return message == nullptr ? unseen : rule.filter->matches(*message);
}

std::string_view word(AccessAction action) { return kAccessActionWords[static_cast<std::size_t>(action)]; }

std::string describe(const Rule& rule) {
  auto text = fmt::format("{} {} {} {}", rule.deny ? "DENY" : "ALLOW", rule.subject, word(rule.action), rule.resource);
  if (rule.filter) text += fmt::format(" if {}", rule.filter->text());
  return text;
}

bool contains_all(const std::vector<std::shared_ptr<const Rule>>& all,
                  const std::vector<std::shared_ptr<const Rule>>& some) {
  return std::ranges::all_of(some, [&](const auto& each) { return std::ranges::find(all, each) != all.end(); });
}

}  // namespace

Mandate::Mandate(const Policy& policy, const Account& account)
    : account_(account.name),
      role_(account.role),
      names_(account.names),
      rights_(policy.rights_of(account.role)),
      unbound_(rights_.has(Right::secure)),
      ruled_(policy.ruled) {
  for (const auto& rule : policy.rules) {
    if (!rule->concerns(account_, role_)) continue;
    const auto action = static_cast<std::size_t>(rule->action);
    (rule->deny ? denies_ : allows_)[action].push_back(rule);
    looks_inside_ = looks_inside_ || rule->filter;
  }
}

bool Mandate::owns(std::string_view agent) const { return unbound_ || access::owns(names_, agent); }

Finding Mandate::decide(AccessAction action, std::string_view resource, Right base, const FilterInput* message) const {
  return decide(action, resource, base, message, {});
}

Finding Mandate::decide_unseen(AccessAction action, std::string_view resource, Right base) const {
  return decide(action, resource, base, nullptr, {.refuses = true, .allows = false});
}

Finding Mandate::decide(AccessAction action, std::string_view resource, Right base, const FilterInput* message,
                        Unseen unseen) const {
  using Why = Finding::Why;
  if (unbound_) return {.allowed = true, .why = Why::unbound};
  const auto kind = static_cast<std::size_t>(action);
  for (const auto& rule : denies_[kind]) {
    if (rule->meets(resource) && holds(*rule, message, unseen.refuses)) return {.why = Why::denied, .rule = rule.get()};
  }
  if (base == Right::secure) return {.allowed = rights_.has(base), .why = Why::role, .right = base};
  const bool is_own = action == AccessAction::consume && owns(resource);
  if (is_own && rights_.has(base)) return {.allowed = true, .why = Why::own, .right = base};
  for (const auto& rule : allows_[kind]) {
    if (rule->fits(resource) && holds(*rule, message, unseen.allows))
      return {.allowed = true, .why = Why::allowed, .rule = rule.get()};
  }
  if (ruled_.test(kind)) return {.why = Why::ruled};
  if (action == AccessAction::consume && !is_own) base = Right::administer;
  return {.allowed = rights_.has(base), .why = Why::role, .right = base};
}

std::string Mandate::explain(const Finding& finding, AccessAction action, std::string_view resource) const {
  using Why = Finding::Why;
  const auto right = kRightWords[static_cast<std::size_t>(finding.right)];
  switch (finding.why) {
    case Why::unbound:
      return fmt::format("role {} may do everything", role_);
    case Why::denied:
    case Why::allowed:
      return fmt::format("rule {}", describe(*finding.rule));
    case Why::own:
      return fmt::format("{} is one of the account's own names", printable(resource));
    case Why::ruled:
      return fmt::format("there are rules about {}, and none allows it", word(action));
    case Why::role:
      return fmt::format("role {} {} the right to {}", role_, finding.allowed ? "has" : "does not have", right);
  }
  return {};
}

bool Mandate::keeps_all_of(const Mandate& before) const {
  if (unbound_) return true;
  if (before.unbound_ || !rights_.covers(before.rights_) || (ruled_ & ~before.ruled_).any()) return false;
  const bool has_names = std::ranges::all_of(
      before.names_, [&](const auto& name) { return std::ranges::find(names_, name) != names_.end(); });
  if (!has_names) return false;
  for (std::size_t kind = 0; kind < kActions; ++kind) {
    if (!contains_all(allows_[kind], before.allows_[kind]) || !contains_all(before.denies_[kind], denies_[kind]))
      return false;
  }
  return true;
}

}  // namespace folkmoot::access
