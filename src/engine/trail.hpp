// Which message became which: of the newest such steps, so that a message can be followed and led back after it has
// left.
//
//   caused   a message names another as its cause: an answer, a forward, an output of complete()
//   resent   a dead letter was sent again as a new message
//   moved    a message was carried to the shard that its mailbox is in
//
// The first is in the message's own envelope; the others are facts, kept alive as long as they are among the newest.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/ledger.hpp"
#include "engine/part.hpp"
#include "engine/ring.hpp"
#include "engine/views.hpp"

namespace folkmoot {

class Trail final : public PlainPart {
 public:
  /// `max`: so many steps are kept.
  Trail(Ledger& ledger, std::size_t max) : ledger_(ledger), max_(max) {}

  /// The envelope of `next` says so.
  void caused(const Uuid& cause, const Uuid& next) { keep_step({cause, next, StepKind::caused, {}}); }
  /// Writes the fact. Requires: there is room for measure().
  void write(const Uuid& from, const Uuid& next, StepKind kind);
  static void measure(Draft& draft) { draft.add(sizeof(MessageLinkedFact)); }

  /// Calls `each(from, next, kind)` for the steps that lead to a message or away from it, oldest first. Cost: O(all).
  template <class Each>
  void each_of(const Uuid& id, Each each) {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto& step = steps_.at(i);
      if (step.from == id || step.next == id) each(step.from, step.next, step.kind);
    }
  }

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;

 private:
  struct Step {
    Uuid from{};
    Uuid next{};
    StepKind kind{};
    FactPlace place;  // lsn 0: none, or not of its own
  };
  // The oldest goes if there are too many, and its fact is released: pointers to steps are invalid.
  void keep_step(const Step& step);
  /// The step that this fact says; null if it is none of those that are kept.
  Step* find(const MessageLinkedFact& said);

  Ledger& ledger_;
  const std::size_t max_;
  Ring<Step> steps_;
  std::uint64_t first_ = 0;  // how many came before those that are kept
  // Of the steps that are facts, by the key of the later message: how many came before them.
  boost::unordered_flat_map<MessageKey, std::uint64_t> facts_;
};

}  // namespace folkmoot
