// What the doors that speak JSON answer, described: for the documents of both of them. json_answers.hpp writes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "folkmoot/operation/message.hpp"

namespace folkmoot {

inline constexpr std::string_view kStoreStatuses[] = {"pending", "delivered", "processed", "failed",
                                                      "expired", "cancelled", "unknown"};

struct ConfirmAnswer {
  Uuid id{};
  std::uint32_t unread = 0, subscriptions = 0, copies = 0;
  Outcome outcome = Outcome::queued;
  CopyState state = CopyState::unknown;
  std::optional<std::chrono::milliseconds> last_read_age{};
  std::string status{};

  static constexpr auto fields() {
    return std::array{
        field<&ConfirmAnswer::id>(0, "id", "Its id; of a duplicate: of the first one with its key"),
        field<&ConfirmAnswer::unread>(1, "unread", "To a mailbox: messages not retrieved yet, this one included",
                                      {.sparse = true}),
        field<&ConfirmAnswer::subscriptions>(2, "subscriptions", "To a topic: how many it went to", {.sparse = true}),
        field<&ConfirmAnswer::outcome>(3, "outcome", "What became of it"),
        field<&ConfirmAnswer::state>(4, "state", "Of a duplicate: where the first one is", {.sparse = true}),
        field<&ConfirmAnswer::last_read_age>(
            5, "last_read_age_ms", "How long ago its agent last retrieved anything; null: never", {.sparse = true}),
        field<&ConfirmAnswer::status>(6, "status", "In the words of message stores", {.words = kStoreStatuses}),
        field<&ConfirmAnswer::copies>(7, "copies", "Of an event that is kept: in how many places", {.sparse = true}),
    };
  }
};

/// Of a batch or a completion, one message: a confirmation or an error.
struct OneResult {
  Uuid id{};
  std::uint32_t unread = 0, subscriptions = 0, copies = 0;
  Outcome outcome = Outcome::queued;
  CopyState state = CopyState::unknown;
  std::optional<std::chrono::milliseconds> last_read_age{};
  std::string status{}, code{}, error{}, advice{};

  static constexpr auto fields() {
    return std::array{
        field<&OneResult::id>(0, "id", "Its id", {.sparse = true}),
        field<&OneResult::unread>(1, "unread", "To a mailbox: messages not retrieved yet", {.sparse = true}),
        field<&OneResult::subscriptions>(2, "subscriptions", "To a topic: how many it went to", {.sparse = true}),
        field<&OneResult::outcome>(3, "outcome", "What became of it", {.sparse = true}),
        field<&OneResult::state>(4, "state", "Of a duplicate: where the first one is", {.sparse = true}),
        field<&OneResult::last_read_age>(5, "last_read_age_ms", "How long ago its agent last retrieved anything",
                                         {.sparse = true}),
        field<&OneResult::status>(6, "status", "In the words of message stores",
                                  {.words = kStoreStatuses, .sparse = true}),
        field<&OneResult::code>(7, "code", "If it was refused: docs/protocol.md, section 10", {.sparse = true}),
        field<&OneResult::error>(8, "error", "What happened, to what", {.sparse = true}),
        field<&OneResult::advice>(9, "advice", "What to do", {.sparse = true}),
        field<&OneResult::copies>(10, "copies", "Of an event that is kept: in how many places", {.sparse = true}),
    };
  }
};

/// Of a request to several agents, one that did not answer.
struct MissingAnswer {
  std::uint32_t index = 0;
  std::string recipient{}, code{}, error{}, advice{};

  static constexpr auto fields() {
    return std::array{
        field<&MissingAnswer::index>(0, "index", "Its place among those that were asked"),
        field<&MissingAnswer::recipient>(1, "recipient", "Who was asked"),
        field<&MissingAnswer::code>(2, "code", "docs/protocol.md, section 10"),
        field<&MissingAnswer::error>(3, "error", "Why there is no answer"),
        field<&MissingAnswer::advice>(4, "advice", "What to do", {.sparse = true}),
    };
  }
};

/// How a request to several agents ended.
struct GatheredAnswer {
  bool enough = false;
  std::uint32_t answers = 0;
  std::vector<MissingAnswer> missing{};

  static constexpr auto fields() {
    return std::array{
        field<&GatheredAnswer::enough>(0, "enough", "There were as many answers as were needed"),
        field<&GatheredAnswer::answers>(1, "answers", "How many there were"),
        field<&GatheredAnswer::missing>(2, "missing", "Who did not answer, and why"),
    };
  }
};

/// A copy of a message: how far it is.
struct ReceiptAnswer {
  Uuid id{};
  std::string recipient{}, status{}, reason{}, holder{};
  CopyState state{};
  std::uint32_t deliveries = 0;
  std::int64_t at = 0, held_since = 0;

  static constexpr auto fields() {
    return std::array{
        field<&ReceiptAnswer::id>(0, "id", "The message's"),
        field<&ReceiptAnswer::recipient>(1, "recipient", "Whose copy it is", {.sparse = true}),
        field<&ReceiptAnswer::state>(2, "state", "How far it is"),
        field<&ReceiptAnswer::status>(3, "status", "In the words of message stores", {.words = kStoreStatuses}),
        field<&ReceiptAnswer::deliveries>(4, "deliveries", "How often it was handed out"),
        field<&ReceiptAnswer::at>(5, "at", "Since when", {.sparse = true}),
        field<&ReceiptAnswer::reason>(6, "reason", "Why it is dead", {.sparse = true}),
        field<&ReceiptAnswer::holder>(7, "holder", "The agent that has it", {.sparse = true}),
        field<&ReceiptAnswer::held_since>(8, "held_since", "Since when somebody has it", {.sparse = true}),
    };
  }
};

}  // namespace folkmoot
