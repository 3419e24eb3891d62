// The mailboxes that there are, by the number of the name whose they are.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/mailroom/mailbox.hpp"

namespace folkmoot {

class Mailboxes {
 public:
  /// `notes_made`: take_made() is asked now and then.
  explicit Mailboxes(bool notes_made) : notes_made_(notes_made) {}

  /// The name's mailbox, which is made when it is first asked for.
  Mailbox& operator[](NameId number) {
    if (number >= end() || !all_[number.value]) [[unlikely]]
      make(number);
    return *all_[number.value];
  }
  /// Null if the name has none.
  Mailbox* find(NameId number) { return number < end() ? all_[number.value].get() : nullptr; }
  const Mailbox* find(NameId number) const { return number < end() ? all_[number.value].get() : nullptr; }
  /// The name has none from now on, until it is asked for.
  void remove(NameId number) { all_[number.value].reset(); }
  /// One above the largest number of one.
  NameId end() const { return NameId{static_cast<std::uint32_t>(all_.size())}; }
  /// Those that were made since the last call, in the order they were.
  std::vector<NameId> take_made() { return std::exchange(made_, {}); }

 private:
  // Apart from operator[], which each message asks several times.
  [[gnu::noinline]] void make(NameId number) {
    if (number >= end()) all_.resize(std::size_t{number.value} + 1);
    all_[number.value] = std::make_unique<Mailbox>(number);
    if (notes_made_) made_.push_back(number);
  }

  const bool notes_made_;
  std::vector<std::unique_ptr<Mailbox>> all_;
  std::vector<NameId> made_;
};

}  // namespace folkmoot
