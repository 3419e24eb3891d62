// Wakes: how agents that sleep while they have no mail are woken, and who wakes them (docs/wakes.md).
#pragma once

#include "folkmoot/describe.hpp"

namespace folkmoot {

/// Who wakes it.
enum class WakeKind : std::uint8_t {
  hook = 0,     // a command that a watcher runs for each wake
  process = 1,  // a process that a watcher starts, which ends when the mailbox is empty
  webhook = 2,  // an HTTP request that the server makes
};
inline constexpr std::string_view kWakeKindWords[] = {"hook", "process", "webhook"};
template <>
inline constexpr std::span<const std::string_view> kWords<WakeKind> = kWakeKindWords;

enum class WakeOutcome : std::uint8_t { done = 0, failed = 1 };
inline constexpr std::string_view kWakeOutcomeWords[] = {"done", "failed"};
template <>
inline constexpr std::span<const std::string_view> kWords<WakeOutcome> = kWakeOutcomeWords;

inline constexpr std::string_view kWakeStateWords[] = {"idle", "waiting", "due", "taken"};
inline constexpr std::string_view kWakeEndWords[] = {"none", "done", "unread", "failed", "lost"};
constexpr std::uint64_t kWakePageMax = 1'000, kWakesTakenMax = 64, kWakeNamesMax = 1'000, kWakeBatchMost = 1'000'000;
constexpr std::uint64_t kWakeUrlMost = 2'048, kWakeSecretMost = 128, kWakeWeekMs = 7 * 86'400'000;

/// When an agent is woken.
struct WakePolicy {
  Priority priority = kPriorityMax;  // only for messages of this one and higher ones
  std::uint32_t batch = 1;
  std::chrono::milliseconds batch_wait{0};
  std::string quiet{};       // "22:00-07:00"
  std::string zone = "UTC";  // of quiet hours and budget
  std::uint32_t budget = 0;  // wakes a day; 0: no bound
  std::chrono::milliseconds retry{0};
  std::chrono::milliseconds retry_max{600'000};

  static constexpr auto fields() {
    using P = WakePolicy;
    return std::array{
        field<&P::priority>(10, "priority", "Only for messages of this priority and higher ones (1 is the highest)",
                            {.min = kPriorityMin, .max = kPriorityMax}),
        field<&P::batch>(11, "batch", "When so many messages wait",
                         {.min = 1, .max = kWakeBatchMost, .unit = "messages"}),
        field<&P::batch_wait>(12, "batch_wait_ms", "Or so long after the first; goes with `batch`",
                              {.max = kWakeWeekMs, .also = "batch_wait"}),
        field<&P::quiet>(13, "quiet", "Not between these times of the day, such as 22:00-07:00", {.max = 11}),
        field<&P::zone>(14, "zone",
                        "The time zone of quiet hours and budget: a name such as Europe/Berlin, or a POSIX rule"),
        field<&P::budget>(15, "budget", "So many wakes a day; 0: no bound", {.max = kWakeBatchMost, .unit = "wakes"}),
        field<&P::retry>(16, "retry_ms",
                         "After a wake that brought nobody: so long until the next, twice as long each time; 0: 1 s, "
                         "and 30 s if a hook or webhook was done, for who was told to come",
                         {.max = kWakeWeekMs, .also = "retry"}),
        field<&P::retry_max>(17, "retry_max_ms", "At most so long", {.max = kWakeWeekMs, .also = "retry_max"}),
    };
  }
};

struct SetWake {
  std::string agent{};
  WakeKind how = WakeKind::process;
  std::string url{}, secret{};
  WakePolicy policy{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "wake.set",
      .what = "How an agent that sleeps is woken by its mail, and when; in the place of what was set for it",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "PUT /api/wakes/{agent}",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&SetWake::agent>(0, "agent", "Whose mailbox wakes it", {.required = true, .role = Role::shard_by_name}),
        field<&SetWake::how>(1, "how", "By a hook or a process, of a watcher; or by a webhook, of the server"),
        field<&SetWake::url>(2, "url", "Of a webhook: what is posted to", {.max = kWakeUrlMost}),
        field<&SetWake::secret>(3, "secret", "Of a webhook: what it is signed with, `whsec_` and base64; never shown",
                                {.max = kWakeSecretMost}),
        fields_of<&SetWake::policy>(),
    };
  }
};

struct RemoveWake {
  std::string agent{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "wake.remove",
                                           .what = "The agent is woken no more",
                                           .right = Right::administer,
                                           .where = Where::by_field,
                                           .http = "DELETE /api/wakes/{agent}"};
  static constexpr auto fields() {
    return std::array{
        field<&RemoveWake::agent>(0, "agent", "As it was set", {.required = true, .role = Role::shard_by_name})};
  }
};

/// A wake: as it was set, but for its secret, and how it stands.
struct WakeStatus {
  std::string agent{};
  WakeKind how{};
  std::string url{};
  WakePolicy policy{};
  std::string state = "idle";
  std::uint64_t unread = 0;
  std::int64_t due_at_ms = 0, next_at_ms = 0;
  std::string taken_by{};
  std::int64_t taken_at_ms = 0;
  std::string last_end = "none", last_reason{};
  std::int64_t last_at_ms = 0;
  std::uint32_t tries = 0, woken_today = 0;
  bool watched = false;

