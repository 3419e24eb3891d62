// What one account may do: the one place where that is decided. Made of a policy when the account's connection opens,
// and anew when the policy changes; asked for each frame.
//
//   1  whose role may say who may do what (admin) may do everything
//   2  what a DENY speaks of is refused
//   3  what wants the right to say so needs a role that has it: no rule gives that
//   4  the mailboxes of the account's own names are its to take from, if its role takes messages at all
//   5  what an ALLOW speaks of is allowed, whatever the role
//   6  where some rule speaks of the action, of whomever, all else is refused
//   7  else it is as the role says; mailboxes that are not the account's own want the right to administer
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/policy.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot::access {

struct Finding {
  enum class Why : std::uint8_t { unbound, denied, own, allowed, ruled, role };
  bool allowed = false;
  Why why{};
  const Rule* rule = nullptr;  // that decided
  Right right{};               // of Why::role: what was asked for

  bool by_rule() const { return why == Why::denied || why == Why::allowed || why == Why::ruled; }
};

class Mandate {
 public:
  Mandate() = default;
  Mandate(const Policy& policy, const Account& account);

  /// Whether nothing is ever refused it.
  bool is_unbound() const { return unbound_; }
  bool has(Right right) const { return rights_.has(right); }
  /// Whether it may speak as that agent.
  bool owns(std::string_view agent) const;

  /// `base`: the right that is wanted where no rule speaks. `message`: what filters of rules look at; null: they are
  /// taken to hold.
  Finding decide(AccessAction action, std::string_view resource, Right base,
                 const FilterInput* message = nullptr) const;
  /// Of a message that nobody has seen: a filter that refuses is taken to hold, and one that allows not to.
  Finding decide_unseen(AccessAction action, std::string_view resource, Right base) const;
  /// In words, for people.
  std::string explain(const Finding& finding, AccessAction action, std::string_view resource) const;

  /// Whether some rule looks into messages: then none is like another.
  bool looks_inside() const { return looks_inside_; }
  /// Whether all that `before` allowed is allowed still, as far as can be told without looking at each thing.
  bool keeps_all_of(const Mandate& before) const;

 private:
  // What a filter says of a message that is not there: of a rule that refuses, and of one that allows.
  struct Unseen {
    bool refuses = true, allows = true;
  };
  Finding decide(AccessAction action, std::string_view resource, Right base, const FilterInput* message,
                 Unseen unseen) const;

  std::string account_, role_;
  std::vector<std::string> names_;
  RightSet rights_;
  bool unbound_ = false, looks_inside_ = false;
  std::bitset<kActions> ruled_;
  std::array<std::vector<std::shared_ptr<const Rule>>, kActions> denies_, allows_;  // that concern it
};

}  // namespace folkmoot::access
