// Names and their numbers: what facts, entries and tables say instead of them. Agents and mailboxes share one table: an
// agent's mailbox has the agent's name. A name is noted in the log when a fact first needs its number.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <set>
#include <string>
#include <string_view>

#include "engine/ledger.hpp"
#include "engine/part.hpp"

namespace folkmoot {

/// The sender of what the server says by itself.
constexpr std::string_view kServerName = "$bus";
/// The mailbox whose dead letters are the messages that no route fitted.
constexpr std::string_view kUnrouted = "$unrouted";

class Names final : public PlainPart {
 public:
  /// `max`: so many are kept.
  Names(Ledger& ledger, std::size_t max) : ledger_(ledger), max_(max) { table_.emplace_back(); }

  /// 0 if the name has none.
  std::uint32_t find(std::string_view name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? 0 : found->second;
  }
  /// The number of a name, a new one if it has none. Errors: limit_reached.
  Result<std::uint32_t> number(std::string_view name) {
    if (const auto known = find(name)) return known;
    return add(name);
  }
  /// The number of a name that was looked up last time, most likely; 0 if it has none.
  std::uint32_t find(std::string_view name, std::uint32_t& memo) const {
    if (memo == 0 || table_[memo].name != name) memo = find(name);
    return memo;
  }

  bool holds(std::uint32_t number) const { return number < table_.size() && !table_[number].name.empty(); }
  /// Requires: holds(number).
  const std::string& operator[](std::uint32_t number) const { return table_[number].name; }
  /// One above the largest number.
  std::uint32_t end() const { return static_cast<std::uint32_t>(table_.size()); }

  /// Notes a name in the log that is not there. Requires: there is room for measure(number).
  void note(std::uint32_t number) {
    if (table_[number].place.lsn == 0) [[unlikely]]
      write(number);
  }
  /// False if there is no room.
  bool note_if_room(std::uint32_t number);
  /// What note() will write.
  void measure(std::uint32_t number, Draft& draft) const {
    const auto& known = table_[number];
    if (known.place.lsn == 0) draft.add(sizeof(NameAddedFact) + known.name.size());
  }
  /// The same of a name that may have no number yet.
  void measure(std::string_view name, Draft& draft) const;

  // -- recovery
  /// A number in use whose name may come later in the log: its fact was copied forward. False if it cannot be one.
  bool await(std::uint32_t number);
  bool knows(std::uint32_t number) const { return holds(number) || awaited_.contains(number); }
  /// A number whose name never came; 0 if there is none.
  std::uint32_t nameless() const { return awaited_.empty() ? 0 : *awaited_.begin(); }
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;

 private:
  struct Name {
    std::string name;
    FactPlace place;  // of its name_added fact; lsn 0: the log does not know it (yet)
  };

  [[gnu::noinline]] Result<std::uint32_t> add(std::string_view name);
  [[gnu::noinline]] void write(std::uint32_t number);
  bool restore(std::uint32_t number, std::string_view name);
  void put(std::uint32_t number, std::string_view name);

  Ledger& ledger_;
  const std::size_t max_;
  std::set<std::uint32_t> awaited_;
  std::deque<Name> table_;  // stable addresses: the keys of numbers_ are views of its names
  boost::unordered_flat_map<std::string_view, std::uint32_t> numbers_;
};

}  // namespace folkmoot
