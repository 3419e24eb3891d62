// Following messages: one from its beginning to its end, and all of them as things happen.
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/message.hpp"

namespace folkmoot {

inline constexpr std::string_view kStepWords[] = {"resent", "moved"};
constexpr std::uint64_t kTraceMax = 1'000;

/// A message of a chain: where it is, and what it came from.
struct TracedMessage {
  Uuid id{};
  std::int64_t sent_at_ms = 0;
  std::string mailbox{};
  CopyState state = CopyState::unknown;
  std::int64_t at_ms = 0;
  std::uint32_t deliveries = 0;
  std::string holder{}, reason{};
  std::int64_t held_since_ms = 0;
  Uuid after{};
  std::string how{};
  Uuid cause{};
  std::vector<Attempt> attempts{};

  static constexpr auto fields() {
    using T = TracedMessage;
    return std::array{
        field<&T::id>(0, "id", "Its id"),
        field<&T::sent_at_ms>(1, "sent_at", "When it was accepted", {.merge = Merge::least}),
        field<&T::mailbox>(2, "mailbox", "Whose it is or was", {.merge = Merge::least}),
        field<&T::state>(3, "state", "How far it is"),
        field<&T::at_ms>(4, "at", "When it came to that", {.merge = Merge::largest, .sparse = true}),
        field<&T::deliveries>(5, "deliveries", "How often it was handed out", {.merge = Merge::largest}),
        field<&T::holder>(6, "holder", "The agent that has it", {.sparse = true}),
        field<&T::held_since_ms>(7, "held_since", "Since when somebody has it", {.sparse = true}),
        field<&T::reason>(8, "reason", "Why it is dead", {.sparse = true}),
        field<&T::after>(9, "after", "The message that it is again: another id of the same", {.sparse = true}),
        field<&T::how>(10, "how", "Of that: a dead letter that was sent again, or one carried to another shard",
                       {.words = kStepWords, .sparse = true}),
        field<&T::cause>(11, "cause", "The message that it answers, forwards or came of", {.sparse = true}),
        field<&T::attempts>(12, "attempts", "Attempts at it that failed, oldest first",
                            {.max = kAttemptsListMax, .sparse = true}),
    };
  }
};

struct MessageTrace {
  std::vector<TracedMessage> messages{};
  std::vector<Uuid> met{};

  static constexpr auto fields() {
    return std::array{
        field<&MessageTrace::messages>(0, "messages", "Oldest first in each shard",
                                       {.max = kTraceMax, .merge = Merge::by_name}),
        field<&MessageTrace::met>(1, "met", "All ids of the chain, those of messages forgotten by now too",
                                  {.max = kTraceMax, .role = Role::follow}),
    };
  }
};

struct TraceMessage {
  Uuid id{};
  std::vector<Uuid> also{};

  using Answer = MessageTrace;
  static constexpr OperationRow kOperation{
      .name = "message.trace",
      .what =
          "Where a message came from and what became of it: all that it was sent again as, carried to, caused by and "
          "caused, with times",
      .right = Right::observe,
      .where = Where::chained,
      .http = "GET /api/messages/{id}/trace",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&TraceMessage::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id}),
        field<&TraceMessage::also>(1, "also", "Others to be followed with it",
                                   {.max = kTraceMax, .role = Role::follow}),
    };
  }
};

inline constexpr std::string_view kTapWords[] = {"accepted", "delivered", "settled", "returned", "dead", "cancelled"};
constexpr std::uint64_t kTapPageMax = 10'000;

/// Something that happened to a message of a mailbox.
struct TapEvent {
  std::int64_t at_ms = 0;
  std::string what{};
  Uuid id{};
  std::string mailbox{}, from{}, holder{}, reason{};
  std::uint32_t deliveries = 0;
  std::string type{};
  Priority priority = normal;

  static constexpr auto fields() {
    using T = TapEvent;
    return std::array{
        field<&T::at_ms>(0, "at", "When"),
        field<&T::what>(1, "what", "What: delivered is handed out, returned is given back", {.words = kTapWords}),
        field<&T::id>(2, "id", "The message's id"),
        field<&T::mailbox>(3, "mailbox", "Whose it is"),
        field<&T::from>(4, "from", "Who sent it", {.sparse = true}),
        field<&T::holder>(5, "holder", "The agent that has or had it", {.sparse = true}),
        field<&T::deliveries>(6, "deliveries", "How often it was handed out", {.sparse = true}),
        field<&T::reason>(7, "reason", "Why it was given back or is dead", {.max = kReasonTextMax, .sparse = true}),
        field<&T::type>(8, "type", "The message's type", {.sparse = true}),
        field<&T::priority>(9, "priority", "The message's priority"),
    };
  }
};

struct TapPage {
  std::vector<TapEvent> events{};
  std::vector<std::string> next{};
  std::uint64_t missed = 0;

  static constexpr auto fields() {
    return std::array{
        field<&TapPage::events>(0, "events", "As they happened, shard by shard",
                                {.max = kTapPageMax, .merge = Merge::append}),
        field<&TapPage::next>(1, "next", "Where it goes on (`after`)", {.max = 64, .merge = Merge::append}),
        field<&TapPage::missed>(2, "missed", "So many happened that are forgotten by now", {.merge = Merge::sum}),
    };
  }
};

struct ReadTap {
  std::vector<std::string> after{};
  std::string mailbox{}, filter{};
  std::uint32_t limit = 1'000;

  using Answer = TapPage;
  static constexpr OperationRow kOperation{
      .name = "tap.read",
      .what =
          "What happened to messages of mailboxes since the call before; the first call begins. Kept for those who ask "
          "again within 10 s: the last 10,000 of a shard, and at most 8 MiB",
      .right = Right::observe,
      .where = Where::all,
      .http = "GET /api/tap",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ReadTap::after>(0, "after", "`next` of the call before", {.max = 64}),
        field<&ReadTap::mailbox>(1, "mailbox", "Of mailboxes whose names it fits: `*` stands for anything"),
        field<&ReadTap::filter>(2, "filter", "A condition over the message (docs/filters.md)", {.max = 4'096}),
        field<&ReadTap::limit>(3, "limit", "So many at most of each shard", {.min = 1, .max = 1'000, .unit = "events"}),
    };
  }
};

}  // namespace folkmoot
