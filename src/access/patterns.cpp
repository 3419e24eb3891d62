#include "access/patterns.hpp"

#include "message/topic.hpp"

namespace folkmoot::access {
namespace {

// The words of a pattern, one after the other.
class Words {
 public:
  explicit Words(std::string_view pattern) : rest_(pattern) { step(); }
  bool at_end() const { return at_end_; }
  bool is_rest() const { return !at_end_ && word_ == ">"; }
  bool is_any() const { return !at_end_ && word_ == "*"; }
  std::string_view word() const { return word_; }
  void step() {
    at_end_ = !more_;
    if (more_) word_ = cut_word(rest_, more_);
  }

 private:
  std::string_view rest_, word_;
  bool more_ = true, at_end_ = false;
};

}  // namespace

// Linear but for what `*` has taken: a later one never has to give back what an earlier one took.
bool name_fits(std::string_view pattern, std::string_view name) {
  std::size_t at = 0, read = 0, star = std::string_view::npos, from = 0;
  while (read < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      from = read;
    } else if (at < pattern.size() && pattern[at] == name[read]) {
      ++at;
      ++read;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      read = ++from;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

bool topics_cover(std::string_view outer, std::string_view inner) {
  Words all(outer), some(inner);
  for (; !all.at_end() && !some.at_end(); all.step(), some.step()) {
    if (all.is_rest()) return true;
    if (some.is_rest() || (!all.is_any() && all.word() != some.word())) return false;
  }
  return all.at_end() && some.at_end();
}

bool topics_meet(std::string_view a, std::string_view b) {
  Words one(a), other(b);
  for (; !one.at_end() && !other.at_end(); one.step(), other.step()) {
    if (one.is_rest() || other.is_rest()) return true;
    if (!one.is_any() && !other.is_any() && one.word() != other.word()) return false;
  }
  return one.at_end() && other.at_end();
}

}  // namespace folkmoot::access
