// The registry: who is there, what each can do, and who comes and goes (docs/agents.md).
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/mailbox.hpp"

namespace folkmoot {

constexpr std::uint64_t kAgentCapabilitiesMost = 64, kAgentAddressesMost = 16, kAgentKeysMost = 8;
constexpr std::uint64_t kAgentWeightMost = 1'000, kAgentLoadMost = 1'000'000'000;
constexpr std::uint64_t kAgentDescriptionMost = 4'096, kAgentFilterMost = 4'096;
constexpr std::uint64_t kAgentJsonMost = 16'384;  // bytes of metadata, or of a capability's data
constexpr std::uint64_t kAgentReasonMost = 255;
constexpr std::uint64_t kAgentWaitMost = 60'000;  // ms that agent.watch may wait

/// What an agent says of itself: whether it wants work.
enum class AgentStatus : std::uint8_t { active = 0, inactive = 1, maintenance = 2 };
inline constexpr std::string_view kAgentStatusWords[] = {"active", "inactive", "maintenance"};
template <>
inline constexpr std::span<const std::string_view> kWords<AgentStatus> = kAgentStatusWords;

/// What the server sees of it.
enum class AgentHealth : std::uint8_t {
  up = 0,     // it has a connection, or a heartbeat of it is young enough
  grace = 1,  // its last connection has just gone: it may be back in a moment
  stale = 2,  // nothing is heard of it
};
inline constexpr std::string_view kAgentHealthWords[] = {"up", "grace", "stale"};
template <>
inline constexpr std::span<const std::string_view> kWords<AgentHealth> = kAgentHealthWords;

/// Which agents agent.discover looks for.
enum class AgentsWanted : std::uint8_t { routable = 0, up = 1, grace = 2, stale = 3, any = 4 };
inline constexpr std::string_view kAgentsWantedWords[] = {"routable", "up", "grace", "stale", "any"};
template <>
inline constexpr std::span<const std::string_view> kWords<AgentsWanted> = kAgentsWantedWords;

/// Something that an agent can do. An A2A skill or the description of an MCP tool goes into `data` as it is.
struct AgentCapability {
  std::string name{};
  std::string version{};
  JsonText data{};

  bool operator==(const AgentCapability&) const = default;
  static constexpr auto fields() {
    return std::array{
        field<&AgentCapability::name>(0, "name", "Letters, digits and . _ - :; a text alone stands for one with a name",
                                      {.required = true, .max = 128, .role = Role::shorthand}),
        field<&AgentCapability::version>(1, "version", "Of it, as the agent counts", {.max = 64, .sparse = true}),
        field<&AgentCapability::data>(2, "data", "What else is to be known of it",
                                      {.max = kAgentJsonMost, .sparse = true}),
    };
  }
};

/// Where an agent can be met beside this server.
struct AgentAddress {
  std::string transport{};
  std::string address{};

