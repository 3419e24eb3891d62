// Events that a stream of the first shard takes, wherever they were decided: what is promised of them, as crossing.hpp
// sees it from outside.
//
//   1. A position of the stream has one event, for ever; an event has one position.
//   2. One that was confirmed as kept is there in the end. What was refused never is.
#pragma once

#include <map>
#include <set>

#include "engine/stream.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class StrayEvents {
 public:
  explicit StrayEvents(RuleCounts& rules) : rules_(rules) {}

  /// The number of another event.
  std::uint64_t publish(std::size_t shard, bool of_completion) {
    events_.push_back({.shard = shard, .of_completion = of_completion});
    return events_.size() - 1;
  }
  void confirmed(std::uint64_t number) {
    expect(!events_[number].refused, "event {} was refused and confirmed", number);
    events_[number].confirmed = true;
  }
  void refused(std::uint64_t number) {
    expect(!events_[number].confirmed, "event {} was confirmed and refused", number);
    events_[number].refused = true;
  }
  /// The stream gives it out at that position.
  void read(Sequence at, std::uint64_t number) {
    expect(number > 0 && number < events_.size(), "event {} was never published", number);
    auto& event = events_[number];
    expect(!event.refused, "event {} was refused, and is kept", number);
    const auto [place, is_new] = by_position_.emplace(at, number);
    expect(place->second == number, "position {} has event {} and event {}", at.value, place->second, number);
    expect(event.at == 0 || event.at == at, "event {} is at position {} and at {}", number, event.at.value, at.value);
    event.at = at;
    if (!is_new || event.shard == 0) return;
    rules_.saw(event.of_completion ? Rule::stray_event_of_completion : Rule::stray_event_kept);
  }
  /// All was read that there is.
  void drained() {
    for (std::uint64_t number = 1; number < events_.size(); ++number) {
      const auto& event = events_[number];
      expect(!event.confirmed || event.at != 0, "event {} of shard {} was confirmed, and the stream does not have it",
             number, event.shard);
    }
    rules_.saw(Rule::stray_events_drained);
  }

 private:
  struct Event {
    std::size_t shard = 0;
    bool of_completion = false;  // which promises nothing
    bool confirmed = false, refused = false;
    Sequence at = 0;  // 0: not read yet
  };

  RuleCounts& rules_;
  std::vector<Event> events_{1};
  std::map<Sequence, std::uint64_t> by_position_;
};

}  // namespace folkmoot::simulation
