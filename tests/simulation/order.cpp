#include "simulation/order.hpp"

namespace folkmoot::simulation {

void OrderChecker::on_popped(const ModelMessage& message) {
  expect(message.stand == Stand::ready, "{} is handed out and is {}", message.number, name(message.stand));
  const auto& asked = message.asked;
  const Queue mine{asked.mailbox, asked.sender, asked.priority};
  // At most once, it may have been on its way out before, and put back when the log had no room to note that.
  const bool was_stuck = asked.once && model_.disk_limited;
  const bool in_order = !message.put_back && !message.place_unknown && !was_stuck;
  const auto previous = last_turn_.find(mine);
  for (const auto key : model_.mailbox(asked.mailbox).ready) {
    const auto& other = *model_.find_key(key);
    if (&other == &message) continue;
    expect(other.asked.priority >= asked.priority, "{} of priority {} is handed out before {} of priority {}", message.number,
           asked.priority, other.number, other.asked.priority);
    if (other.asked.priority > asked.priority) {
      rules_.saw(Rule::higher_priority_first);
      continue;
    }
    if (other.put_back) {
      expect(!in_order, "{} is handed out before {}, which was given back", message.number, other.number);
      expect(!message.put_back || key > message.key, "{} is handed out before {}, which is older", message.number, other.number);
    }
    if (!in_order) continue;
    if (other.asked.sender == asked.sender) {
      expect(key > message.key, "{} is handed out before {} of the same sender", message.number, other.number);
      continue;
    }
    // Whoever waited when this sender had its last turn has had one since.
    if (previous == last_turn_.end() || other.place_unknown || other.ready_since > previous->second) continue;
    const auto theirs = maybe_turn_.find({asked.mailbox, other.asked.sender, asked.priority});
    expect(theirs != maybe_turn_.end() && theirs->second > previous->second, "{} is handed out, and {} of another sender still waits",
           message.number, other.number);
    rules_.saw(Rule::senders_take_turns);
  }
  if (message.put_back) rules_.saw(Rule::returned_first);
  if (!message.put_back) maybe_turn_[mine] = model_.turn();
  if (in_order) last_turn_[mine] = model_.turn();
}

}  // namespace folkmoot::simulation