  bool operator==(const AgentAddress&) const = default;
  static constexpr auto fields() {
    return std::array{
        field<&AgentAddress::transport>(0, "transport", "How: http, mcp, a2a, ...; one address for each",
                                        {.required = true, .max = 64}),
        field<&AgentAddress::address>(1, "address", "Where, as that transport writes it",
                                      {.required = true, .max = 2'048}),
    };
  }
};

struct AgentPublicKey {
  std::string name{};
  std::string kind{};
  std::string key{};

  bool operator==(const AgentPublicKey&) const = default;
  static constexpr auto fields() {
    return std::array{
        field<&AgentPublicKey::name>(0, "name", "Which of its keys", {.required = true, .max = 64}),
        field<&AgentPublicKey::kind>(1, "kind", "What for and of which make, such as ed25519",
                                     {.max = 64, .sparse = true}),
        field<&AgentPublicKey::key>(2, "key", "The key as text", {.required = true, .max = 4'096}),
    };
  }
};

/// What agent.register is answered with.
struct RegisteredAgent {
  Uuid id{};
  std::uint64_t revision = 0;
  bool created = false;

  static constexpr auto fields() {
    return std::array{
        field<&RegisteredAgent::id>(0, "id", "Its id, which it keeps until it is removed"),
        field<&RegisteredAgent::revision>(1, "revision", "Grows with each change of any agent"),
        field<&RegisteredAgent::created>(2, "created", "It was not registered before"),
    };
  }
};

/// What an agent says of itself.
struct AgentRecord {
  std::string agent{};
  std::string type{};
  std::string description{};
  std::vector<AgentCapability> capabilities{};
  std::vector<AgentAddress> addresses{};
  std::vector<AgentPublicKey> keys{};
  JsonText metadata{};
  std::uint32_t weight = 1;  // 1 to 1000
  AgentStatus status = AgentStatus::active;

  bool operator==(const AgentRecord&) const = default;

  using Answer = RegisteredAgent;
  static constexpr OperationRow kOperation{
      .name = "agent.register",
      .what = "Registers an agent with what it can do; in the place of what was registered under its name",
      .right = Right::consume,
      .where = Where::first,
      .http = "POST /api/agents",
      .again = true};
  static constexpr auto fields() {
    using A = AgentRecord;
    return std::array{
        field<&A::agent>(0, "agent", "Its name, which is its mailbox", {.role = Role::caller}),
        field<&A::type>(1, "type", "What sort of agent it is", {.max = 128, .sparse = true}),
        field<&A::description>(2, "description", "What it is, for people and models",
                               {.max = kAgentDescriptionMost, .sparse = true}),
        field<&A::capabilities>(3, "capabilities", "What it can do", {.max = kAgentCapabilitiesMost, .sparse = true}),
        field<&A::addresses>(4, "addresses", "Where else it can be met", {.max = kAgentAddressesMost, .sparse = true}),
        field<&A::keys>(5, "keys", "Its public keys", {.max = kAgentKeysMost, .sparse = true}),
        field<&A::metadata>(6, "metadata", "Anything else: an object, by which it can be found",
                            {.max = kAgentJsonMost, .sparse = true}),
        field<&A::weight>(7, "weight", "How often it is chosen against others, by strategy weighted",
                          {.min = 1, .max = kAgentWeightMost}),
        field<&A::status>(8, "status", "Whether it wants work: one that is not active is not chosen"),
    };
  }
};
using RegisterAgent = AgentRecord;

struct UpdateAgent {
  std::string agent{};
  std::optional<std::string> type{};
  std::optional<std::string> description{};
  std::optional<std::vector<AgentCapability>> capabilities{};
  std::optional<std::vector<AgentAddress>> addresses{};
  std::optional<std::vector<AgentPublicKey>> keys{};
  JsonText metadata{};
  std::optional<std::uint32_t> weight{};
  std::optional<AgentStatus> status{};

  using Answer = RegisteredAgent;
  static constexpr OperationRow kOperation{
      .name = "agent.update",
      .what = "Changes what is registered of an agent: what is given takes the place of what stood there",
      .right = Right::consume,
      .where = Where::first,
      .http = "PUT /api/agents/{agent}",
      .again = true};
  static constexpr auto fields() {
    using U = UpdateAgent;
    return std::array{
        field<&U::agent>(0, "agent", "Its name or id", {.role = Role::caller}),
        field<&U::type>(1, "type", "What sort of agent it is", {.max = 128}),
        field<&U::description>(2, "description", "What it is", {.max = kAgentDescriptionMost}),
        field<&U::capabilities>(3, "capabilities", "What it can do: all of it", {.max = kAgentCapabilitiesMost}),
        field<&U::addresses>(4, "addresses", "Where else it can be met: all of it", {.max = kAgentAddressesMost}),
        field<&U::keys>(5, "keys", "Its public keys: all of them", {.max = kAgentKeysMost}),
        field<&U::metadata>(6, "metadata", "Anything else: an object", {.max = kAgentJsonMost}),
        field<&U::weight>(7, "weight", "How often it is chosen against others", {.min = 1, .max = kAgentWeightMost}),
        field<&U::status>(8, "status", "Whether it wants work"),
    };
  }
};

/// An agent as the registry knows it.
struct KnownAgent {
  AgentRecord record{};
  Uuid id{};
  bool registered = false, routable = false;
  AgentHealth health = AgentHealth::stale;
  std::uint64_t connections = 0, load = 0, revision = 0;
  std::int64_t last_seen_ms = 0, registered_at_ms = 0, quarantined_at_ms = 0;
  std::string quarantine{};

  static constexpr auto fields() {
    using K = KnownAgent;
    return std::array{
        fields_of<&K::record>(),
        field<&K::id>(9, "id", "Its id; left out: it is not registered", {.sparse = true}),
        field<&K::registered>(10, "registered", "False: it is there, and has said nothing of itself"),
        field<&K::health>(11, "health", "up, grace (its connection has just gone) or stale"),
        field<&K::routable>(12, "routable", "It may be chosen: active, not in quarantine, and not stale"),
        field<&K::connections>(13, "connections", "That it has; of several under its name in one shard, one"),
        field<&K::load>(14, "load", "How busy it said it is", {.unit = "messages", .sparse = true}),
        field<&K::last_seen_ms>(15, "last_seen", "When it gave a sign of life", {.sparse = true}),
        field<&K::revision>(16, "revision", "Of its last change: grows for ever"),
        field<&K::registered_at_ms>(17, "registered_at", "When it was registered first", {.sparse = true}),
        field<&K::quarantined_at_ms>(18, "quarantined_at", "Since when it is in quarantine", {.sparse = true}),
        field<&K::quarantine>(19, "quarantine", "Why it is in quarantine", {.max = kAgentReasonMost, .sparse = true}),
    };
  }
};

struct ShowAgent {
  std::string agent{};

  using Answer = KnownAgent;
  static constexpr OperationRow kOperation{.name = "agent.show",
                                           .what = "All that is known of one agent",
                                           .right = Right::discover,
                                           .where = Where::first,
                                           .http = "GET /api/agents/{agent}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowAgent::agent>(0, "agent", "Its name or id", {.required = true})};
  }
};

struct RemoveAgent {
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "agent.remove",
                                           .what = "Takes back what was registered of an agent; its mailbox stays",
                                           .right = Right::consume,
                                           .where = Where::first,
                                           .http = "DELETE /api/agents/{agent}"};
  static constexpr auto fields() {
    return std::array{field<&RemoveAgent::agent>(0, "agent", "Its name or id", {.required = true})};
  }
};

/// What a heartbeat is answered with.
struct AgentBeat {
  AgentHealth health = AgentHealth::up;
  bool routable = false;
  std::chrono::milliseconds stale_after{0};

  static constexpr auto fields() {
    return std::array{
        field<&AgentBeat::health>(0, "health", "As it is now"),
        field<&AgentBeat::routable>(1, "routable", "It may be chosen"),
        field<&AgentBeat::stale_after>(2, "stale_after", "So long it holds: beat again before that"),
    };
  }
};

struct BeatAgent {
  std::string agent{};
  std::optional<std::uint32_t> load{};

  using Answer = AgentBeat;
  static constexpr OperationRow kOperation{.name = "agent.heartbeat",
                                           .what = "Says that an agent is there, and how busy it is",
                                           .right = Right::consume,
                                           .where = Where::first,
                                           .http = "POST /api/agents/{agent}/heartbeat",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&BeatAgent::agent>(0, "agent", "Its name or id", {.role = Role::caller}),
        field<&BeatAgent::load>(1, "load", "How busy it is; left out: as it said before",
                                {.max = kAgentLoadMost, .unit = "messages"}),
    };
  }
};

struct QuarantineAgent {
  std::string agent{};
  std::string reason{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "agent.quarantine",
      .what = "Has a registered agent chosen no more, whatever it says of itself, until agent.release",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/agents/{agent}/quarantine",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&QuarantineAgent::agent>(0, "agent", "Its name or id", {.required = true}),
        field<&QuarantineAgent::reason>(1, "reason", "Why, for whoever looks", {.max = kAgentReasonMost}),
    };
  }
};

struct ReleaseAgent {
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "agent.release",
                                           .what = "Ends an agent's quarantine",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "DELETE /api/agents/{agent}/quarantine",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ReleaseAgent::agent>(0, "agent", "Its name or id", {.required = true})};
  }
};

