// Which message became which: of the newest such steps, so that a message can be followed and led back after it has
// left.
//
//   caused   a message names another as its cause: an answer, a forward, an output of complete()
//   resent   a dead letter was sent again as a new message
//   moved    a message was carried to the shard that its mailbox is in
//
// The first is in the message's own envelope; the others are facts, kept alive as long as they are among the newest.
//
// Each step knows the ones before it that its two messages are in, and of each message the newest step is known: so a
// message is followed at the cost of its own steps.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <vector>

#include "engine/ledger.hpp"
#include "engine/part.hpp"
#include "engine/ring.hpp"
#include "engine/views.hpp"

namespace folkmoot {

class Trail final : public PlainPart {
 public:
  /// `max`: so many steps are kept.
  Trail(Ledger& ledger, std::size_t max) : ledger_(ledger), max_(max) {}

  /// The envelope of `next`, which is new, says so.
  void caused(const Uuid& cause, const Uuid& next) { keep_step({cause, next, StepKind::caused, {}}); }
  /// Recovery: the same of a message that may be a copy of one that is known.
  void enter_caused(const Uuid& cause, const Uuid& next);
  /// Writes the fact. Requires: there is room for measure().
  void write(const Uuid& from, const Uuid& next, StepKind kind);
  static void measure(Draft& draft) { draft.add(sizeof(MessageLinkedFact)); }

  /// Calls `each(from, next, kind)` for the steps that lead to a message or away from it, oldest first. Cost: O(those).
  template <class Each>
  void each_of(const Uuid& id, Each each) {
    std::vector<const Step*> found;
    look_back(id, [&](const Step& step) {
      found.push_back(&step);
      return true;
    });
    for (auto step = found.rbegin(); step != found.rend(); ++step) each((*step)->from, (*step)->next, (*step)->kind);
  }

  /// The message that this one was moved on as here; nil: it was not, or that is forgotten.
  Uuid moved_to(const Uuid& id);

  std::size_t steps() const { return steps_.size(); }
  /// Messages that are in one of them: at most twice as many.
  std::size_t messages() const { return newest_.size(); }

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;

 private:
  /// Steps are numbered as they come, from 1 on.
  using Number = std::uint64_t;
  struct Step {
    Uuid from{};
    Uuid next{};
    StepKind kind{};
    FactPlace place;  // lsn 0: none, or not of its own
    // The step before it that `from`, or `next`, is in; one that is not kept any more, or 0: there is none.
    Number before_from = 0, before_next = 0;
  };
  static MessageKey key_of(const Uuid& id);

  // The oldest goes if there are too many, and its fact is released: pointers to steps are invalid.
  void keep_step(const Step& step);
  void drop_oldest();
  void forget(const Uuid& id, Number number);
  /// The step that says so; null if it is none of those that are kept.
  Step* find(const Uuid& from, const Uuid& next, StepKind kind);
  /// Calls `look(step)` for the steps that a message is in, newest first, until it returns false.
  template <class Look>
  void look_back(const Uuid& id, Look look) {
    const auto key = key_of(id);
    const auto found = newest_.find(key);
    for (auto number = found == newest_.end() ? 0 : found->second; number >= first_;) {
      auto& step = steps_.at(number - first_);
      // Two messages of different shards may have the same key.
      if ((step.from == id || step.next == id) && !look(step)) return;
      number = key_of(step.from) == key ? step.before_from : step.before_next;
    }
  }

  Ledger& ledger_;
  const std::size_t max_;
  Ring<Step> steps_;
  Number first_ = 1;  // of those that are kept
  boost::unordered_flat_map<MessageKey, Number> newest_;
};

}  // namespace folkmoot
