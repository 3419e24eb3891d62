// Answers: those that are given at once, and those to several messages, which grow until all of them are known.
#pragma once

#include <vector>

#include "engine/effects.hpp"
#include "engine/slab.hpp"
#include "engine/views.hpp"
#include "engine/waiting.hpp"

namespace folkmoot {

class Census;

class Replies {
 public:
  Replies(Effects& effects, EngineCounters& counters) : effects_(effects), counters_(counters) {}

  void refuse(Asker caller, const Error& error) {
    ++counters_.refused;
    effects_.refuse(caller.session, caller.request, error);
  }
  void answer(Asker caller, const Reply& reply = Nothing{}) { effects_.answer(caller.session, caller.request, reply); }
  /// A message was published; its sender is told, or the answer to several has it.
  void confirm(const ConfirmTo& to, const Confirm& confirm) {
    if (to.batch != kNoSlot) {
      batches_[to.batch][to.place] = confirm;
    } else if (!to.quiet) {
      effects_.confirm(to.caller.session, to.caller.request, confirm);
    }
  }

  // -- leases: settled, and those that were refused
  void settled(Asker caller, std::uint32_t count, std::span<const LeaseToken> refused) {
    effects_.settled(caller.session, caller.request, count, refused);
  }
  /// Keeps those that were refused for settled(item).
  Slot keep(std::vector<LeaseToken> refused) { return refused.empty() ? kNoSlot : refused_.insert(std::move(refused)); }
  void settled(const waiting::Settled& item) {
    if (item.refused == kNoSlot) return settled(item.to, item.settled, {});
    settled(item.to, item.settled, refused_[item.refused]);
    refused_.erase(item.refused);
  }

  // -- the answer to several messages
  Slot open_batch() { return batches_.insert({}); }
  /// What became of the next of them; returns its place.
  std::uint32_t add(Slot batch, Result<Confirm> outcome);
  /// The same of one whose place is known, and that was refused.
  void refuse(Slot batch, std::uint32_t place, Error error);
  /// All is known: it is given, unless it is quiet.
  void finish(const waiting::Batch& item) {
    if (!item.quiet) effects_.outcomes(item.to.session, item.to.request, batches_[item.batch]);
    batches_.erase(item.batch);
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  Effects& effects_;
  EngineCounters& counters_;
  Slab<std::vector<Result<Confirm>>> batches_;
  Slab<std::vector<LeaseToken>> refused_;
};

}  // namespace folkmoot
