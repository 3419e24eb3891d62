// What the requests that have handlers of their own take and answer, described like operations: for the check of their
// queries, and for the OpenAPI document. The handlers read the bodies.
#pragma once

#include "filter/limits.hpp"
#include "folkmoot/operation/message.hpp"
#include "gateway/answer_shapes.hpp"
#include "gateway/http/answers.hpp"
#include "gateway/http/store/shapes.hpp"
#include "message/limits.hpp"

namespace folkmoot {

struct NoFields {
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

struct ReceiveQuery {
  std::string agent{};
  std::uint32_t limit = kReceiveDefault;
  std::chrono::milliseconds wait{0}, lease{kLeaseMsDefault};
  bool ack = false;
  std::string to_agent_id{}, status{}, after{};

  static constexpr auto fields() {
    return std::array{
        field<&ReceiveQuery::agent>(0, "agent", "Whose messages; left out: those of X-Agent"),
        field<&ReceiveQuery::limit>(1, "limit", "So many at most", {.min = 1, .max = kReceiveMax}),
        field<&ReceiveQuery::wait>(2, "wait", "How long to wait for the first", {.max = kWaitMsMax}),
        field<&ReceiveQuery::lease>(3, "lease", "How long they may be held", {.max = 0xffff'ffff}),
        field<&ReceiveQuery::ack>(4, "ack", "Settles them when they have been written"),
        field<&ReceiveQuery::to_agent_id>(5, "to_agent_id",
                                          "Whose messages are looked at, by name or id (docs/rest.md)"),
        field<&ReceiveQuery::status>(6, "status",
                                     "With to_agent_id: those that stand so; of those that are taken: pending",
                                     {.words = kStoreListWords}),
        field<&ReceiveQuery::after>(7, "after", "With to_agent_id: X-Next of the page before",
                                    {.max = kHistoryCursorMax}),
    };
  }
};

struct ReceivedMessages {
  std::vector<Message> messages{};
  bool more = false;

  static constexpr auto fields() {
    return std::array{
        field<&ReceivedMessages::messages>(0, "messages", "Each with its lease, delivery and status",
                                           {.shape = "ReceivedMessage"}),
        field<&ReceivedMessages::more>(1, "more", "More may be taken at once: they did not fit, or `limit` is reached",
                                       {.sparse = true})};
  }
};

using PublishedMessage = ConfirmAnswer;

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
  std::vector<OneResult> results{};

  static constexpr auto fields() {
    return std::array{field<&BatchResults::results>(0, "results", "Of each, in their order")};
  }
};

struct ReceiptAndAttempts {
  ReceiptAnswer receipt{};
  std::vector<Attempt> attempts{};
  StoredFields said{};

