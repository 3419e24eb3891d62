// Agents and connections: who is there, what they have, what they say of themselves.
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/mailbox.hpp"

namespace folkmoot {

struct ReportLoad {
  std::uint32_t load = 0;
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "agent.load",
      .what = "Says how busy an agent is: what strategy least_loaded adds to its mail",
      .right = Right::consume,
      .where = Where::all,
      .http = "PUT /api/agents/{agent}/load",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ReportLoad::load>(0, "load", "How busy; holds until it says otherwise",
                                 {.max = 1'000'000'000, .unit = "messages"}),
        field<&ReportLoad::agent>(1, "agent", "Whose load it is", {.role = Role::caller}),
    };
  }
};

/// A connection, and what it has.
struct ConnectionInfo {
  std::string id{};
  std::string agent{};
  std::string door{};
  std::int64_t since_ms = 0, last_seen_ms = 0;
  std::uint64_t consumers = 0, subscriptions = 0, held = 0;
  std::int64_t held_since_ms = 0;

  static constexpr auto fields() {
    using C = ConnectionInfo;
    return std::array{
        field<&C::id>(0, "id", "Its id; never used twice while the server runs"),
        field<&C::agent>(1, "agent", "Who; empty: it gave no name"),
        field<&C::door>(2, "door", "How it came: native, http or websocket"),
        field<&C::since_ms>(3, "since", "When it came", {.merge = Merge::least}),
        field<&C::last_seen_ms>(4, "last_seen", "When it last said anything", {.merge = Merge::largest}),
        field<&C::consumers>(5, "consumers", "Mailboxes it takes from as messages come", {.merge = Merge::sum}),
        field<&C::subscriptions>(6, "subscriptions", "Patterns it listens to", {.merge = Merge::largest}),
        field<&C::held>(7, "held", "Messages it has and has not settled, which come back when it ends",
                        {.merge = Merge::sum}),
        field<&C::held_since_ms>(8, "held_since", "Since when it has the first of them",
                                 {.merge = Merge::least, .sparse = true}),
    };
  }
};

struct ConnectionPage {
  std::vector<ConnectionInfo> connections{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&ConnectionPage::connections>(0, "connections", "By id",
                                            {.max = kNamePageMax, .merge = Merge::by_name, .role = Role::count}),
        field<&ConnectionPage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                                     {.merge = Merge::least, .role = Role::next, .nullable = true}),
    };
  }
};

struct ListConnections {
  std::string agent{};
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = ConnectionPage;
  static constexpr OperationRow kOperation{.name = "connection.list",
                                           .what = "Lists the connections with what they have, a page at a time",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/connections",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListConnections::agent>(0, "agent", "Those of this agent alone"),
        field<&ListConnections::limit>(1, "limit", "So many at most",
                                       {.min = 1, .max = kNamePageMax, .unit = "connections", .role = Role::limit}),
        field<&ListConnections::after>(2, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

/// One way in which an agent was there.
struct AgentDoor {
  std::string door{};
  std::uint64_t connections = 0;
  std::int64_t last_seen_ms = 0;

  static constexpr auto fields() {
    return std::array{
        field<&AgentDoor::door>(0, "door", "native, http or websocket"),
        field<&AgentDoor::connections>(1, "connections", "That are open", {.merge = Merge::sum}),
        field<&AgentDoor::last_seen_ms>(2, "last_seen", "When it last said anything there", {.merge = Merge::largest}),
    };
  }
};

/// An agent that is there, was there, or holds a message.
struct AgentInfo {
  std::string agent{};
  std::vector<AgentDoor> doors{};
  std::int64_t last_seen_ms = 0;
  std::uint64_t connections = 0, consumers = 0, held = 0;
  std::int64_t held_since_ms = 0;
  std::string health{}, status{}, type{};
  std::vector<std::string> capabilities{};

  static constexpr auto fields() {
    using A = AgentInfo;
    return std::array{
        field<&A::agent>(0, "agent", "Its name"),
        field<&A::doors>(1, "doors", "Where it is or was", {.max = 8, .merge = Merge::by_name}),
        field<&A::last_seen_ms>(2, "last_seen", "When it last said anything; left out: not since the server started",
                                {.merge = Merge::largest, .sparse = true}),
        field<&A::connections>(3, "connections", "That are open", {.merge = Merge::sum}),
        field<&A::consumers>(4, "consumers", "Mailboxes these take from as messages come", {.merge = Merge::sum}),
        field<&A::held>(5, "held", "Messages it has and has not settled, over whichever connection or none",
                        {.merge = Merge::sum}),
        field<&A::held_since_ms>(6, "held_since", "Since when it has the first of them",
                                 {.merge = Merge::least, .sparse = true}),
        field<&A::health>(7, "health", "up, grace or stale; left out: the registry knows nothing of it",
                          {.merge = Merge::least, .sparse = true}),
        field<&A::status>(8, "status", "Of one that is registered: active, inactive, maintenance or quarantined",
                          {.merge = Merge::least, .sparse = true}),
        field<&A::type>(9, "type", "What sort of agent it is, as registered", {.merge = Merge::least, .sparse = true}),
        field<&A::capabilities>(10, "capabilities", "What it can do, as registered",
                                {.max = 64, .merge = Merge::append, .sparse = true}),
    };
  }
};

constexpr std::uint64_t kAgentsRemembered = 10'000;

struct AgentPage {
  std::vector<AgentInfo> agents{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&AgentPage::agents>(0, "agents", "By name",
                                  {.max = kNamePageMax, .merge = Merge::by_name, .role = Role::count}),
        field<&AgentPage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                                {.merge = Merge::least, .role = Role::next, .nullable = true}),
    };
  }
};

struct ListAgents {
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = AgentPage;
  static constexpr OperationRow kOperation{
      .name = "agent.list",
      .what =
          "Lists the agents that are registered or there, hold a message, or were there since the server started (the "
          "last 10,000)",
      .right = Right::discover,
      .where = Where::all,
      .http = "GET /api/agents",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListAgents::limit>(0, "limit", "So many at most",
                                  {.min = 1, .max = kNamePageMax, .unit = "agents", .role = Role::limit}),
        field<&ListAgents::after>(1, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

}  // namespace folkmoot
