// The schedules that there are, by number and by name.
#pragma once

#include <map>
#include <string>

#include "engine/schedule.hpp"

namespace folkmoot {

class ScheduleTable {
 public:
  std::size_t size() const { return by_number_.size(); }
  Schedule* find(std::uint64_t number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : &found->second;
  }
  Schedule* find(std::string_view name) {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : find(found->second);
  }
  const Schedule* find(std::uint64_t number) const { return const_cast<ScheduleTable*>(this)->find(number); }
  /// Requires: neither number nor name is in use.
  Schedule& add(Schedule schedule) {
    by_name_.emplace(schedule.name, schedule.number);
    const auto number = schedule.number;
    return by_number_.emplace(number, std::move(schedule)).first->second;
  }
  void remove(std::uint64_t number) {
    const auto found = by_number_.find(number);
    by_name_.erase(found->second.name);
    by_number_.erase(found);
  }
  const std::map<std::uint64_t, Schedule>& all() const { return by_number_; }

 private:
  std::map<std::uint64_t, Schedule> by_number_;
  std::map<std::string, std::uint64_t, std::less<>> by_name_;
};

}  // namespace folkmoot
