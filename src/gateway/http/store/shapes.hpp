// Messages as a message store shows them: the older REST interface, whose clients look at a mailbox and set statuses
// (docs/rest.md).
#pragma once

#include "folkmoot/operation/dead.hpp"
#include "folkmoot/operation/history.hpp"
#include "folkmoot/operation/mailbox.hpp"

namespace folkmoot {

inline constexpr std::string_view kStoreListWords[] = {"pending", "delivered", "processed", "failed", "expired"};
constexpr std::uint32_t kStoreListDefault = 100;

/// What is known of a message beside its id and its status. Times are RFC 3339 text in UTC.
struct StoredFields {
  std::string from_agent_id{}, to_agent_id{}, conversation_id{}, message_type{};
  std::uint8_t priority = normal;
  JsonText content{}, metadata{};
  std::uint32_t retry_count = 0;
  std::string expires_at{}, created_at{}, delivered_at{}, processed_at{}, correlation_id{}, error{};
  JsonText result{};
  Uuid resent_as{};

  static constexpr auto fields() {
    using S = StoredFields;
    constexpr FieldRules kTime{.max = 64, .sparse = true};
    return std::array{
        field<&S::from_agent_id>(0, "from_agent_id", "Who sent it", {.sparse = true}),
        field<&S::to_agent_id>(1, "to_agent_id", "Whom it is for", {.sparse = true}),
        field<&S::conversation_id>(2, "conversation_id", "The conversation it belongs to", {.sparse = true}),
        field<&S::message_type>(3, "message_type", "Its type", {.sparse = true}),
        field<&S::priority>(4, "priority", "1 (first) to 10"),
        field<&S::content>(5, "content", "JSON as it is, text as a string, other bytes in base64",
                           {.shape = "Any", .sparse = true}),
        field<&S::metadata>(6, "metadata", "What its sender said beside it", {.sparse = true}),
        field<&S::retry_count>(7, "retry_count", "How often it came back"),
        field<&S::expires_at>(8, "expires_at", "When its life ends", kTime),
        field<&S::created_at>(9, "created_at", "When the server accepted it", kTime),
        field<&S::delivered_at>(10, "delivered_at", "Since when somebody has it, or when an attempt first ended",
                                kTime),
        field<&S::processed_at>(11, "processed_at", "When it was settled, given up or taken back", kTime),
        field<&S::correlation_id>(12, "correlation_id", "What it answers, as its sender said", {.sparse = true}),
        field<&S::error>(13, "error", "Why it was given up", {.max = kReasonTextMax, .sparse = true}),
        field<&S::result>(14, "result", "What came of it, as who settled it said", {.shape = "Any", .sparse = true}),
        field<&S::resent_as>(15, "resent_as", "The message that it is now: it was a dead letter, and was sent again",
                             {.sparse = true}),
    };
  }
};

struct StoredMessage {
  Uuid id{};
  std::string status{};
  StoredFields said{};

  static constexpr auto fields() {
    return std::array{
        field<&StoredMessage::id>(0, "id", "Its id"),
        field<&StoredMessage::status>(1, "status", "Where it stands", {.words = kStoreListWords}),
        fields_of<&StoredMessage::said>(),
    };
  }
};

/// What POST /api/v1/agents/message takes.
struct GatewayMessage {
  std::string target_agent{};
  JsonText payload{};

  static constexpr auto fields() {
    return std::array{
        field<&GatewayMessage::target_agent>(0, "target_agent", "Whom it is for, by name or id", {.required = true}),
        field<&GatewayMessage::payload>(1, "payload", "What it says", {.required = true, .shape = "Any"}),
    };
  }
};

struct GatewayAnswer {
  bool delivered = false;
  Uuid id{};

  static constexpr auto fields() {
    return std::array{
        field<&GatewayAnswer::delivered>(0, "delivered", "It is in the agent's mailbox, on disk"),
        field<&GatewayAnswer::id>(1, "id", "The message's"),
    };
  }
};

/// Contents are decompressed where they can be.
StoredFields stored_fields(PeekedMessage peeked);
StoredFields stored_fields(DeadMessage dead);
StoredFields stored_fields(HistoryMessage past);

}  // namespace folkmoot
