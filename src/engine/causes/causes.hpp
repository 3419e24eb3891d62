// What caused what: the chain of causes in the envelope, the limits that end loops (X13), trace context and costs along
// the chain (X15).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/announcer.hpp"
#include "engine/causality.hpp"
#include "engine/causes/guard.hpp"
#include "engine/ledger.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/run.hpp"
#include "engine/tracing.hpp"
#include "engine/views.hpp"

namespace folkmoot {

class Census;

class Causes final : public PlainPart, public Causality {
 public:
  Causes(const EngineOptions& options, Run& run, Ledger& ledger, Names& names, KnownMessages& known,
         Announcer& announcer, Tracing& tracing, Effects& effects, EngineCounters& counters)
      : options_(options),
        run_(run),
        ledger_(ledger),
        names_(names),
        known_(known),
        announcer_(announcer),
        tracing_(tracing),
        effects_(effects),
        counters_(counters),
        guard_(options.guard_entries_max) {}

  /// The envelope of a message that names its cause, with what is known of it here: hops, chain and trace context.
  /// Errors: no_reply_wanted, and those of a field that grows too large.
  Result<std::string> with_causes(const IncomingMessage& message);
  /// Nothing if no message of this conversation has reported a cost.
  std::optional<ConversationSums> conversation(std::string_view name) const;

  // Causality
  Result<Lineage> lineage_of(const IncomingMessage& message) override;
  Lineage caused_by(const Uuid& id, Bytes message, std::uint32_t delivery) override;
  void hand_on_trace(Prepared& prepared) override;
  void check_guards(Prepared& prepared, CommandTally* together) override;
  void count_for_guards(NameId sender, NameId mailbox, const Routing& routing) override;
  Result<void> pass_guards(NameId sender, NameId mailbox, const Routing& routing, const Lineage& lineage) override;
  void sum_costs(const IncomingMessage& message) override;

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  /// What the messages of a conversation reported, and the fact that says so.
  struct Conversation {
    ConversationSums sums;
    FactPlace place;
  };

  Result<Prepared> with_named_cause(const IncomingMessage& message) override;
  // Under the run's secret: nobody can choose names that fall together.
  std::uint64_t conversation_hash(std::string_view name) const;
  // Which limit on loops the message is beyond, in words; empty: none. `mailbox`: 0 for an event.
  std::string guard_verdict(NameId sender, NameId mailbox, const Routing& routing, std::uint32_t hops,
                            const CommandTally* together) const;
  // `place`: of the fact that says so; none: the one before is what a restart finds.
  void put(std::string_view name, const ConversationFact& fact, FactPlace place);

  const EngineOptions& options_;
  Run& run_;
  Ledger& ledger_;
  Names& names_;
  KnownMessages& known_;
  Announcer& announcer_;
  Tracing& tracing_;
  Effects& effects_;
  EngineCounters& counters_;
  Guard guard_;
  std::map<std::string, Conversation, std::less<>> conversations_;
};

}  // namespace folkmoot
