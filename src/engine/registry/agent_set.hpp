// A set of agents by their name ids, which is walked over in their order and intersected with others: a sorted list
// while it is thin, a bitmap once that takes less.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/uuid.hpp"

namespace folkmoot {

class AgentSet {
 public:
  static constexpr std::size_t kWordBits = 64;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool is_dense() const { return !words_.empty(); }

  bool has(NameId agent) const {
    if (!is_dense()) return std::ranges::binary_search(list_, agent.value);
    const auto word = agent.value / kWordBits;
    return word < words_.size() && (words_[word] >> agent.value % kWordBits & 1) != 0;
  }
  void add(NameId agent) {
    if (is_dense()) {
      set(agent.value);
    } else if (const auto at = std::ranges::lower_bound(list_, agent.value); at == list_.end() || *at != agent.value) {
      list_.insert(at, agent.value);
      ++size_;
      if (size_ > kThinMost && size_ * kThinness > list_.back()) make_dense();
    }
  }
  void remove(NameId agent) {
    if (!is_dense()) {
      const auto at = std::ranges::lower_bound(list_, agent.value);
      if (at == list_.end() || *at != agent.value) return;
      list_.erase(at);
      --size_;
    } else if (has(agent)) {
      words_[agent.value / kWordBits] &= ~(std::uint64_t{1} << agent.value % kWordBits);
      --size_;
      if (size_ * 4 * kThinness < words_.size() * kWordBits || size_ <= kThinMost / 2) make_thin();
    }
  }
  /// Adds all of another one's.
  void unite(const AgentSet& other) {
    if (!is_dense()) make_dense();
    if (!other.is_dense()) {
      for (const auto value : other.list_) set(value);
      return;
    }
    if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
    size_ = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (i < other.words_.size()) words_[i] |= other.words_[i];
      size_ += static_cast<std::size_t>(std::popcount(words_[i]));
    }
  }

  /// Calls `each(agent)` for those that are in all of the sets, in their order, from the one behind `after` on, until
  /// it returns false. Requires: there is a set.
  template <class Each>
  static void each_in_all(std::span<const AgentSet* const> sets, NameId after, Each each) {
    const auto* const smallest = *std::ranges::min_element(sets, {}, [](const AgentSet* set) { return set->size(); });
    if (!smallest->is_dense()) {
      for (auto at = std::ranges::upper_bound(smallest->list_, after.value); at != smallest->list_.end(); ++at) {
        const NameId agent{*at};
        const bool in_all =
            std::ranges::all_of(sets, [&](const AgentSet* set) { return set == smallest || set->has(agent); });
        if (in_all && !each(agent)) return;
      }
      return;
    }
    auto end = smallest->words_.size();
    for (const auto* const set : sets) end = set->is_dense() ? std::min(end, set->words_.size()) : end;
    const auto first = std::size_t{after.value} + 1;
    for (auto word = first / kWordBits; word < end; ++word) {
      auto bits = word == first / kWordBits ? ~std::uint64_t{0} << first % kWordBits : ~std::uint64_t{0};
      for (const auto* const set : sets) bits &= set->is_dense() ? set->words_[word] : ~std::uint64_t{0};
      for (; bits != 0; bits &= bits - 1) {
        const NameId agent{static_cast<std::uint32_t>(word * kWordBits) +
                           static_cast<std::uint32_t>(std::countr_zero(bits))};
        const bool in_all =
            std::ranges::all_of(sets, [&](const AgentSet* set) { return set->is_dense() || set->has(agent); });
        if (in_all && !each(agent)) return;
      }
    }
  }

 private:
  static constexpr std::size_t kThinMost = 64;  // so many are a list in any case
  static constexpr std::size_t kThinness = 32;  // a list's entry has the bits of so many agents

  void set(std::uint32_t value) {
    const auto word = value / kWordBits;
    if (word >= words_.size()) words_.resize(word + 1);
    const auto bit = std::uint64_t{1} << value % kWordBits;
    size_ += (words_[word] & bit) == 0;
    words_[word] |= bit;
  }
  void make_dense() {
    words_.resize(list_.empty() ? 1 : list_.back() / kWordBits + 1);
    size_ = 0;
    for (const auto value : list_) set(value);
    list_ = {};
  }
  void make_thin() {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      for (auto bits = words_[word]; bits != 0; bits &= bits - 1)
        list_.push_back(static_cast<std::uint32_t>(word * kWordBits) +
                        static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
    words_ = {};
  }

  std::vector<std::uint32_t> list_;   // sorted; while it is thin
  std::vector<std::uint64_t> words_;  // else
  std::size_t size_ = 0;
};

}  // namespace folkmoot
