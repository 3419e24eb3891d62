#include "engine/trail.hpp"

namespace folkmoot {

MessageKey Trail::key_of(const Uuid& id) {
  const auto address = message_address(id);
  return address ? address->key : 0;
}

void Trail::keep_step(const Step& step) {
  if (max_ == 0) return ledger_.release(step.place);
  if (steps_.size() >= max_) drop_oldest();
  const auto number = first_ + steps_.size();
  Step kept = step;
  kept.before_from = std::exchange(newest_[key_of(step.from)], number);
  kept.before_next = std::exchange(newest_[key_of(step.next)], number);
  steps_.push(std::move(kept));
}

void Trail::drop_oldest() {
  const auto& oldest = steps_.front();
  ledger_.release(oldest.place);
  forget(oldest.from, first_);
  forget(oldest.next, first_);
  steps_.pop();
  ++first_;
}

// The message is in no step that is kept, if this one was its newest.
void Trail::forget(const Uuid& id, Number number) {
  if (const auto found = newest_.find(key_of(id)); found != newest_.end() && found->second == number)
    newest_.erase(found);
}

Trail::Step* Trail::find(const Uuid& from, const Uuid& next, StepKind kind) {
  Step* found = nullptr;
  look_back(next, [&](Step& step) {
    if (step.from == from && step.next == next && step.kind == kind) found = &step;
    return found == nullptr;
  });
  return found;
}

Uuid Trail::moved_to(const Uuid& id) {
  Uuid next{};
  look_back(id, [&](const Step& step) {
    if (step.from == id && step.kind == StepKind::moved) next = step.next;
    return next.is_nil();
  });
  return next;
}

void Trail::enter_caused(const Uuid& cause, const Uuid& next) {
  if (find(cause, next, StepKind::caused) == nullptr) caused(cause, next);
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
  if (auto* const step = find(said.from, said.next, said.kind)) {
    ledger_.release(step->place);
    step->place = fact.place;
    return {};
  }
  keep_step({said.from, said.next, said.kind, fact.place});
  return {};
}

bool Trail::keep(const Fact& fact) {
  MessageLinkedFact said;
  auto* const step = read_fact(fact.body, said) ? find(said.from, said.next, said.kind) : nullptr;
  if (step != nullptr && step->place == fact.place) ledger_.copy(fact.kind, step->place, {fact.body});
  return true;
}

}  // namespace folkmoot
