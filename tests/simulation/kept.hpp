// A value that the log keeps: what it is now, and what it may be after a crash.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/fact_log.hpp"

namespace folkmoot::simulation {

template <class T>
class Kept {
 public:
  Kept() : Kept(T{}) {}
  explicit Kept(T value) : possible_{{std::move(value), 0}} {}

  const T& now() const { return possible_.back().value; }
  /// A fact at `lsn` says so; 0: it had no room, and may be forgotten.
  void say(T value, Lsn lsn) { possible_.push_back({std::move(value), lsn}); }
  /// What was said before the last durable fact is overtaken.
  void on_durable(Lsn end) {
    for (auto i = possible_.size(); i-- > 1;) {
      if (possible_[i].lsn == 0 || possible_[i].lsn >= end) continue;
      possible_.erase(possible_.begin(), possible_.begin() + static_cast<std::ptrdiff_t>(i));
      possible_.front().lsn = 0;
      return;
    }
  }
  bool may_be(const T& value) const {
    return std::ranges::any_of(possible_, [&](const Said& said) { return said.value == value; });
  }
  bool is_certain() const { return possible_.size() == 1; }
  void recovered(T value) { possible_ = {{std::move(value), 0}}; }

 private:
  struct Said {
    T value;
    Lsn lsn = 0;
  };
  std::vector<Said> possible_;  // the first is durable
};

}  // namespace folkmoot::simulation
