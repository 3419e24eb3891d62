// Content by reference: a message may refer to what is stored, what is referred to stays, and what has not been for a
// while is removed.
#pragma once

#include <functional>
#include <optional>

#include "engine/agenda.hpp"
#include "engine/contents/content_table.hpp"
#include "engine/effects.hpp"
#include "engine/ledger.hpp"
#include "engine/part.hpp"
#include "engine/references.hpp"
#include "engine/run.hpp"
#include "engine/views.hpp"

namespace folkmoot {

class Census;

class Contents final : public Part, public References {
 public:
  Contents(const EngineOptions& options, Run& run, Ledger& ledger, Agenda& agenda, Effects& effects,
           EngineCounters& counters)
      : options_(options), run_(run), ledger_(ledger), agenda_(agenda), effects_(effects), counters_(counters) {}

  /// The content is on disk, whole: messages may refer to it.
  void stored(const ContentRef& ref);
  /// The size of a stored content, which stays for a while then; nothing if it is not stored.
  std::optional<std::uint64_t> ask_for(const ContentHash& hash);
  /// Calls `each` for those that messages refer to and that are not there, or not with the size that they say.
  void each_missing(const std::function<void(const ContentRef& ref, std::uint32_t references)>& each) const;
  /// Calls `each` for those that are stored, by hash, from the one behind `after` on, until it returns false.
  void each_stored(const std::optional<ContentHash>& after,
                   const std::function<bool(const ContentRef& ref)>& each) const;
  const ContentTotals& totals() const { return table_.totals(); }
  /// Recovery has ended: the time of those that nothing refers to starts.
  void start();
  /// The engine's options have changed.
  void on_options();
  /// All that was noted before their time was over is on disk: they go.
  void remove_idle();

  // References
  void refer(MessageKey message, const ContentRef& ref) override { table_.refer(message, ref); }
  void drop(MessageKey message) override;
  const ContentHash* refer(const ContentRef& ref) override { return table_.refer(ref); }
  void drop(const ContentHash* hash) override;

  // Part: counts are no facts
  Result<void> enter(const Fact& fact) override { return cannot_be(fact.kind, "is none of a content"); }
  bool keep(const Fact&) override { return true; }
  bool is_live(const Timer& timer) const override { return timer.at == timer_; }
  void due(const Timer& timer) override;
  void close(Session&, Slot) override {}
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  static constexpr Instant kLeave{-1};

  Result<void> check_reference(const IncomingMessage& message) override;
  // Sees to it that contents are looked at when the first of them may go, in `least_ms` at the earliest.
  void watch(Duration least_ms = Duration{1});
  // Requires: no timer is set (timer_ is 0).
  void wake_at(Instant at);

  const EngineOptions& options_;
  Run& run_;
  Ledger& ledger_;
  Agenda& agenda_;
  Effects& effects_;
  EngineCounters& counters_;
  ContentTable table_;
  Instant timer_ = 0;  // when to look for those that may go; 0: not set; kLeave: some do
  Instant due_ = 0;    // those whose grace was over then
};

}  // namespace folkmoot
