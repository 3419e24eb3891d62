// One message: taking it back, and what was tried with it.
#pragma once

#include "folkmoot/delivery.hpp"
#include "folkmoot/describe.hpp"

namespace folkmoot {

constexpr std::uint64_t kReasonTextMax = 4'096;
constexpr std::uint64_t kAttemptsListMax = 10'000;
constexpr std::uint64_t kResultBytesMost = 65'536;  // of what came of a message

inline constexpr std::string_view kOutcomeWords[] = {"queued",    "offered", "scheduled", "sent",
                                                     "duplicate", "dead",    "kept"};
template <>
inline constexpr std::span<const std::string_view> kWords<Outcome> = kOutcomeWords;
inline constexpr std::string_view kCopyStateWords[] = {"unknown",      "queued", "offered",   "retrieved",
                                                       "acknowledged", "dead",   "scheduled", "cancelled"};
template <>
inline constexpr std::span<const std::string_view> kWords<CopyState> = kCopyStateWords;

template <>
inline constexpr auto detail::kFields<PublishReceipt> = std::array{
    field<&PublishReceipt::id>(0, "id", "Of the message; of a duplicate: of the first one with its key"),
    field<&PublishReceipt::unread>(1, "unread", "Messages its recipient has not retrieved, this one included"),
    field<&PublishReceipt::outcome>(2, "outcome", "What became of it"),
    field<&PublishReceipt::last_read_age>(3, "last_read_age_ms",
                                          "How long ago the recipient last retrieved anything; null: never"),
    field<&PublishReceipt::state>(4, "state", "Of a duplicate: where the first one is", {.sparse = true}),
};

/// One attempt at a message: who had it, and how that ended.
struct Attempt {
  std::int64_t at_ms = 0;  // Unix milliseconds
  std::string holder{};    // empty: not named
  std::string end{};       // the word of how it ended: nacked, rejected, ...
  std::string reason{};
  std::uint32_t code = 0;  // of HTTP; 0: none

  static constexpr auto fields() {
    return std::array{
        field<&Attempt::at_ms>(0, "at", "When it ended"),
        field<&Attempt::holder>(1, "holder", "The agent that had it", {.sparse = true}),
        field<&Attempt::end>(
            2, "end", "How it ended: nacked, connection_lost, lease_expired, rejected; answered, by an endpoint"),
        field<&Attempt::reason>(3, "reason", "What was said of it", {.max = kReasonTextMax, .sparse = true}),
        field<&Attempt::code>(4, "code", "Of HTTP, that an endpoint answered with", {.sparse = true}),
    };
  }
};

struct CancelMessage {
  Uuid id{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "message.cancel",
                                           .what = "Takes a message back that nobody has had yet",
                                           .right = Right::publish,
                                           .where = Where::by_field,
                                           .http = "DELETE /api/messages/{id}"};
  static constexpr auto fields() {
    return std::array{field<&CancelMessage::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id})};
  }
};

struct MessageAttempts {
  Uuid id{};
  std::vector<Attempt> attempts{};

  static constexpr auto fields() {
    return std::array{
        field<&MessageAttempts::id>(0, "id", "The message's"),
        field<&MessageAttempts::attempts>(1, "attempts", "Oldest first", {.max = kAttemptsListMax}),
    };
  }
};

struct ShowAttempts {
  Uuid id{};

  using Answer = MessageAttempts;
  static constexpr OperationRow kOperation{
      .name = "message.attempts",
      .what = "The attempts made at a message that is waiting, in somebody's hands or dead",
      .right = Right::observe,
      .where = Where::by_field,
      .http = "GET /api/messages/{id}/attempts",
      .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowAttempts::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id})};
  }
};

/// How a message is settled by its id.
enum class SettledAs : std::uint8_t {
  processed = 0,
  failed = 1,  // given up: a dead letter
};
inline constexpr std::string_view kSettledAsWords[] = {"processed", "failed"};
template <>
inline constexpr std::span<const std::string_view> kWords<SettledAs> = kSettledAsWords;

struct SettledMessage {
  Uuid id{};
  bool result_kept = false;

  static constexpr auto fields() {
    return std::array{
        field<&SettledMessage::id>(0, "id", "The message's"),
        field<&SettledMessage::result_kept>(1, "result_kept",
                                            "There was a `result`, and the history keeps it (docs/history.md)"),
    };
  }
};

struct SettleMessage {
  Uuid id{};
  SettledAs status = SettledAs::processed;
  std::uint64_t lease = 0;
  JsonText result{};
  std::string reason{};

  using Answer = SettledMessage;
  static constexpr OperationRow kOperation{
      .name = "message.settle",
      .what = "Settles a message by its id: one of the caller's that waits, or with its lease one that was taken",
      .right = Right::consume,
      .where = Where::by_field};
  static constexpr auto fields() {
    return std::array{
        field<&SettleMessage::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id}),
        field<&SettleMessage::status>(1, "status", "processed, or failed: it is a dead letter then"),
        lease_field<&SettleMessage::lease>(2, "lease", "The one that came with it; left out: nobody has it"),
        field<&SettleMessage::result>(3, "result", "What came of it, for the history",
                                      {.max = kResultBytesMost, .shape = "Any"}),
        field<&SettleMessage::reason>(4, "reason", "Why it failed", {.max = 1'024}),
    };
  }
};

constexpr std::uint64_t kAnswerNotedMost = 4'096;  // bytes

struct NoteAnswer {
  Uuid id{};
  std::uint64_t lease = 0;
  std::uint32_t code = 200;
  std::string answer{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "message.answered",
      .what = "Notes for the history what somebody answered to whom a message was handed on, before it is settled",
      .right = Right::consume,
      .where = Where::by_field};
  static constexpr auto fields() {
    return std::array{
        field<&NoteAnswer::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id}),
        lease_field<&NoteAnswer::lease>(1, "lease", "The one that came with it", {.required = true}),
        field<&NoteAnswer::code>(2, "code", "Of HTTP, or like one of it", {.min = 100, .max = 599}),
        field<&NoteAnswer::answer>(3, "answer", "Its beginning", {.max = kAnswerNotedMost}),
    };
  }
};

}  // namespace folkmoot
