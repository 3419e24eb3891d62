// History: what became of every durable message, for as long as it is kept; settled and removed ones included. There if
// the server keeps one (setting `history.store`).
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/message.hpp"

namespace folkmoot {

constexpr std::uint64_t kHistoryPageMax = 1'000;
constexpr std::uint64_t kHistoryTextMax = 1'024;
constexpr std::uint64_t kHistoryCursorMax = 64;

/// Where a message stands, in the words of the history's tables.
enum class HistoryState : std::uint8_t {
  pending,    // not settled: it waits, is scheduled, or somebody has it
  delivered,  // handed out, of those that are handed out at most once
  processed,  // settled by whoever had it
  failed,     // given up, or taken back; `reason` says why
  expired,    // its life ended before
  event,      // none of these: an event, which a stream has kept
};
inline constexpr std::string_view kHistoryStateWords[] = {"pending", "delivered", "processed",
                                                          "failed",  "expired",   "event"};
template <>
inline constexpr std::span<const std::string_view> kWords<HistoryState> = kHistoryStateWords;

/// A message and its life, or an event.
struct HistoryMessage {
  Uuid id{};
  HistoryState state{};
  std::string from{}, to{}, type{};
  std::uint8_t priority = normal;
  std::uint32_t attempts = 0;
  std::int64_t accepted_at = 0, delivered_at = 0, ended_at = 0, expires_at = 0;
  std::string conversation{}, correlation{};
  Uuid cause{};
  std::string reason{};
  std::string content_type{};
  std::uint64_t content_bytes = 0;
  std::string content_hash{};
  JsonText content{};
  JsonText provenance{};
  std::string topic{};

  static constexpr auto fields() {
    return std::array{
        field<&HistoryMessage::id>(0, "id", "Its id"),
        field<&HistoryMessage::state>(1, "state", "Where it stands"),
        field<&HistoryMessage::from>(2, "from", "Who sent it"),
        field<&HistoryMessage::to>(3, "to", "Whose mailbox it was sent to; empty for an event"),
        field<&HistoryMessage::type>(4, "type", "Its type", {.sparse = true}),
        field<&HistoryMessage::priority>(5, "priority", "1 (first) to 10"),
        field<&HistoryMessage::attempts>(6, "attempts", "How often it came back"),
        field<&HistoryMessage::accepted_at>(7, "accepted_at", "When the server accepted it"),
        field<&HistoryMessage::delivered_at>(8, "delivered_at", "When an attempt at it first ended",
                                             {.nullable = true}),
        field<&HistoryMessage::ended_at>(9, "ended_at", "When it was settled, given up or taken back",
                                         {.nullable = true}),
        field<&HistoryMessage::expires_at>(10, "expires_at", "When its life ends", {.nullable = true}),
        field<&HistoryMessage::conversation>(11, "conversation", "The conversation it belongs to", {.sparse = true}),
        field<&HistoryMessage::correlation>(12, "correlation", "What it answers, as its sender said", {.sparse = true}),
        field<&HistoryMessage::cause>(13, "cause", "The message that it follows from", {.sparse = true}),
        field<&HistoryMessage::reason>(14, "reason", "Why it was given up", {.max = kReasonTextMax, .sparse = true}),
        field<&HistoryMessage::content_type>(15, "content_type", "MIME type of its content", {.sparse = true}),
        field<&HistoryMessage::content_bytes>(16, "content_bytes", "Bytes of its content", {.unit = "bytes"}),
        field<&HistoryMessage::content_hash>(17, "content_hash", "SHA-256 of a content that is not kept here",
                                             {.sparse = true}),
        field<&HistoryMessage::content>(
            18, "content", "JSON as it is, text as a string, other bytes in base64; only if it was asked for",
            {.shape = "Any", .sparse = true}),
        field<&HistoryMessage::provenance>(
            19, "provenance",
            "Whose credentials it came with: account, door, verified, trust; left out if nobody was asked",
            {.shape = "Any", .sparse = true}),
        field<&HistoryMessage::topic>(
            20, "topic", "Of an event; and of a message that a durable subscription made of one", {.sparse = true}),
    };
  }
};

struct HistoryPage {
  std::vector<HistoryMessage> messages{};
  std::string next{};  // empty: there are no more
  std::uint64_t lag_bytes = 0;
  std::string problem{};

  static constexpr auto fields() {
    return std::array{
        field<&HistoryPage::messages>(0, "messages", "Newest first", {.max = kHistoryPageMax}),
        field<&HistoryPage::next>(1, "next", "Where the next page goes on (`after`); left out at the end",
                                  {.max = kHistoryCursorMax, .sparse = true}),
        field<&HistoryPage::lag_bytes>(2, "lag_bytes",
                                       "Of the journals, not read yet: of what happened last something may be missing",
                                       {.unit = "bytes", .sparse = true}),
        field<&HistoryPage::problem>(3, "problem", "Why the history does not go on; left out: it does",
                                     {.max = kReasonTextMax, .sparse = true}),
    };
  }
};

struct FindHistory {
  std::string agent{}, from{}, to{};
  std::optional<HistoryState> state{};
  std::string type{};
  std::uint8_t priority = 0;
  std::string conversation{}, correlation{};
  Uuid cause{};
  std::string text{};
  std::int64_t since_ms = 0, until_ms = 0;
  std::uint32_t limit = 100;
  std::string after{};
  bool content = false;
  std::string topic{};

