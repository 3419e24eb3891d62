// What the requests that have handlers of their own take and answer, described like operations: for the check of their
// queries, and for the OpenAPI document. The handlers read the bodies.
#pragma once

#include "filter/limits.hpp"
#include "folkmoot/operation/message.hpp"
#include "gateway/http/answers.hpp"
#include "message/limits.hpp"

namespace folkmoot {

inline constexpr std::string_view kStoreStatuses[] = {"pending", "delivered", "processed", "failed",
                                                      "expired", "cancelled", "unknown"};

struct NoFields {
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

struct ReceiveQuery {
  std::string agent{};
  std::uint32_t limit = 10;
  std::chrono::milliseconds wait{0}, lease{30'000};
  bool ack = false;

  static constexpr auto fields() {
    return std::array{
        field<&ReceiveQuery::agent>(0, "agent", "Whose messages; left out: those of X-Agent"),
        field<&ReceiveQuery::limit>(1, "limit", "So many at most", {.min = 1, .max = kReceiveMax}),
        field<&ReceiveQuery::wait>(2, "wait", "How long to wait for the first", {.max = kWaitMsMax}),
        field<&ReceiveQuery::lease>(3, "lease", "How long they may be held", {.max = 0xffff'ffff}),
        field<&ReceiveQuery::ack>(4, "ack", "Settles them when they have been written"),
    };
  }
};

struct ReceivedMessages {
  std::vector<Message> messages{};

  static constexpr auto fields() {
    return std::array{field<&ReceivedMessages::messages>(0, "messages", "Each with its lease, delivery and status")};
  }
};

struct PublishedMessage : PublishReceipt {
  std::string status{};

  static constexpr auto fields() {
    return std::array{
        field<&PublishedMessage::id, PublishedMessage>(0, "id", "Its id"),
        field<&PublishedMessage::status>(1, "status", "In the words of message stores", {.words = kStoreStatuses}),
        field<&PublishedMessage::outcome, PublishedMessage>(2, "outcome", "What became of it"),
        field<&PublishedMessage::unread, PublishedMessage>(3, "unread", "To a mailbox: messages not retrieved yet",
                                                           {.sparse = true}),
        field<&PublishedMessage::last_read_age, PublishedMessage>(
            4, "last_read_age_ms", "How long ago its agent last retrieved anything; null: never", {.sparse = true}),
    };
  }
};

struct BatchBody {
  std::vector<Message> messages{};
  bool atomic = false;

  static constexpr auto fields() {
    return std::array{
        field<&BatchBody::messages>(0, "messages", "Each for itself, or all or none",
                                    {.required = true, .min = 1, .max = kBatchMessagesMax}),
        field<&BatchBody::atomic>(1, "atomic", "All or none"),
    };
  }
};

struct BatchResults {
  std::vector<JsonText> results{};

  static constexpr auto fields() {
    return std::array{field<&BatchResults::results>(0, "results", "Of each a confirmation or an error, in their order",
                                                    {.max = kBatchMessagesMax})};
  }
};

struct ReceiptAnswer {
  Uuid id{};
  std::string recipient{}, status{}, reason{};
  CopyState state{};
  std::uint32_t deliveries = 0;
  std::int64_t at = 0;
  std::vector<Attempt> attempts{};

  static constexpr auto fields() {
    return std::array{
        field<&ReceiptAnswer::id>(0, "id", "The message's"),
        field<&ReceiptAnswer::recipient>(1, "recipient", "Whose copy it is", {.sparse = true}),
        field<&ReceiptAnswer::state>(2, "state", "How far it is"),
        field<&ReceiptAnswer::status>(3, "status", "In the words of message stores", {.words = kStoreStatuses}),
        field<&ReceiptAnswer::deliveries>(4, "deliveries", "How often it was handed out"),
        field<&ReceiptAnswer::at>(5, "at", "Since when", {.sparse = true}),
        field<&ReceiptAnswer::reason>(6, "reason", "Why it is dead", {.sparse = true}),
        field<&ReceiptAnswer::attempts>(7, "attempts", "Made at it so far"),
    };
  }
};

inline constexpr std::string_view kSettleStatuses[] = {"processed", "acknowledged", "failed",
                                                       "pending",   "rejected",     "delivered"};
struct SettleBody {
  std::string status{}, reason{};
  std::uint64_t lease = 0;
  std::chrono::milliseconds delay{0}, prolong{30'000};

  static constexpr auto fields() {
    return std::array{
        field<&SettleBody::status>(0, "status",
                                   "processed settles it, failed gives it back, rejected kills it, delivered prolongs",
                                   {.required = true, .words = kSettleStatuses}),
        lease_field<&SettleBody::lease>(1, "lease", "The one that came with the message", {.required = true}),
        field<&SettleBody::delay>(2, "delay_ms", "Of failed: not before then; left out: as the retry policy says",
                                  {.max = 0xffff'ffff}),
        field<&SettleBody::reason>(3, "reason", "Of failed and rejected", {.max = kReasonBytesMax}),
        field<&SettleBody::prolong>(4, "lease_ms", "Of delivered: from now on", {.min = 1, .max = 0xffff'ffff}),
    };
  }
};

struct IdAndStatus {
  Uuid id{};
  std::string status{};

  static constexpr auto fields() {
    return std::array{field<&IdAndStatus::id>(0, "id", "The message's"),
                      field<&IdAndStatus::status>(1, "status", "As it was asked for")};
  }
};

struct CompleteBody {
  std::uint64_t lease = 0;
  std::vector<Message> outputs{};

  static constexpr auto fields() {
    return std::array{
        lease_field<&CompleteBody::lease>(0, "lease", "The one that came with the message", {.required = true}),
        field<&CompleteBody::outputs>(1, "outputs", "Messages that it causes", {.max = kOutputsMax}),
    };
  }
};

struct AskBody {
  JsonText to{}, need{};
  Message message{};
  std::vector<Message> messages{};
  std::chrono::milliseconds timeout{30'000};
  bool stream = false;

  static constexpr auto fields() {
    return std::array{
        field<&AskBody::to>(0, "to", "A name, or a list of them", {.shape = "Names"}),
        field<&AskBody::message>(1, "message", "What each is asked"),
        field<&AskBody::messages>(2, "messages", "Or one for each", {.max = kReceiveMax}),
        field<&AskBody::need>(3, "need", "How many answers are enough: all, first or a number", {.shape = "Need"}),
        field<&AskBody::timeout>(4, "timeout_ms", "How long to wait", {.min = 1, .max = 3'600'000}),
        field<&AskBody::stream>(5, "stream", "Messages of type status are wanted too"),
    };
  }
};

struct CommandBody {
  JsonText to{}, need{}, parameters{};
  std::string command{};
  Message message{};
  std::chrono::milliseconds timeout{30'000};

  static constexpr auto fields() {
    return std::array{
        field<&CommandBody::to>(0, "to", "A name, or a list of them", {.required = true, .shape = "Names"}),
        field<&CommandBody::command>(1, "command", "What is to be done", {.required = true}),
        field<&CommandBody::parameters>(2, "parameters", "An object"),
        field<&CommandBody::message>(3, "message", "Other fields of the message"),
        field<&CommandBody::need>(4, "need", "How many answers are enough: all, first or a number", {.shape = "Need"}),
        field<&CommandBody::timeout>(5, "timeout_ms", "How long to wait", {.min = 1, .max = 3'600'000}),
    };
  }
};

struct EventsQuery {
  std::string pattern{}, filter{};
  std::uint32_t count = 0;

  static constexpr auto fields() {
    return std::array{
        field<&EventsQuery::pattern>(0, "pattern", "Of topics: `*` is a word, a last `>` the rest", {.required = true}),
        field<&EventsQuery::filter>(1, "filter", "Only events that this holds for", {.max = kFilterBytesMax}),
        field<&EventsQuery::count>(2, "count", "Ends after so many"),
    };
  }
};

struct WaitQuery {
  std::chrono::milliseconds wait{0};

  static constexpr auto fields() {
    return std::array{field<&WaitQuery::wait>(0, "wait", "How long to wait for the response", {.max = kWaitMsMax})};
  }
};

struct HashQuery {
  std::optional<ContentHash> sha256{};

  static constexpr auto fields() {
    return std::array{field<&HashQuery::sha256>(0, "sha256", "Compared with what came")};
  }
};

struct StoredContent {
  ContentHash sha256{};
  std::uint64_t size = 0;

  static constexpr auto fields() {
    return std::array{field<&StoredContent::sha256>(0, "sha256", "Its name"),
                      field<&StoredContent::size>(1, "size", "In bytes")};
  }
};

struct AgentQuery {
  std::string agent{};

  static constexpr auto fields() { return std::array{field<&AgentQuery::agent>(0, "agent", "Who connects")}; }
};

}  // namespace folkmoot
