#include "engine/trail.hpp"

namespace folkmoot {
namespace {

MessageKey key_of(const Uuid& id) {
  const auto address = message_address(id);
  return address ? address->key : 0;
}

}  // namespace

void Trail::keep_step(const Step& step) {
  if (max_ == 0) return ledger_.release(step.place);
  if (steps_.size() >= max_) {
    const auto& oldest = steps_.front();
    ledger_.release(oldest.place);
    if (const auto found = facts_.find(key_of(oldest.next)); found != facts_.end() && found->second == first_)
      facts_.erase(found);
    steps_.pop();
    ++first_;
  }
  if (step.kind != StepKind::caused) facts_[key_of(step.next)] = first_ + steps_.size();
  steps_.push(Step(step));
}

Trail::Step* Trail::find(const MessageLinkedFact& said) {
  const auto found = facts_.find(key_of(said.next));
  if (found == facts_.end()) return nullptr;
  auto& step = steps_.at(found->second - first_);
  return step.from == said.from && step.next == said.next && step.kind == said.kind ? &step : nullptr;
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
  if (auto* const step = find(said)) {
    ledger_.release(step->place);
    step->place = fact.place;
    return {};
  }
  keep_step({said.from, said.next, said.kind, fact.place});
  return {};
}

bool Trail::keep(const Fact& fact) {
  MessageLinkedFact said;
  auto* const step = read_fact(fact.body, said) ? find(said) : nullptr;
  if (step != nullptr && step->place == fact.place) ledger_.copy(fact.kind, step->place, {fact.body});
  return true;
}

}  // namespace folkmoot