  using Answer = HistoryPage;
  static constexpr OperationRow kOperation{.name = "history.find",
                                           .what = "Finds messages and events of the past; all that is given must hold",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/history/messages",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&FindHistory::agent>(0, "agent", "Sent by this agent or to it"),
        field<&FindHistory::from>(1, "from", "Sent by this agent"),
        field<&FindHistory::to>(2, "to", "Sent to this mailbox"),
        field<&FindHistory::state>(3, "state", "That stand so"),
        field<&FindHistory::type>(4, "type", "Of this type"),
        field<&FindHistory::priority>(5, "priority", "Of this priority; left out: of any", {.min = 1, .max = 10}),
        field<&FindHistory::conversation>(6, "conversation", "Of this conversation"),
        field<&FindHistory::correlation>(7, "correlation", "With this correlation"),
        field<&FindHistory::cause>(8, "cause", "That follow from this message"),
        field<&FindHistory::text>(9, "text", "With these words one after the other in the content",
                                  {.max = kHistoryTextMax}),
        field<&FindHistory::since_ms>(10, "since", "Accepted then or later"),
        field<&FindHistory::until_ms>(11, "until", "Accepted before then"),
        field<&FindHistory::limit>(12, "limit", "So many at most",
                                   {.min = 1, .max = kHistoryPageMax, .unit = "messages"}),
        field<&FindHistory::after>(13, "after", "Goes on behind this place: `next` of the page before",
                                   {.max = kHistoryCursorMax}),
        field<&FindHistory::content>(14, "content", "With the contents of the messages"),
        field<&FindHistory::topic>(
            15, "topic",
            "Events of this topic or pattern (`*` is a word, a last `>` the rest), and what subscriptions "
            "made of them"),
    };
  }
};

struct HistoryRecord {
  HistoryMessage message{};
  std::vector<Attempt> attempts{};
  JsonText result{};

  static constexpr auto fields() {
    return std::array{
        field<&HistoryRecord::message>(0, "message", "The message with its content"),
        field<&HistoryRecord::attempts>(
            1, "attempts", "The attempts at it that settled nothing, and those that an endpoint answered, oldest first",
            {.max = kAttemptsListMax}),
        field<&HistoryRecord::result>(2, "result", "What came of it, as who settled it said",
                                      {.max = kResultBytesMost, .shape = "Any", .sparse = true}),
    };
  }
};

struct ShowHistory {
  Uuid id{};

  using Answer = HistoryRecord;
  static constexpr OperationRow kOperation{.name = "history.show",
                                           .what = "A message of the past with its content, and the attempts at it",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/history/messages/{id}",
                                           .again = true};
  static constexpr auto fields() { return std::array{field<&ShowHistory::id>(0, "id", "Its id", {.required = true})}; }
};

/// A part of the journal that was gone before the history had read it.
struct HistoryGap {
  std::uint32_t shard = 0;
  std::uint64_t from = 0, to = 0;
  std::int64_t noticed_at = 0;

  static constexpr auto fields() {
    return std::array{
        field<&HistoryGap::shard>(0, "shard", "Whose journal", {.max = 255}),
        field<&HistoryGap::from>(1, "from", "The position it begins at"),
        field<&HistoryGap::to>(2, "to", "The position it ends at"),
        field<&HistoryGap::noticed_at>(3, "noticed_at", "When that was noticed"),
    };
  }
};

struct HistoryStatus {
  std::uint64_t messages = 0, lag_bytes = 0, bytes = 0;
  std::int64_t oldest_at = 0;
  std::string problem{};
  std::vector<HistoryGap> gaps{};

  static constexpr auto fields() {
    return std::array{
        field<&HistoryStatus::messages>(0, "messages", "So many are kept, events among them"),
        field<&HistoryStatus::lag_bytes>(1, "lag_bytes", "Of the journals, not read yet", {.unit = "bytes"}),
        field<&HistoryStatus::bytes>(2, "bytes", "Of the history's file", {.unit = "bytes"}),
        field<&HistoryStatus::oldest_at>(3, "oldest_at", "When the oldest of them was accepted", {.nullable = true}),
        field<&HistoryStatus::problem>(4, "problem", "Why it does not go on; left out: it does",
                                       {.max = kReasonTextMax, .sparse = true}),
        field<&HistoryStatus::gaps>(5, "gaps", "What is missing", {.max = 1'000, .sparse = true}),
    };
  }
};

struct ShowHistoryStatus {
  using Answer = HistoryStatus;
  static constexpr OperationRow kOperation{.name = "history.status",
                                           .what = "How far the history is, and what is missing in it",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/history/status",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

}  // namespace folkmoot
