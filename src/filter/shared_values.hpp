// What several filters read of one message: each place once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "filter/filter_input.hpp"
#include "filter/program.hpp"

namespace folkmoot {

class SharedValues {
 public:
  /// Another message: nothing is known of it. It must live as long as values are asked for.
  void begin(const FilterInput& input) {
    input_ = &input;
    if (++message_ != 0) return;
    for (auto& slot : slots_) slot.message = 0;  // the numbers of messages begin again
    message_ = 1;
  }
  void grow(std::size_t places) { slots_.resize(std::max(places, slots_.size())); }

  /// Text lives until begin(). Requires: grow() was told of it.
  const Value& at(std::uint32_t place, const Identifier& identifier) {
    auto& slot = slots_[place];
    if (slot.message != message_) {
      slot.value = input_->read(identifier, slot.id_text);
      slot.message = message_;
    }
    return slot.value;
  }

 private:
  struct Slot {
    Value value = null_value();
    std::uint32_t message = 0;  // that it is of
    FilterInput::IdText id_text{};
  };

  const FilterInput* input_ = nullptr;
  std::uint32_t message_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace folkmoot
