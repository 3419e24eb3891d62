// Dead letters, schedules, routes and other things that are kept by the server and looked after with calls: their
// questions and answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/delivery.hpp"
#include "folkmoot/message.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot {

/// One attempt at a message: who had it, and how that ended.
struct Attempt {
  std::int64_t at_ms = 0;  // Unix milliseconds
  std::string holder{};    // empty: not named
  std::string end{};       // the word of how it ended: nacked, rejected, ...
  std::string reason{};
};

/// A message that was given up.
struct DeadMessage {
  Uuid id{};
  std::string mailbox{};
  std::string reason{};  // the word: rejected, expired, ...
  std::string text{};    // why, in words
  std::int64_t at_ms = 0;
  std::uint32_t deliveries = 0;
  Message message{};                // without its content, unless that was asked for
  std::vector<Attempt> attempts{};  // of dead_show()
};

/// Which dead letters; all that is given must hold.
struct DeadFilter {
  std::string mailbox{};
  std::string reason{};
  std::int64_t before_ms = 0;  // died before this time, Unix milliseconds
  std::string filter{};        // docs/filters.md
  Uuid id{};                   // this one alone
};

struct DeadListOptions {
  std::uint32_t limit = 100;  // 1 to 1000
  Uuid after{};               // go on behind this one
  bool content = false;
};

struct DeadPage {
  std::vector<DeadMessage> dead{};
  Uuid next{};  // nil: there are no more
};

struct RedriveOptions {
  Metadata changes{};            // message fields that are to be different, `to` and `content` among them
  std::uint32_t limit = 0;       // 0: all that fit
  std::uint32_t per_second = 0;  // 0: at once
  bool dry_run = false;
};

struct Redriven {
  std::uint32_t sent = 0, refused = 0;
  /// Of a dry run: how many it would be, and the first of them.
  std::uint64_t count = 0;
  std::vector<Uuid> ids{};
};

struct PurgeOptions {
  std::uint32_t limit = 0;  // 0: all that fit
  bool all = false;         // has to be said when the query has no condition
};

/// A message that is sent again and again.
struct ScheduledMessage {
  std::string name{};
  Milliseconds every{0};                       // either this
  std::string cron{};                          // or a cron expression
  std::int64_t first_at_ms = 0, until_ms = 0;  // Unix milliseconds; 0: the next time that fits, for ever
  std::uint64_t times = 0;                     // 0: no end
  Message message{};
};

struct ScheduleStatus {
  std::string name{};
  Milliseconds every{0};
  std::string cron{};
  std::int64_t next_ms = 0, until_ms = 0;
  std::uint64_t left = 0;  // 0: no end
  std::uint64_t fired = 0;
  std::string from{};  // whose it is
};

/// How one of several targets of a route is chosen.
enum class RouteStrategy : std::uint8_t {
  round_robin = 0,
  weighted = 1,      // in turns as frequent as the weights say
  least_loaded = 2,  // fewest waiting and leased, and what the agent itself reports
  random = 3,
  hash = 4,  // messages with the same value in a field go to the same target
};
std::string_view name(RouteStrategy strategy);
std::optional<RouteStrategy> parse_route_strategy(std::string_view text);

struct WeightedTarget {
  std::string name{};
  std::uint32_t weight = 1;  // 1 to 1000

  bool operator==(const WeightedTarget&) const = default;
};

/// A rule that finds a recipient for messages sent without one (docs/delivery.md).
struct RouteRule {
  std::string name{};
  std::vector<WeightedTarget> targets{};  // 1 to 256
  std::uint32_t order = 100;              // lower numbers are asked first
  std::string filter{};                   // docs/filters.md; empty: every message
  RouteStrategy strategy = RouteStrategy::round_robin;
  std::string hash_on{};        // of strategy hash: the field
  bool consumers_only = false;  // pass over a target without a free consumer

  bool operator==(const RouteRule&) const = default;
};

struct RouteStatus {
  RouteRule rule{};
  std::uint64_t routed = 0;  // messages since the server started
};

/// What the messages of a conversation reported in metadata as cost_tokens and cost_money.
struct ConversationCost {
  std::string conversation{};
  std::uint64_t messages = 0;
  double tokens = 0, money = 0;
};

}  // namespace folkmoot
