// Mailboxes: how they are bounded, what stands in them and who takes it, looked at without touching.
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/message.hpp"

namespace folkmoot {

constexpr std::uint64_t kMailboxMessagesMost = 1'000'000'000;
constexpr std::uint64_t kDeliveriesMost = 10'000;

/// What becomes of a message to a mailbox that is full.
enum class OverflowPolicy : std::uint8_t {
  reject = 0,
  drop_oldest = 1,  // the oldest that waits makes room: it becomes a dead letter
};
inline constexpr std::string_view kOverflowWords[] = {"reject", "drop_oldest"};
template <>
inline constexpr std::span<const std::string_view> kWords<OverflowPolicy> = kOverflowWords;

struct ConfigureMailbox {
  std::string name{};
  std::optional<std::uint64_t> max_messages{};
  std::optional<OverflowPolicy> overflow{};
  std::optional<std::chrono::milliseconds> default_ttl{};
  std::optional<std::uint16_t> max_deliveries{};
  std::optional<RetryPolicy> retry{};
  bool reset = false;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "mailbox.configure",
      .what = "Makes a mailbox, or changes how it is bounded; what is left out stays as it is",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "PUT /api/mailboxes/{name}",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ConfigureMailbox::name>(0, "name", "The mailbox", {.required = true, .role = Role::shard_by_name}),
        field<&ConfigureMailbox::max_messages>(1, "max_messages", "So many may wait",
                                               {.min = 1, .max = kMailboxMessagesMost, .unit = "messages"}),
        field<&ConfigureMailbox::overflow>(2, "overflow", "What becomes of a message when it is full"),
        field<&ConfigureMailbox::default_ttl>(
            3, "default_ttl_ms", "How long a message without a ttl lives; 0: for ever", {.also = "default_ttl"}),
        field<&ConfigureMailbox::max_deliveries>(4, "max_deliveries",
                                                 "Attempts at a message, then it is dead; goes before those of `retry`",
                                                 {.min = 1, .max = kDeliveriesMost, .unit = "deliveries"}),
        field<&ConfigureMailbox::retry>(5, "retry", "How long a message that failed waits for its next attempt"),
        field<&ConfigureMailbox::reset>(6, "reset", "But first all are the server's again"),
    };
  }
};

/// A mailbox: what stands in it.
struct MailboxInfo {
  std::string name{};
  std::uint64_t ready = 0, scheduled = 0, leased = 0, dead = 0, consumers = 0;
  std::optional<std::chrono::milliseconds> oldest_age{};
  std::optional<std::chrono::milliseconds> last_read_age{};

  static constexpr auto fields() {
    using M = MailboxInfo;
    return std::array{
        field<&M::name>(0, "name", "Whose"),
        field<&M::ready>(1, "ready", "Messages that may be taken", {.merge = Merge::sum}),
        field<&M::scheduled>(2, "scheduled", "Messages that wait for their time", {.merge = Merge::sum}),
        field<&M::leased>(3, "leased", "Messages in somebody's hands", {.merge = Merge::sum}),
        field<&M::dead>(4, "dead", "Dead letters", {.merge = Merge::sum}),
        field<&M::consumers>(5, "consumers", "Connections that take as they come", {.merge = Merge::sum}),
        field<&M::oldest_age>(6, "oldest_age_ms", "Since the oldest of what may be taken or is held came; null: none",
                              {.merge = Merge::largest}),
        field<&M::last_read_age>(7, "last_read_age_ms", "Since its agent last retrieved anything; null: never",
                                 {.merge = Merge::least}),
    };
  }
};

constexpr std::uint64_t kNamePageMax = 1'000;

struct MailboxPage {
  std::vector<MailboxInfo> mailboxes{};
  std::string next{};

  static constexpr auto fields() {
    return std::array{
        field<&MailboxPage::mailboxes>(0, "mailboxes", "By name",
                                       {.max = kNamePageMax, .merge = Merge::by_name, .role = Role::count}),
        field<&MailboxPage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                                  {.merge = Merge::least, .role = Role::next, .nullable = true}),
    };
  }
};

struct ListMailboxes {
  std::string match{};
  std::uint32_t limit = 100;
  std::string after{};