  static constexpr auto fields() {
    using S = WakeStatus;
    return std::array{
        field<&S::agent>(0, "agent", "Who is woken"),
        field<&S::how>(1, "how", "By what"),
        field<&S::url>(2, "url", "Of a webhook: what is posted to", {.max = kWakeUrlMost, .sparse = true}),
        fields_of<&S::policy>(),
        field<&S::state>(20, "state",
                         "idle: no mail that it is for; waiting: mail, and not yet the time; due: nobody has taken it; "
                         "taken",
                         {.words = kWakeStateWords}),
        field<&S::unread>(21, "unread", "Messages that wait in its mailbox"),
        field<&S::due_at_ms>(22, "due_at", "Since when it is due", {.sparse = true}),
        field<&S::next_at_ms>(23, "next_at", "When it will be due, or its lease ends", {.sparse = true}),
        field<&S::taken_by>(24, "taken_by", "The watcher that has it", {.sparse = true}),
        field<&S::taken_at_ms>(25, "taken_at", "Since when", {.sparse = true}),
        field<&S::last_end>(26, "last",
                            "How the last one ended. unread: done, and nobody came; lost: its watcher was gone",
                            {.words = kWakeEndWords}),
        field<&S::last_reason>(27, "last_reason", "What was said of that", {.sparse = true}),
        field<&S::last_at_ms>(28, "last_at", "When it was woken last", {.sparse = true}),
        field<&S::tries>(29, "tries", "Wakes in a row that brought nobody"),
        field<&S::watched>(31, "watched", "A watcher waits for it right now"),
        field<&S::woken_today>(30, "woken_today", "Wakes on this day of its time zone"),
    };
  }
};

struct WakePage {
  std::vector<WakeStatus> wakes{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&WakePage::wakes>(0, "wakes", "By name",
                                {.max = kWakePageMax, .merge = Merge::by_name, .role = Role::count}),
        field<&WakePage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                               {.merge = Merge::least, .role = Role::next, .nullable = true}),
    };
  }
};

