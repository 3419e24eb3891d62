// The registry: which agents there are, what each can do, and who of them is there. It lives in the first shard.
//
//   Registered   what an agent says of itself: facts, and read back from the log for what is rarely asked
//   Seen         heartbeats, connections, loads: in memory; after a start all count as seen at that moment
//
// Whoever connects or beats under a name is in it without being registered, and goes out of it when nothing is heard
// any more. In files: registry.cpp what is said and seen, discovery.cpp what is asked, placing.cpp who gets what is
// addressed to a capability.
//
// Rules:
//   1. Health follows from connections, heartbeats and the time alone (health_of()).
//   2. Routable is who is active, not in quarantine and not stale: the set `routable_` is exactly those.
//   3. Each change of what others can know gives the agent the next revision; `order_` has each agent once, by it.
//   4. What is held for a capability is moved on when an agent becomes routable that has it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/agenda.hpp"
#include "engine/announcer.hpp"
#include "engine/capability_address.hpp"
#include "engine/held_mail.hpp"
#include "engine/ledger.hpp"
#include "engine/loads.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/placer.hpp"
#include "engine/registry/record.hpp"
#include "engine/registry/word_index.hpp"
#include "engine/replies.hpp"
#include "engine/run.hpp"
#include "engine/sessions.hpp"
#include "engine/vacancies.hpp"
#include "folkmoot/operation/stats.hpp"

namespace folkmoot {

class Census;

class Registry final : public Part, public Placer {
 public:
  /// What the registry is given.
  struct Ports {
    Run& run;
    Ledger& ledger;
    Agenda& agenda;
    Names& names;
    Replies& replies;
    Loads& loads;
    Vacancies& vacancies;
    HeldMail& held;
    Announcer& announcer;
    Effects& effects;
  };
  Registry(const EngineOptions& options, const Ports& ports) : options_(options), to_(ports) {}

  // -- what is said
  /// Answered with RegisteredAgent. `beats`: it counts as a heartbeat. Errors: invalid_name, invalid_field,
  /// out_of_range, limit_reached, disk_full.
  void set(Asker caller, const AgentRecord& record, bool beats);
  void update(Asker caller, const UpdateAgent& changes);
  void remove(Asker caller, std::string_view agent);
  void quarantine(Asker caller, std::string_view agent, std::string_view reason);
  void release(Asker caller, std::string_view agent);
  /// `agent`: its name, or the id of one that is registered. Errors: not_found, invalid_name, limit_reached.
  Result<AgentBeat> beat(std::string_view agent, std::optional<std::uint32_t> load);
  /// How busy an agent says it is, in messages: counts until it says otherwise. In the first shard a sign of life, if
  /// the agent is known. Errors: invalid_name, limit_reached.
  Result<void> note_load(std::string_view agent, double load);

  // -- what is seen
  /// The first connection under a name has come in some shard, and the last one there has gone.
  void came(std::string_view agent);
  void went(std::string_view agent);
  /// The run ends: what comes and goes from here on is of no interest.
  void stop();

  // -- what is asked
  /// Errors: not_found.
  Result<KnownAgent> show(std::string_view agent);
  /// Errors: invalid_filter, out_of_range (the prefix is one of too many words), not_found (`after` is no name).
  Result<FoundAgents> discover(const DiscoverAgents& query);
  /// The agents that changed behind `after`, which is a `next` of an answer before. Errors: invalid_field.
  Result<AgentChanges> changes(std::string_view after, std::uint32_t limit);
  /// Of the last change.
  std::uint64_t revision() const { return revision_; }
  /// Of those that are known now; and how often a registered one became stale.
  AgentCounts counts() const;
  /// Registered agents that became stale, came back, or were removed since the last call; of very many the first.
  std::vector<std::string> take_health_news() { return std::exchange(health_news_, {}); }
  /// Registered, or there without that.
  std::size_t size() const { return count_; }
  /// Calls `each` for all of them, by name id, without their records.
  void each(const std::function<void(const KnownAgent&)>& each) const;
  /// The name of the agent that is called so by name or id, as far as it is known.
  std::string_view name_of(std::string_view agent) const;

  /// Recovery has ended.
  void start();
  /// The engine's options have changed.
  void on_options();
  /// What waited for the disk: those who listen hear of it.
  void tell(const waiting::AgentChanged& item);

  // Placer
  Result<void> place(Prepared& prepared) override;
  void on_held(NameId address) override;

  // Part
  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  bool is_live(const Timer& timer) const override;
  void due(const Timer& timer) override;
  void close(Session&, Slot) override {}
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  static constexpr std::size_t kHealthNewsMax = 10'000;

  enum class What : std::uint8_t { joined, left, changed, removed };

  struct Agent {
    explicit Agent(NameId its_name) : name(its_name) {}