  using Answer = MailboxPage;
  static constexpr OperationRow kOperation{.name = "mailbox.list",
                                           .what = "Lists the mailboxes by name, a page at a time",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/mailboxes",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ListMailboxes::match>(0, "match", "Those whose names it fits: `*` stands for anything; left out: all"),
        field<&ListMailboxes::limit>(1, "limit", "So many at most",
                                     {.min = 1, .max = kNamePageMax, .unit = "mailboxes", .role = Role::limit}),
        field<&ListMailboxes::after>(2, "after", "Goes on behind this one: `next` of the page before"),
    };
  }
};

/// One that takes from a mailbox.
struct MailboxConsumerInfo {
  std::string agent{};
  std::string door{};
  std::string connection{};
  std::uint32_t credit = 0, held = 0;
  bool waits = false;

  static constexpr auto fields() {
    using C = MailboxConsumerInfo;
    return std::array{
        field<&C::connection>(0, "connection", "Its id (connection.list)"),
        field<&C::agent>(1, "agent", "Who; empty: it gave no name"),
        field<&C::door>(2, "door", "How it came: native, http or websocket"),
        field<&C::credit>(3, "credit", "Deliveries it takes now", {.sparse = true}),
        field<&C::held>(4, "held", "Deliveries it has and has not settled", {.sparse = true}),
        field<&C::waits>(5, "waits", "It takes once: a RECEIVE that waits", {.sparse = true}),
    };
  }
};

inline constexpr std::string_view kMailboxSettingWords[] = {"max_messages", "default_ttl_ms", "overflow",
                                                            "max_deliveries", "retry"};
constexpr std::uint64_t kConsumersShownMax = 1'000;

/// A mailbox with the settings in force, and who takes from it.
struct ShownMailbox {
  MailboxInfo info{};
  std::uint64_t max_messages = 0;
  std::chrono::milliseconds default_ttl{0};
  OverflowPolicy overflow{};
  std::uint32_t max_deliveries = 0;
  RetryPolicy retry{};
  std::vector<std::string> own{};
  std::vector<MailboxConsumerInfo> consumers_list{};

  static constexpr auto fields() {
    using S = ShownMailbox;
    return std::array{
        fields_of<&S::info>(),
        field<&S::max_messages>(8, "max_messages", "So many may wait"),
        field<&S::default_ttl>(9, "default_ttl_ms", "How long a message without a ttl lives; 0: for ever"),
        field<&S::overflow>(10, "overflow", "What becomes of a message when it is full"),
        field<&S::max_deliveries>(11, "max_deliveries", "Attempts at a message, then it is dead"),
        field<&S::retry>(12, "retry", "How long a message that failed waits for its next attempt"),
        field<&S::own>(13, "own", "Which of these are set for this mailbox; the others are the server's", {.max = 16}),
        field<&S::consumers_list>(14, "taken_by", "Who takes from it", {.max = kConsumersShownMax}),
    };
  }
};

struct ShowMailbox {
  std::string name{};

  using Answer = ShownMailbox;
  static constexpr OperationRow kOperation{
      .name = "mailbox.show",
      .what = "A mailbox: what stands in it, the settings in force, who takes from it",
      .right = Right::observe,
      .where = Where::by_field,
      .http = "GET /api/mailboxes/{name}",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ShowMailbox::name>(0, "name", "The mailbox", {.required = true, .role = Role::shard_by_name})};
  }
};

inline constexpr std::string_view kPeekStateWords[] = {"waiting", "blocked", "scheduled", "leased"};
constexpr std::uint64_t kPeekPageMax = 1'000;

/// A message that stands in a mailbox.
struct PeekedMessage {
  Uuid id{};
  std::string state{};
  std::uint32_t deliveries = 0;
  std::int64_t due_ms = 0, expires_at_ms = 0;
  std::string holder{};
  std::int64_t held_since_ms = 0, held_until_ms = 0;
  Message message{};