struct FoundAgents {
  std::vector<KnownAgent> agents{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&FoundAgents::agents>(0, "agents", "In the order in which the server heard of them",
                                    {.max = kNamePageMax}),
        field<&FoundAgents::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                                  {.nullable = true}),
    };
  }
};

struct DiscoverAgents {
  std::vector<std::string> all_of{}, any_of{};
  std::string prefix{}, type{}, filter{};
  AgentsWanted health = AgentsWanted::routable;
  bool full = false;
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = FoundAgents;
  static constexpr OperationRow kOperation{
      .name = "agent.discover",
      .what = "Finds agents by what they can do and are: all that is given must hold",
      .right = Right::discover,
      .where = Where::first,
      .http = "GET /api/agents/discover",
      .again = true};
  static constexpr auto fields() {
    using D = DiscoverAgents;
    return std::array{
        field<&D::all_of>(0, "all_of", "Capabilities that it must have", {.max = kAgentCapabilitiesMost}),
        field<&D::any_of>(1, "any_of", "Capabilities of which it must have one", {.max = kAgentCapabilitiesMost}),
        field<&D::prefix>(2, "prefix", "It must have a capability that begins so", {.max = 128}),
        field<&D::type>(3, "type", "What sort of agent it must be", {.max = 128}),
        field<&D::filter>(4, "filter",
                          "A condition (docs/filters.md) over its record: `type`, `from` (its name), `metadata.*`, and "
                          "the record itself as `content.*`",
                          {.max = kAgentFilterMost}),
        field<&D::health>(5, "health", "Those that may be chosen, those of one health, or any"),
        field<&D::full>(6, "full", "With their whole records; else of capabilities the names alone"),
        field<&D::limit>(7, "limit", "So many at most",
                         {.min = 1, .max = kNamePageMax, .unit = "agents", .role = Role::limit}),
        field<&D::after>(8, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

/// An agent as it is after its last change.
struct AgentChange {
  KnownAgent agent{};
  bool gone = false;

  static constexpr auto fields() {
    return std::array{
        fields_of<&AgentChange::agent>(),
        field<&AgentChange::gone>(30, "gone", "It is not there any more, and not registered", {.sparse = true}),
    };
  }
};

struct AgentChanges {
  std::vector<AgentChange> changes{};
  std::string next{};
  bool reset = false;

  static constexpr auto fields() {
    return std::array{
        field<&AgentChanges::changes>(0, "changes", "In the order of their last changes: each agent once, as it is now",
                                      {.max = kNamePageMax}),
        field<&AgentChanges::next>(1, "next", "What to give as `after` next"),
        field<&AgentChanges::reset>(2, "reset",
                                    "It begins anew with all agents there are: what is not among them is gone"),
    };
  }
};

struct WatchAgents {
  std::string after{};
  std::chrono::milliseconds wait{0};
  std::uint32_t limit = 100;

  using Answer = AgentChanges;
  static constexpr OperationRow kOperation{
      .name = "agent.watch",
      .what = "The agents that have changed since a position, and waits for the next change if none has",
      .right = Right::discover,
      .where = Where::first,
      .http = "GET /api/agents/changes",
      .again = true,
      .patience = std::chrono::milliseconds{kAgentWaitMost + 30'000}};
  static constexpr auto fields() {
    return std::array{
        field<&WatchAgents::after>(0, "after", "`next` of the answer before; left out: all agents there are",
                                   {.max = 64}),
        field<&WatchAgents::wait>(1, "wait", "How long to wait for a change if there is none", {.max = kAgentWaitMost}),
        field<&WatchAgents::limit>(2, "limit", "So many at most",
                                   {.min = 1, .max = kNamePageMax, .unit = "agents", .role = Role::limit}),
    };
  }
};

}  // namespace folkmoot
