// Words that agents are found by, their capabilities and their types: each with a number, which agents keep in its
// place, and the set of those that have it. A word goes when nobody has it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.hpp"
#include "engine/registry/agent_set.hpp"

namespace folkmoot {

using WordNumber = StrongPlace<struct WordNumberTag, std::uint32_t>;

class WordIndex {
 public:
  /// The word's number, which is given one if it has none; the agent has it from now on.
  WordNumber add(std::string_view word, NameId agent) {
    const auto found = numbers_.find(word);
    const auto number = found != numbers_.end() ? found->second : make(word);
    words_[number.value].agents.add(agent);
    return number;
  }
  void remove(WordNumber number, NameId agent) {
    auto& word = words_[number.value];
    word.agents.remove(agent);
    if (!word.agents.empty()) return;
    numbers_.erase(numbers_.find(word.text));
    word = {};
    free_.push_back(number);
  }
  /// Null: nobody has it.
  const AgentSet* find(std::string_view word) const {
    const auto found = numbers_.find(word);
    return found == numbers_.end() ? nullptr : &words_[found->second.value].agents;
  }
  std::string_view operator[](WordNumber number) const { return words_[number.value].text; }
  /// Calls `each(word, agents)` for those that begin so, by the alphabet, until it returns false.
  template <class Each>
  void each_beginning(std::string_view prefix, Each each) const {
    for (auto at = numbers_.lower_bound(prefix); at != numbers_.end() && at->first.starts_with(prefix); ++at) {
      if (!each(std::string_view(at->first), words_[at->second.value].agents)) return;
    }
  }

 private:
  struct Word {
    std::string_view text{};  // of its key in numbers_
    AgentSet agents{};
  };

  WordNumber make(std::string_view word) {
    WordNumber number{static_cast<std::uint32_t>(words_.size())};
    if (free_.empty()) {
      words_.emplace_back();
    } else {
      number = free_.back();
      free_.pop_back();
    }
    words_[number.value].text = numbers_.emplace(word, number).first->first;
    return number;
  }

  std::map<std::string, WordNumber, std::less<>> numbers_;
  std::vector<Word> words_;  // by number
  std::vector<WordNumber> free_;
};

}  // namespace folkmoot
