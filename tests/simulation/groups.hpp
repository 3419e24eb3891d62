// Messages that share a group: the order they go out in, told plainly. One of them is out or next (the head); when it
// is gone the oldest of the others follows.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "base/uuid.hpp"

namespace folkmoot::simulation {

class GroupChecker {
 public:
  /// True if the message may go out.
  bool enter(std::size_t mailbox, std::uint32_t group, MessageKey key) {
    auto& of = groups_[{mailbox, group}];
    if (of.head == 0) of.head = key;
    if (of.head == key) return true;
    of.waiting.insert(key);
    return false;
  }
  /// After a restart: one that waits for its next attempt is still the one its group waits for.
  void enter_away(std::size_t mailbox, std::uint32_t group, MessageKey key) {
    auto& of = groups_[{mailbox, group}];
    if (of.head == 0) of.head = key;
  }
  /// The message is gone. The one that may go out now, or 0.
  MessageKey leave(std::size_t mailbox, std::uint32_t group, MessageKey key) {
    const auto found = groups_.find({mailbox, group});
    if (found == groups_.end()) return 0;
    auto& of = found->second;
    of.waiting.erase(key);
    if (of.head != key) return 0;
    if (of.waiting.empty()) return groups_.erase(found), MessageKey{};
    of.head = *of.waiting.begin();
    of.waiting.erase(of.waiting.begin());
    return of.head;
  }
  void clear() { groups_.clear(); }

 private:
  struct Group {
    MessageKey head = 0;
    std::set<MessageKey> waiting;
  };
  std::map<std::pair<std::size_t, std::uint32_t>, Group> groups_;
};

}  // namespace folkmoot::simulation
