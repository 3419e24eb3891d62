// What the engine's commands take, where it is more than an argument or two.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/effects.hpp"
#include "engine/options.hpp"
#include "engine/route.hpp"
#include "message/envelope.hpp"

namespace folkmoot {

/// A message as it comes from outside, envelope read and checked by read_routing().
struct IncomingMessage {
  Routing routing;
  Bytes envelope;
  Bytes content;
  std::uint64_t version = 0;  // of the envelope: messages of one version have the same, byte for byte; 0: not known
  bool has_causes = false;    // cause, hops and chain are as another shard has found them
  bool forwarded = false;     // by another shard, which has accepted and stamped it: what the envelope says is so
  // Whose it is, as the server knows who sends it (pack(Provenance)), which the envelope cannot say; empty: it says so
  // already, or nobody was asked.
  std::string_view provenance{};
  std::optional<ConnectionId> answerer{};  // of an answer that another shard passes on: who sends it; 0: one who may
};

/// A delay that is as the retry policy of the message says.
constexpr Duration kByPolicy{-1};

struct ReceiveCommand {
  std::string_view mailbox;
  std::uint32_t max = 1;
  Duration wait_ms = 0;
  Duration lease_ms = 0;  // 0: the lease lives with the connection
};

struct SettleCommand {
  Uuid id{};
  LeaseToken lease = 0;     // of who has it; 0: nobody has
  bool failed = false;      // else it is processed
  std::string_view text{};  // what came of it (JSON), or why it failed
  bool is_kept = false;     // what came of it: by who follows the log
};

struct AnswerCommand {
  Uuid id{};
  LeaseToken lease = 0;
  std::uint16_t code = 0;
  std::string_view text{};
};

struct MailboxCommand {
  std::string_view name;
  MailboxLimits limits;
  std::uint8_t own = kOwnAll;  // which of them are set; the others stay as they are
  bool reset = false;          // but first all are the server's again
};

struct DeleteMailboxCommand {
  std::string_view name;
  bool with_messages = false;  // what waits is taken back and dead letters are purged; else it must be empty
  std::uint32_t limit = 1;     // messages and dead letters that go by one command
};

/// Which dead letters; all that is given must hold.
struct DeadQuery {
  std::string_view mailbox{};                 // empty: of every mailbox
  Uuid id{};                                  // nil: any
  DeadReason reason = DeadReason::none;       // none: any
  Instant before = 0;                         // died before this time; 0: any
  std::function<bool(Bytes message)> fits{};  // of envelope and content; empty: any
};

/// What is to be different when a dead letter is sent again.
struct Resubmission {
  Bytes changes{};  // an envelope with the fields that change (`to` among them); empty: none
  std::optional<Bytes> content{};
  std::function<Result<void>(Message& envelope, std::string& content)> edit{};  // of the message itself; empty: none
};

/// Many dead letters sent again.
struct RedriveCommand {
  DeadQuery query{};
  Resubmission how{};
  std::uint32_t limit = 0;       // at most so many; 0: all that fit
  std::uint32_t per_second = 0;  // 0: at once
};

struct ScheduleCommand {
  std::string_view name{};
  std::string_view cron{};  // empty: every `every_ms`
  Duration every_ms = 0;
  Instant first_at = 0;     // 0: the next time that fits
  Instant until = 0;        // 0: for ever
  std::uint64_t times = 0;  // 0: no end
};

struct SubscriptionCommand {
  std::string_view name{};
  std::string_view pattern{};
  std::string_view filter{};   // empty: every event
  std::string_view mailbox{};  // empty: that of the subscription's own name
};

struct RouteCommand {
  std::string_view name{};
  std::uint32_t order = 100;  // lower ones are asked first
  std::string_view filter{};  // empty: every message
  std::vector<RouteTarget> targets{};
  Strategy strategy = Strategy::round_robin;
  std::string_view hash_on{};
  bool consumers_only = false;
};

}  // namespace folkmoot
