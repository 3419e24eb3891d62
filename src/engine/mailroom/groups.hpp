// Messages that share a group key: delivered in the order they came, one at a time. The first of a group (its head) is
// where any message may be, ready, scheduled or leased; the others wait here until it has left.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mailroom/lane.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

class Census;

class Groups {
 public:
  /// Enters a message that is ready. True: it is its group's head, now or already, and may go out; false: it waits
  /// here.
  bool enter(NameId mailbox, std::string_view group, const QueuedMessage& message) {
    if (const auto known = members_.find(message.entry.key); known != members_.end()) {
      auto& of = *groups_[known->second];
      if (of.head == message.entry.key) return true;
      of.away.erase(message.entry.key);
      if (live_ && of.head == 0) {  // the others have left while it was away
        of.head = message.entry.key;
        return true;
      }
      of.waiting.emplace(message.entry.key, message);
      return false;
    }
    const auto slot = slot_of(mailbox, group);
    auto& of = *groups_[slot];
    members_.emplace(message.entry.key, slot);
    if (live_ && of.head == 0) {
      of.head = message.entry.key;
      return true;
    }
    of.waiting.emplace(message.entry.key, message);
    return false;
  }

  /// Enters a message that waits for a time, but is one of its group: it was handed out before (recovery).
  void enter_away(NameId mailbox, std::string_view group, MessageKey key) {
    if (members_.contains(key)) return;
    const auto slot = slot_of(mailbox, group);
    members_.emplace(key, slot);
    groups_[slot]->away.insert(key);
  }

  /// Recovery: the group of a message that waits for a time and is not one of it yet.
  void note(MessageKey key, std::string_view group) { noted_.emplace(key, group); }
  std::string noted(MessageKey key) const {
    const auto found = noted_.find(key);
    return found == noted_.end() ? std::string{} : found->second;
  }

  /// Of those that were noted and are not one of their group yet, in order.
  std::vector<MessageKey> not_joined() const {
    std::vector<MessageKey> keys;
    for (const auto& [key, group] : noted_) {
      if (!holds(key)) keys.push_back(key);
    }
    return keys;
  }

  bool holds(MessageKey key) const { return members_.contains(key); }

  /// The message, if it waits here; the pointer lives until the next change.
  QueuedMessage* find(MessageKey key) {
    const auto known = members_.find(key);
    if (known == members_.end()) return nullptr;
    auto& waiting = groups_[known->second]->waiting;
    const auto found = waiting.find(key);
    return found == waiting.end() ? nullptr : &found->second;
  }

  /// Calls `each` for all of that mailbox that wait here: group by group, in order until it returns false.
  template <class Each>
  void each_after(NameId mailbox, MessageKey key, Each each) const {
    const std::string prefix(reinterpret_cast<const char*>(&mailbox), sizeof mailbox);
    for (auto at = by_name_.lower_bound(prefix); at != by_name_.end() && at->first.starts_with(prefix); ++at) {
      const auto& waiting = groups_[at->second]->waiting;
      for (auto next = waiting.upper_bound(key); next != waiting.end(); ++next) {
        if (!each(next->second)) break;
      }
    }
  }

  /// Takes it out of those that wait here, still one of its group; nothing if it does not wait here.
  std::optional<QueuedMessage> take(MessageKey key) {
    const auto known = members_.find(key);
    if (known == members_.end()) return std::nullopt;
    auto& of = *groups_[known->second];
    const auto found = of.waiting.find(key);
    if (found == of.waiting.end()) return std::nullopt;
    const auto message = found->second;
    of.waiting.erase(found);
    of.away.insert(key);
    return message;
  }

  /// The message has left for good. The one that may go out now, if there is one.
  std::optional<QueuedMessage> leave(MessageKey key) {
    const auto known = members_.find(key);
    if (known == members_.end()) return std::nullopt;
    const auto slot = known->second;
    members_.erase(known);
    auto& of = *groups_[slot];
    of.waiting.erase(key);
    of.away.erase(key);
    if (of.head == key) of.head = 0;
    return next(slot);
  }

  /// Recovery is over: calls `out` for the head of each group that waits here.
  template <class Out>
  void begin(Out out) {
    live_ = true;
    noted_.clear();
    for (auto& [name, slot] : by_name_) {
      auto& of = *groups_[slot];
      if (!of.away.empty() && (of.waiting.empty() || *of.away.begin() < of.waiting.begin()->first)) {
        of.head = *of.away.begin();
        of.away.erase(of.away.begin());
      } else if (const auto first = next(slot)) {
        out(of.mailbox, *first);
      }
    }
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  // Those of one mailbox with one group key; it is there as long as one of them is.
  struct Group {
    NameId mailbox = 0;
    std::string name;  // mailbox number and group key: its place in the index
    MessageKey head = 0;
    std::map<MessageKey, QueuedMessage> waiting;
    std::set<MessageKey> away;  // others that are not here: scheduled before recovery, or just being taken out
  };

  // The group's slot, made if there is none.
  Slot slot_of(NameId mailbox, std::string_view group) {
    std::string name(reinterpret_cast<const char*>(&mailbox), sizeof mailbox);
    name.append(group);
    const auto [found, is_new] = by_name_.try_emplace(name, kNoSlot);
    if (is_new) {
      found->second = groups_.insert(std::make_unique<Group>());
      groups_[found->second]->mailbox = mailbox;
      groups_[found->second]->name = name;
    }
    return found->second;
  }

  // After its head has left: the one that is first now, or the end of the group. `slot` may be erased afterwards.
  std::optional<QueuedMessage> next(Slot slot) {
    auto& of = *groups_[slot];
    if (!live_ || of.head != 0) return drop_if_empty(slot), std::nullopt;
    if (of.waiting.empty()) return drop_if_empty(slot), std::nullopt;
    const auto first = of.waiting.begin()->second;
    of.waiting.erase(of.waiting.begin());
    of.head = first.entry.key;
    return first;
  }

  // Erases the slot if the group has nobody left, here or away.
  void drop_if_empty(Slot slot) {
    const auto& of = *groups_[slot];
    if (of.head != 0 || !of.waiting.empty() || !of.away.empty()) return;
    by_name_.erase(of.name);
    groups_.erase(slot);
  }

  bool live_ = false;
  Slab<std::unique_ptr<Group>> groups_;
  std::map<std::string, Slot> by_name_;  // ordered, as begin() walks over it
  boost::unordered_flat_map<MessageKey, Slot> members_;
  std::map<MessageKey, std::string> noted_;  // until recovery is over
};

}  // namespace folkmoot
