// Names and their numbers. Agents and mailboxes share one table: an agent's mailbox has the agent's name.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/mailbox.hpp"

namespace folkmoot {

struct Party {
  std::string name;
  FactPlace place;                   // of its party_named fact; lsn 0: the log does not know it (yet)
  double load = 0;                   // as the agent reported it
  std::unique_ptr<Mailbox> mailbox;  // made when first asked for
};

class Parties {
 public:
  /// `notes_made`: take_made() is asked now and then.
  explicit Parties(bool notes_made) : notes_made_(notes_made) { table_.emplace_back(); }

  /// 0 if the name has none.
  std::uint32_t find(std::string_view name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? 0 : found->second;
  }
  std::uint32_t add(std::string_view name) {
    const auto number = static_cast<std::uint32_t>(table_.size());
    put(number, name);
    return number;
  }
  /// A number in use whose name may come later in the log: its fact was copied forward (recovery).
  void await(std::uint32_t number) {
    if (holds(number)) return;
    while (table_.size() <= number) table_.emplace_back();
    awaited_.insert(number);
  }
  bool knows(std::uint32_t number) const { return holds(number) || awaited_.contains(number); }
  /// A number whose name never came; 0 if there is none.
  std::uint32_t nameless() const { return awaited_.empty() ? 0 : *awaited_.begin(); }
  /// Gives a name the number it had (recovery). False if either is taken by another.
  bool restore(std::uint32_t number, std::string_view name) {
    if (number < table_.size() && !table_[number].name.empty()) return table_[number].name == name;
    if (number == 0 || find(name) != 0) return false;
    put(number, name);
    return true;
  }

  bool holds(std::uint32_t number) const { return number < table_.size() && !table_[number].name.empty(); }
  Party& operator[](std::uint32_t number) { return table_[number]; }
  const Party& operator[](std::uint32_t number) const { return table_[number]; }
  /// One above the largest number.
  std::uint32_t end() const { return static_cast<std::uint32_t>(table_.size()); }
  std::size_t size() const { return numbers_.size(); }

  Mailbox& mailbox(std::uint32_t number) {
    auto& party = table_[number];
    if (!party.mailbox) [[unlikely]]
      make_mailbox(party, number);
    return *party.mailbox;
  }
  /// Those that got a mailbox since the last call.
  std::vector<std::uint32_t> take_made() { return std::exchange(made_, {}); }

 private:
  // Apart from mailbox(), which each message asks several times.
  [[gnu::noinline]] void make_mailbox(Party& party, std::uint32_t number) {
    party.mailbox = std::make_unique<Mailbox>(number);
    if (notes_made_) made_.push_back(number);
  }
  void put(std::uint32_t number, std::string_view name) {
    while (table_.size() <= number) table_.emplace_back();
    table_[number].name = name;
    awaited_.erase(number);
    numbers_.emplace(table_[number].name, number);
  }

  const bool notes_made_;
  std::vector<std::uint32_t> made_;
  std::set<std::uint32_t> awaited_;
  std::deque<Party> table_;  // stable addresses: the keys of numbers_ are views of its names
  boost::unordered_flat_map<std::string_view, std::uint32_t> numbers_;
};

}  // namespace folkmoot
