// Routes, told plainly: by their order, the first that fits and has a target that can take the message; and which of
// its targets may get it.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/checker.hpp"
#include "simulation/kept.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

struct RouteSpec {
  std::uint32_t order = 0;
  Priority priority_max = 0;                                   // its filter: messages up to this; 0: all
  std::vector<std::pair<std::size_t, std::uint32_t>> targets;  // mailbox and weight
  Strategy strategy{};
  bool consumers_only = false;
  bool operator==(const RouteSpec&) const = default;
};

class RouteChecker final : public Checker {
 public:
  explicit RouteChecker(RuleCounts& rules) : rules_(rules) {}

  /// What is being asked right now; an empty name: nothing.
  std::string setting, removing;
  RouteSpec spec;

  void on_set(const std::string& name, Lsn lsn) {
    auto& kept = routes_[name];
    if (setting != name) {
      expect(kept.now().has_value(), "route {} was set and nobody asked for it", name);
      return kept.say(kept.now(), lsn);  // copied forward
    }
    kept.say(spec, lsn);
    turns_.erase(name);
    rules_.saw(Rule::route_set);
  }
  void on_removed(const std::string& name, Lsn lsn) {
    expect(removing == name, "route {} was removed and nobody asked for it", name);
    routes_[name].say(std::nullopt, lsn);
    turns_.erase(name);
  }
  bool has(const std::string& name) const { return routes_.contains(name) && routes_.at(name).now().has_value(); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, kept] : routes_) {
      if (kept.now()) names.push_back(name);
    }
    return names;
  }
  bool any() const {
    return std::ranges::any_of(routes_, [](const auto& each) { return each.second.now().has_value(); });
  }

  /// The mailboxes that a message of that priority may go to now; empty: no route fits. `can(target, consumers_only)`:
  /// it has room, and if need be a free consumer; `load(target)`.
  template <class Can, class Load>
  std::set<std::size_t> choose(Priority priority, Can can, Load load) {
    hashed_ = nullptr;  // the message before may have been refused
    std::map<std::pair<std::uint32_t, std::string>, const RouteSpec*> in_order;
    for (const auto& [name, kept] : routes_) {
      if (kept.now()) in_order[{kept.now()->order, name}] = &*kept.now();
    }
    for (const auto& [place, route] : in_order) {
      if (route->priority_max != 0 && priority > route->priority_max) continue;
      std::vector<std::size_t> able;  // indices of targets
      for (std::size_t i = 0; i < route->targets.size(); ++i) {
        if (can(route->targets[i].first, route->consumers_only)) able.push_back(i);
      }
      if (able.empty()) continue;
      std::set<std::size_t> to;
      for (const auto i : pick(place.second, *route, able, priority, load)) to.insert(route->targets[i].first);
      return to;
    }
    return {};
  }
  /// The message went to `mailbox`: a hash sends the same there again.
  void went(std::size_t mailbox) {
    rules_.saw(Rule::routed);
    if (hashed_) *hashed_ = mailbox;
    hashed_ = nullptr;
  }

  void on_durable(Lsn end) override {
    for (auto& [name, kept] : routes_) kept.on_durable(end);
  }
  void crash() override {
    turns_.clear();
    hashed_ = nullptr;
    setting.clear();
    removing.clear();
  }
  void recovered(const Engine& engine, const std::vector<std::string>& names) override {
    std::map<std::string, std::optional<RouteSpec>> told;
    engine.routes().each([&](const Route& each) {
      RouteSpec is{.order = each.order,
                   .priority_max = 0,
                   .targets = {},
                   .strategy = each.strategy,
                   .consumers_only = each.consumers_only};
      if (each.filter) is.priority_max = static_cast<Priority>(std::stoi(std::string(each.filter->text().substr(12))));
      for (const auto& target : each.targets) {
        is.targets.emplace_back(std::ranges::find(names, target.name) - names.begin(), target.weight);
      }
      told[each.name] = is;
    });
    for (auto& [name, kept] : routes_) {
      expect(kept.may_be(told[name]), "after the crash route {} is none of those it may be", name);
      if (told[name]) rules_.saw(Rule::route_kept);
      kept.recovered(told[name]);
    }
    expect(told.size() == routes_.size(), "after the crash there are routes that nobody set");
  }
  static std::string filter(Priority priority_max) {
    return priority_max == 0 ? "" : fmt::format("priority <= {}", priority_max);
  }

 private:
  struct Turns {
    std::size_t last = 0;
    std::map<std::size_t, std::int64_t> owed;  // weighted
    std::map<std::pair<std::vector<std::size_t>, Priority>, std::optional<std::size_t>> hashed;
  };

  template <class Load>
  std::vector<std::size_t> pick(const std::string& name, const RouteSpec& route, const std::vector<std::size_t>& able,
                                Priority priority, Load load) {
    auto& turns = turns_[name];
    switch (route.strategy) {
      case Strategy::random:
        return able;
      case Strategy::round_robin: {  // the one that follows the last
        const auto next = std::ranges::upper_bound(able, turns.last);
        turns.last = next == able.end() ? able.front() : *next;
        return {turns.last};
      }
      case Strategy::weighted: {  // whoever is owed most
        std::int64_t sum = 0;
        auto best = able.front();
        for (const auto i : able) {
          turns.owed[i] += route.targets[i].second;
          sum += route.targets[i].second;
          if (turns.owed[i] > turns.owed[best]) best = i;
        }
        turns.owed[best] -= sum;
        return {best};
      }
      case Strategy::least_loaded: {
        std::vector<std::size_t> least;
        for (const auto i : able) {
          const auto mine = load(route.targets[i].first);
          if (!least.empty() && mine > load(route.targets[least.front()].first)) continue;
          if (!least.empty() && mine < load(route.targets[least.front()].first)) least.clear();
          least.push_back(i);
        }
        return least;
      }
      case Strategy::hash: {
        auto& known = turns.hashed[{able, priority}];
        hashed_ = &known;
        if (!known) return able;
        for (const auto i : able) {
          if (route.targets[i].first == *known) return {i};
        }
        return able;
      }
    }
    return able;
  }

  RuleCounts& rules_;
  std::map<std::string, Kept<std::optional<RouteSpec>>> routes_;
  std::map<std::string, Turns> turns_;  // of this life
  std::optional<std::size_t>* hashed_ = nullptr;
};

}  // namespace folkmoot::simulation