struct ListWakes {
  std::string match{};
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = WakePage;
  static constexpr OperationRow kOperation{.name = "wake.list",
                                           .what = "Lists how agents are woken, by name, a page at a time",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/wakes",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListWakes::match>(0, "match", "Agents whose names it fits: `*` stands for anything; left out: all"),
        field<&ListWakes::limit>(1, "limit", "So many at most",
                                 {.min = 1, .max = kWakePageMax, .unit = "wakes", .role = Role::limit}),
        field<&ListWakes::after>(2, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

struct ShowWake {
  std::string agent{};

  using Answer = WakeStatus;
  static constexpr OperationRow kOperation{.name = "wake.show",
                                           .what = "How an agent is woken, and how that stands",
                                           .right = Right::observe,
                                           .where = Where::by_field,
                                           .http = "GET /api/wakes/{agent}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowWake::agent>(0, "agent", "Who", {.required = true, .role = Role::shard_by_name})};
  }
};

/// An agent to be woken, and what for.
struct TakenWake {
  std::string agent{};
  std::uint64_t wake = 0;
  WakeKind how{};
  Uuid id{};
  std::uint32_t attempt = 1;
  std::uint64_t unread = 0, ready = 0;
  Priority first_priority = normal;
  std::string url{}, body{}, signature{};
  std::int64_t signed_at_ms = 0;

  static constexpr auto fields() {
    using T = TakenWake;
    return std::array{
        field<&T::agent>(0, "agent", "Who is to be woken"),
        lease_field<&T::wake>(1, "wake", "The lease: by which it is done with"),
        field<&T::how>(2, "how", "By what"),
        field<&T::id>(3, "id", "The same for each attempt, until one brings somebody"),
        field<&T::attempt>(4, "attempt", "Which one, from 1"),
        field<&T::unread>(5, "unread", "Messages that wait in its mailbox"),
        field<&T::ready>(6, "ready", "Those that may be taken now, and that it is woken for"),
        field<&T::first_priority>(7, "first_priority", "The highest priority of these",
                                  {.min = kPriorityMin, .max = kPriorityMax}),
        field<&T::url>(8, "url", "Of a webhook: what is posted to", {.max = kWakeUrlMost, .sparse = true}),
        field<&T::body>(9, "body", "What is posted", {.max = 4'096, .sparse = true}),
        field<&T::signature>(10, "signature", "Its signature (Standard Webhooks)", {.sparse = true}),
        field<&T::signed_at_ms>(11, "signed_at", "When that was made", {.sparse = true}),
    };
  }
};

struct TakenWakes {
  std::vector<TakenWake> wakes{};

  static constexpr auto fields() {
    return std::array{field<&TakenWakes::wakes>(0, "wakes", "The one that has been due longest first; none: in time",
                                                {.max = 16 * kWakesTakenMax, .merge = Merge::append})};
  }
};

struct TakeWakes {
  std::vector<std::string> agents{};
  std::vector<std::string> how{};
  std::uint32_t limit = 1;
  std::chrono::milliseconds wait{0}, lease{0};
  std::string watcher{};

  using Answer = TakenWakes;
  static constexpr OperationRow kOperation{.name = "wake.take",
                                           .what =
                                               "Takes agents that are to be woken, as soon as there are any: each is "
                                               "one watcher's, until it is done, or its "
                                               "connection or lease ends",
                                           .right = Right::consume,
                                           .where = Where::any,
                                           .http = "POST /api/wakes/take",
                                           .patience = std::chrono::milliseconds(330'000)};
  static constexpr auto fields() {
    return std::array{
        field<&TakeWakes::agents>(0, "agents",
                                  "Which: names, in which `*` stands for anything. One alone, without `*` and `wait`, "
                                  "is refused while somebody has its wake",
                                  {.required = true, .min = 1, .max = kWakeNamesMax}),
        field<&TakeWakes::how>(1, "how", "Only those that are woken by one of these; left out: hook and process",
                               {.max = 16}),
        field<&TakeWakes::limit>(2, "limit", "So many at most, of each shard",
                                 {.min = 1, .max = kWakesTakenMax, .unit = "wakes"}),
        field<&TakeWakes::wait>(3, "wait_ms", "How long to wait for one", {.max = 300'000, .also = "wait"}),
        field<&TakeWakes::lease>(4, "lease_ms", "How long each is this watcher's at most; 0: until its connection ends",
                                 {.max = 86'400'000, .also = "lease"}),
        field<&TakeWakes::watcher>(5, "watcher", "What it is called where the wake is shown; left out: its agent"),
    };
  }
};

struct EndWake {
  std::string agent{};
  std::uint64_t wake = 0;
  WakeOutcome outcome{};
  std::string reason{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "wake.done",
      .what =
          "Ends a wake that was taken. If its mailbox was not read meanwhile, or it failed, the agent is woken again "
          "after a while",
      .right = Right::consume,
      .where = Where::by_field,
      .http = "POST /api/wakes/{agent}/done"};
  static constexpr auto fields() {
    return std::array{
        field<&EndWake::agent>(0, "agent", "Who was woken", {.required = true, .role = Role::shard_by_name}),
        lease_field<&EndWake::wake>(1, "wake", "The lease, as it was taken", {.required = true}),
        field<&EndWake::outcome>(2, "outcome", "Whether it could be woken"),
        field<&EndWake::reason>(3, "reason", "Why not"),
    };
  }
};

}  // namespace folkmoot
