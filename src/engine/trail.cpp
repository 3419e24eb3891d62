#include "engine/trail.hpp"

namespace folkmoot {

void Trail::keep_step(const Step& step) {
  if (max_ == 0) return ledger_.release(step.place);
  if (steps_.size() >= max_) {
    ledger_.release(steps_.front().place);
    steps_.pop();
  }
  steps_.push(Step(step));
}

void Trail::write(const Uuid& from, const Uuid& next, StepKind kind) {
  const MessageLinkedFact fact{.from = from, .next = next, .kind = kind};
  keep_step({from, next, kind, ledger_.write(FactKind::message_linked, {bytes_of(fact)}, Life::live)});
}

Result<void> Trail::enter(const Fact& fact) {
  MessageLinkedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  ledger_.retain(fact.place);
  // A copy takes the place of what it was copied from.
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    auto& step = steps_.at(i);
    if (step.kind != said.kind || step.from != said.from || step.next != said.next) continue;
    ledger_.release(step.place);
    step.place = fact.place;
    return {};
  }
  keep_step({said.from, said.next, said.kind, fact.place});
  return {};
}

bool Trail::keep(const Fact& fact) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    auto& step = steps_.at(i);
    if (step.place == fact.place) return ledger_.copy(fact.kind, step.place, {fact.body}), true;
  }
  return true;
}

}  // namespace folkmoot
