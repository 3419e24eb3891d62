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
  Mailbox& operator[](std::uint32_t number) {
    if (number >= all_.size() || !all_[number]) [[unlikely]]
      make(number);
    return *all_[number];
  }
  /// Null if the name has none.
  Mailbox* find(std::uint32_t number) { return number < all_.size() ? all_[number].get() : nullptr; }
  const Mailbox* find(std::uint32_t number) const { return number < all_.size() ? all_[number].get() : nullptr; }
  /// The name has none from now on, until it is asked for.
  void remove(std::uint32_t number) { all_[number].reset(); }
  /// One above the largest number of one.
  std::uint32_t end() const { return static_cast<std::uint32_t>(all_.size()); }
  /// Those that were made since the last call, in the order they were.
  std::vector<std::uint32_t> take_made() { return std::exchange(made_, {}); }

 private:
  // Apart from operator[], which each message asks several times.
  [[gnu::noinline]] void make(std::uint32_t number) {
    if (number >= all_.size()) all_.resize(number + 1);
    all_[number] = std::make_unique<Mailbox>(number);
    if (notes_made_) made_.push_back(number);
  }

  const bool notes_made_;
  std::vector<std::unique_ptr<Mailbox>> all_;
  std::vector<std::uint32_t> made_;
};

}  // namespace folkmoot
