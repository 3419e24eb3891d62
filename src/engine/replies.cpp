#include "engine/replies.hpp"

namespace folkmoot {

std::uint32_t Replies::add(Slot batch, Result<Confirm> outcome) {
  counters_.refused += !outcome.has_value();
  auto& outcomes = batches_[batch];
  outcomes.push_back(std::move(outcome));
  return static_cast<std::uint32_t>(outcomes.size() - 1);
}

void Replies::refuse(Slot batch, std::uint32_t place, Error error) {
  ++counters_.refused;
  batches_[batch][place] = std::unexpected(std::move(error));
}

}  // namespace folkmoot