  static constexpr auto fields() {
    using P = PeekedMessage;
    return std::array{
        field<&P::id>(0, "id", "Its id"),
        field<&P::state>(1, "state", "Where it stands; blocked: behind another of its group",
                         {.words = kPeekStateWords}),
        field<&P::deliveries>(2, "deliveries", "How often it was handed out"),
        field<&P::due_ms>(3, "due", "Of a scheduled one: when its time comes", {.sparse = true}),
        field<&P::expires_at_ms>(4, "expires_at", "When it dies of age", {.sparse = true}),
        field<&P::holder>(5, "holder", "Of a leased one: the agent that has it", {.sparse = true}),
        field<&P::held_since_ms>(6, "held_since", "Likewise: since when", {.sparse = true}),
        field<&P::held_until_ms>(
            7, "held_until", "Likewise: when it comes back by itself; left out: with its connection", {.sparse = true}),
        field<&P::message>(8, "message", "The message; without content, unless that is asked for"),
    };
  }
};

struct PeekPage {
  std::vector<PeekedMessage> messages{};
  Uuid next{};

  static constexpr auto fields() {
    return std::array{
        field<&PeekPage::messages>(0, "messages", "Oldest first", {.max = kPeekPageMax}),
        field<&PeekPage::next>(1, "next", "Where the next page goes on (`after`); null at the end", {.nullable = true}),
    };
  }
};

struct PeekMailbox {
  std::string name{};
  std::string state{};
  std::string filter{};
  std::uint32_t limit = 100;
  Uuid after{};
  bool content = false;

  using Answer = PeekPage;
  static constexpr OperationRow kOperation{
      .name = "mailbox.peek",
      .what = "Shows the messages of a mailbox and touches none; a page at a time: at most 4 MiB, and 20,000 looked at",
      .right = Right::observe,
      .where = Where::by_field,
      .http = "GET /api/mailboxes/{name}/messages",
      .again = true};
  static constexpr auto fields() {
    using P = PeekMailbox;
    return std::array{
        field<&P::name>(0, "name", "The mailbox", {.required = true, .role = Role::shard_by_name}),
        field<&P::state>(1, "state", "Those that stand so alone", {.words = kPeekStateWords}),
        field<&P::filter>(2, "filter", "A condition over the message (docs/filters.md)", {.max = 4'096}),
        field<&P::limit>(3, "limit", "So many at most", {.min = 1, .max = kPeekPageMax, .unit = "messages"}),
        field<&P::after>(4, "after", "Goes on behind this one: `next` of the page before"),
        field<&P::content>(5, "content", "With the contents of the messages"),
    };
  }
};

struct ShowMessage {
  Uuid id{};

  using Answer = PeekedMessage;
  static constexpr OperationRow kOperation{.name = "message.show",
                                           .what = "A message that stands in a mailbox, with its content",
                                           .right = Right::observe,
                                           .where = Where::by_field,
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowMessage::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id})};
  }
};

/// What went with a mailbox.
struct DeletedMailbox {
  bool deleted = false;
  std::uint64_t messages = 0, dead = 0, left = 0;

  static constexpr auto fields() {
    using D = DeletedMailbox;
    return std::array{
        field<&D::deleted>(0, "deleted", "It is gone; false: there is more in it than `limit`, do it again"),
        field<&D::messages>(1, "messages", "So many messages were taken back"),
        field<&D::dead>(2, "dead", "So many dead letters were purged"),
        field<&D::left>(3, "left", "So many of both are there still"),
    };
  }
};

struct DeleteMailbox {
  std::string name{};
  bool messages = false;
  std::uint32_t limit = 10'000;

  using Answer = DeletedMailbox;
  static constexpr OperationRow kOperation{
      .name = "mailbox.delete",
      .what =
          "Deletes a mailbox with its settings: an empty one, or with what waits in it; not while somebody takes "
          "from it or holds a message",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "DELETE /api/mailboxes/{name}",
      .layout = Layout::numbers};
  static constexpr auto fields() {
    using D = DeleteMailbox;
    return std::array{
        field<&D::name>(0, "name", "The mailbox", {.required = true, .role = Role::shard_by_name}),
        field<&D::messages>(1, "messages", "Its messages and dead letters go, too"),
        field<&D::limit>(2, "limit", "So many of them at once", {.min = 1, .max = 100'000, .unit = "messages"}),
    };
  }
};

}  // namespace folkmoot