  static constexpr auto fields() {
    return std::array{
        fields_of<&ReceiptAndAttempts::receipt>(),
        field<&ReceiptAndAttempts::attempts>(7, "attempts", "Made at it so far"),
        fields_of<&ReceiptAndAttempts::said>(),
    };
  }
};

inline constexpr std::string_view kSettleStatuses[] = {"processed", "acknowledged", "failed",
                                                       "pending",   "rejected",     "delivered"};
struct SettleBody {
  std::string status{}, reason{};
  std::uint64_t lease = 0;
  std::chrono::milliseconds delay{0}, prolong{30'000};
  JsonText result{};

  static constexpr auto fields() {
    return std::array{
        field<&SettleBody::status>(0, "status",
                                   "processed settles it, failed gives it back, rejected kills it, delivered prolongs",
                                   {.required = true, .words = kSettleStatuses}),
        lease_field<&SettleBody::lease>(1, "lease", "The one that came with the message; left out: nobody has it"),
        field<&SettleBody::delay>(2, "delay_ms", "Of failed: not before then; left out: as the retry policy says",
                                  {.max = 0xffff'ffff}),
        field<&SettleBody::reason>(3, "reason", "Of failed and rejected", {.max = kReasonBytesMax}),
        field<&SettleBody::prolong>(4, "lease_ms", "Of delivered: from now on", {.min = 1, .max = 0xffff'ffff}),
        field<&SettleBody::result>(5, "result", "Of processed: what came of it, for the history",
                                   {.max = kResultBytesMost, .shape = "Any"}),
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

struct SettledAnswer {
  IdAndStatus of{};
  bool result_kept = false;

  static constexpr auto fields() {
    return std::array{
        fields_of<&SettledAnswer::of>(),
        field<&SettledAnswer::result_kept>(2, "result_kept", "Whether the history keeps the `result`",
                                           {.sparse = true}),
    };
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

struct CompletedMessage {
  IdAndStatus of{};
  std::vector<OneResult> results{};

  static constexpr auto fields() {
    return std::array{
        fields_of<&CompletedMessage::of>(),
        field<&CompletedMessage::results>(2, "results", "Of each output, in their order"),
    };
  }
};

/// What one of several said.
struct IndexedAnswer {
  std::uint32_t index = 0;
  std::string recipient{};
  Message message{};

  static constexpr auto fields() {
    return std::array{
        field<&IndexedAnswer::index>(0, "index", "Its place among those that were asked"),
        field<&IndexedAnswer::recipient>(1, "recipient", "Who says it"),
        field<&IndexedAnswer::message>(2, "message", "What it says"),
    };
  }
};

/// The answer of one agent that was asked.
struct OneAnswer {
  std::string status{};
  Message response{};
  std::vector<Message> statuses{};

  static constexpr auto fields() {
    return std::array{
        field<&OneAnswer::status>(0, "status", "delivered"),
        field<&OneAnswer::response>(1, "response", "Its answer, if that was waited for", {.sparse = true}),
        field<&OneAnswer::statuses>(2, "statuses", "Its messages of type status before", {.sparse = true}),
    };
  }
};

/// The answers of several.
struct ManyAnswers {
  std::vector<IndexedAnswer> responses{}, statuses{};
  GatheredAnswer gathered{};

  static constexpr auto fields() {
    return std::array{
        field<&ManyAnswers::responses>(0, "responses", "In the order in which they came"),
        field<&ManyAnswers::statuses>(1, "statuses", "Messages of type status before them", {.sparse = true}),
        fields_of<&ManyAnswers::gathered>(),
    };
  }
};

struct HealthAnswer {
  std::string status{}, server{}, version{}, reason{};
  std::uint64_t uptime_ms = 0;
  bool accepts_durable = false;

  static constexpr auto fields() {
    return std::array{
        field<&HealthAnswer::status>(0, "status", "ok, or degraded: it refuses durable messages"),
        field<&HealthAnswer::server>(1, "server", "Its software", {.sparse = true}),
        field<&HealthAnswer::version>(2, "version", "Of it", {.sparse = true}),
        field<&HealthAnswer::uptime_ms>(3, "uptime_ms", "Since it was started"),
        field<&HealthAnswer::accepts_durable>(4, "accepts_durable", "Whether it takes durable messages"),
        field<&HealthAnswer::reason>(5, "reason", "Why it does not", {.sparse = true}),
    };
  }
};

struct ProbeAnswer {
  std::string status{};

  static constexpr auto fields() { return std::array{field<&ProbeAnswer::status>(0, "status", "ok, or not_ready")}; }
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

inline constexpr std::string_view kModeWords[] = {"at_most_once", "at_least_once", "exactly_once"};
struct EventAddressQuery {
  std::string topic{}, to{}, mode{};

  static constexpr auto fields() {
    return std::array{
        field<&EventAddressQuery::topic>(0, "topic", "Of CloudEvents: the topic they go to; left out: their type"),
        field<&EventAddressQuery::to>(1, "to", "Of CloudEvents: the mailbox they go to, instead of a topic"),
        field<&EventAddressQuery::mode>(2, "mode", "Of CloudEvents: what is promised of their delivery",
                                        {.words = kModeWords}),
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

/// Of an upgrade: what follows `agent` is for the sub-protocols of CloudEvents (websocket/session.cpp reads it).
struct UpgradeQuery {
  AgentQuery who{};
  std::string pattern{}, filter{};
  EventAddressQuery target{};
  bool echo = false, confirm = false;

  static constexpr auto fields() {
    return std::array{
        fields_of<&UpgradeQuery::who>(),
        field<&UpgradeQuery::pattern>(1, "pattern", "Of CloudEvents: the topics that are heard"),
        field<&UpgradeQuery::filter>(2, "filter", "Of CloudEvents: only those that this holds for",
                                     {.max = kFilterBytesMax}),
        fields_of<&UpgradeQuery::target>(),
        field<&UpgradeQuery::echo>(6, "echo", "Of CloudEvents: its own are heard too"),
        field<&UpgradeQuery::confirm>(7, "confirm", "Of CloudEvents: each that was published is confirmed"),
    };
  }
};

}  // namespace folkmoot
