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
/// The mailbox of events that streams take and that were decided in another shard than theirs: on their way there.
constexpr std::string_view kStreamsMailbox = "$streams";

class Names final : public PlainPart {
 public:
  /// `max`: so many are kept.
  Names(Ledger& ledger, std::size_t max) : ledger_(ledger), max_(max) { table_.emplace_back(); }

  void set_max(std::size_t max) { max_ = max; }

  /// 0 if the name has none.
  NameId find(std::string_view name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? 0 : found->second;
  }
  /// The number of a name, a new one if it has none. Errors: limit_reached.
  Result<NameId> number(std::string_view name) {
    if (const auto known = find(name); known != 0) return known;
    return add(name);
  }
  /// The number of a name that was looked up last time, most likely; 0 if it has none.
  NameId find(std::string_view name, NameId& memo) const {
    if (memo == 0 || table_[memo.value].name != name) memo = find(name);
    return memo;
  }

  bool holds(NameId number) const { return number < end() && !table_[number.value].name.empty(); }
  /// Requires: holds(number).
  const std::string& operator[](NameId number) const { return table_[number.value].name; }
  /// One above the largest number.
  NameId end() const { return NameId{static_cast<std::uint32_t>(table_.size())}; }

  /// Notes a name in the log that is not there. Requires: there is room for measure(number).
  void note(NameId number) {
    if (table_[number.value].place.lsn == 0) [[unlikely]]
      write(number);
  }
  /// False if there is no room.
  bool note_if_room(NameId number);
  /// What note() will write.
  void measure(NameId number, Draft& draft) const {
    const auto& known = table_[number.value];
    if (known.place.lsn == 0) draft.add(sizeof(NameAddedFact) + known.name.size());
  }
  /// The same of a name that may have no number yet.
  void measure(std::string_view name, Draft& draft) const;

  // -- recovery
  /// A number in use whose name may come later in the log: its fact was copied forward. False if it cannot be one.
  bool await(NameId number);
  bool knows(NameId number) const { return holds(number) || awaited_.contains(number); }
  /// A number whose name never came; 0 if there is none.
  NameId nameless() const { return awaited_.empty() ? 0 : *awaited_.begin(); }
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;

 private:
  struct Name {
    std::string name;
    FactPlace place;  // of its name_added fact; lsn 0: the log does not know it (yet)
  };

  // Gives it the next number, in memory alone. Errors: limit_reached. Requires: it has none.
  [[gnu::noinline]] Result<NameId> add(std::string_view name);
  // The fact that says so. Requires: room for it, and that the log does not know it.
  [[gnu::noinline]] void write(NameId number);
  bool restore(NameId number, std::string_view name);
  // Requires: the number has no name, and the name no number.
  void put(NameId number, std::string_view name);

  Ledger& ledger_;
  std::size_t max_;
  std::set<NameId> awaited_;
  std::deque<Name> table_;  // stable addresses: the keys of numbers_ are views of its names
  boost::unordered_flat_map<std::string_view, NameId> numbers_;
};

}  // namespace folkmoot
