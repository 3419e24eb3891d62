#include "simulation/order.hpp"

namespace folkmoot::simulation {

void OrderChecker::on_popped(const ModelMessage& message) {
  expect(message.stand == Stand::ready, "{} is handed out and is {}", message.number, name(message.stand));
  const auto& asked = message.asked;
  const Queue mine{asked.mailbox, asked.sender, asked.priority};
  const auto previous = last_turn_.find(mine);
  const bool came_back = message.deliveries > 0;
  for (const auto key : model_.mailbox(asked.mailbox).ready) {
    const auto& other = *model_.find_key(key);
    if (&other == &message) continue;
    expect(other.asked.priority >= asked.priority, "{} of priority {} is handed out before {} of priority {}",
           message.number, asked.priority, other.number, other.asked.priority);
    if (other.asked.priority > asked.priority) {
      rules_.saw(Rule::higher_priority_first);
      continue;
    }
    if (other.asked.sender == asked.sender) {
      expect(key > message.key, "{} is handed out before {} of the same sender", message.number, other.number);
      if (came_back) rules_.saw(Rule::returned_to_its_place);
      continue;
    }
    // Whoever waited when this sender had its last turn has had one since; but a turn in which the log had no room is
    // not seen here.
    if (previous == last_turn_.end() || other.ready_since > previous->second || model_.disk_limited ||
        model_.memory_limited)
      continue;
    const auto theirs = last_turn_.find({asked.mailbox, other.asked.sender, asked.priority});
    expect(theirs != last_turn_.end() && theirs->second > previous->second,
           "{} is handed out, and {} of another sender still waits", message.number, other.number);
    rules_.saw(came_back ? Rule::returned_in_its_turn : Rule::senders_take_turns);
  }
  last_turn_[mine] = model_.turn();
}

}  // namespace folkmoot::simulation