    const NameId name;
    std::uint32_t connections = 0;  // shards that have one
    Uuid id{};                      // nil: it is not registered
    FactPlace place{};              // likewise
    Instant registered_at = 0;
    Instant quarantined_at = 0;  // 0: it is not
    Instant beat_at = 0;         // 0: never
    Instant gone_at = 0;         // when its last connection went; 0: it had none
    Instant timer = 0;           // when it is looked at; 0: not
    std::uint64_t revision = 0;  // 0: none yet
    std::int64_t turn = 0;       // weighted: who is furthest behind goes first
    std::vector<WordNumber> capabilities{};
    WordNumber type = 0;  // if has_type
    std::uint16_t weight = 1;
    AgentStatus status = AgentStatus::active;
    AgentHealth health = AgentHealth::stale;
    bool has_type = false;

    bool is_registered() const { return place.lsn != 0; }
  };
  struct Tombstone {
    std::uint64_t revision = 0;
    Uuid id{};
    NameId name = 0;
  };
  // A place in the order of changes; what was gone before `since` is not told.
  struct Position {
    std::uint64_t revision = 0;
    std::uint64_t since = 0;
  };
  struct Address {
    CapabilityAddress what;
    NameId last = 0;  // who got the last one, in turns
    bool holds = false;
  };

  // The agent of a name; null if there is none.
  Agent* find(NameId name) { return name.value < agents_.size() ? agents_[name.value].get() : nullptr; }
  const Agent* find(NameId name) const { return const_cast<Registry*>(this)->find(name); }
  // By name or id.
  Agent* find(std::string_view agent);
  const Agent* find(std::string_view agent) const { return const_cast<Registry*>(this)->find(agent); }
  // The same of one that is registered; else who asked is told.
  Agent* find_registered(Asker caller, std::string_view agent);
  // Made if there is none. Errors: invalid_name, limit_reached.
  Result<Agent*> agent_named(std::string_view name);
  void forget(Agent& agent);

  KeptAgent read(const Agent& agent);
  // Writes what is registered of it from now on, and answers when that is durable. The record's name is the agent's.
  void write(Asker caller, Agent& agent, const KeptAgent& kept, Instant quarantined_at, bool beats);
  void write_quarantine(Asker caller, std::string_view agent, std::string_view reason, Instant since);
  // As the record says; live and at recovery.
  void put(Agent& agent, const AgentSetFact& fact, const AgentRecord& record, FactPlace place);
  void clear(Agent& agent);  // of what was registered

  AgentHealth health_of(const Agent& agent) const;
  void set_health(Agent& agent, AgentHealth health);
  void note_health(const Agent& agent);
  // When its health may be another without a word of anybody; kNoTime: never.
  Instant holds_until(const Agent& agent) const;
  bool is_routable(const Agent& agent) const { return routable_.has(agent.name); }
  bool may_be_chosen(const Agent& agent) const {
    return agent.status == AgentStatus::active && agent.quarantined_at == 0 && agent.health != AgentHealth::stale;
  }
  // Looks at it anew: health, routability, revision, timer; tells of what is different when `of` is durable. `changed`:
  // what is registered is. The reference is invalid then if the agent was not registered and is gone.
  void review(Agent& agent, bool changed, Durable of);
  void stamp(Agent& agent);
  std::uint64_t next_revision();
  void announce(Durable of, const Agent& agent, What what);
  KnownAgent view(const Agent& agent) const;
  void view(const Agent& agent, KnownAgent& into) const;
  // Asks for the memory of these, side by side.
  void fetch(std::span<const NameId> names) const;

  std::optional<Position> parse_position(std::string_view text) const;
  Result<void> find_sets(const DiscoverAgents& query, std::vector<const AgentSet*>& sets, std::deque<AgentSet>& own);

  // The address by its name; null if it is none.
  Address* address(NameId name);
  // Who gets the next message there; 0: nobody can take it.
  NameId choose(Address& address, const Routing& routing);
  NameId choose_of(Address& address, const std::vector<NameId>& able, const Routing& routing);
  // Those that can take one more, at most `most`, from the one behind `after` on, and around.
  std::vector<NameId> able(const Address& address, NameId after, std::size_t most);
  // The agents that have all of it and may be chosen; empty: there is none.
  std::vector<const AgentSet*> sets_of(const Address& address) const;
  bool has_any(const Address& address) const;
  // Moves some on; what is left is tried again.
  void deliver(NameId number);
  void deliver_later(NameId address, Instant at);
  // What is held for what it can do.
  void offer(const Agent& agent);

  const EngineOptions& options_;
  const Ports to_;
  std::vector<std::unique_ptr<Agent>> agents_;  // by name id
  std::size_t count_ = 0;
  std::array<std::uint64_t, std::size(kAgentHealthWords)> by_health_{};
  std::uint64_t lost_ = 0;
  std::vector<std::string> health_news_;
  WordIndex capabilities_, types_;
  AgentSet everyone_, routable_;
  std::uint64_t revision_ = 0;
  std::map<std::uint64_t, NameId> order_;  // by revision
  std::deque<Tombstone> tombstones_;       // by revision
  std::uint64_t horizon_ = 0;              // who was gone by then is forgotten
  std::map<NameId, Address> addresses_;
  std::map<std::string, std::set<NameId>, std::less<>> held_;  // addresses that hold mail, by their first capability
  std::set<NameId> due_;                                       // addresses to look at by the timer
  Instant deliver_at_ = 0;                                     // of the timer; 0: none
  bool started_ = false, stopped_ = false;
};

}  // namespace folkmoot
