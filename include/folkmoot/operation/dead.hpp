// Dead letters: messages that were given up. Listed, shown, sent again, removed.
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/message.hpp"

namespace folkmoot {

constexpr std::uint64_t kDeadPageMax = 1'000;
constexpr std::uint64_t kRedriveMost = 1'000'000;
constexpr std::uint64_t kFilterTextMax = 4'096;
inline constexpr std::string_view kDeadReasonWords[] = {"expired",  "overflow", "max_deliveries",
                                                        "rejected", "guard",    "no_route"};

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

  static constexpr auto fields() {
    return std::array{
        field<&DeadMessage::id>(0, "id", "Its id"),
        field<&DeadMessage::mailbox>(1, "mailbox", "Whose it was"),
        field<&DeadMessage::reason>(2, "reason", "Why it is dead", {.words = kDeadReasonWords}),
        field<&DeadMessage::text>(3, "text", "Why, in words", {.max = kReasonTextMax}),
        field<&DeadMessage::at_ms>(4, "at", "When it died"),
        field<&DeadMessage::deliveries>(5, "deliveries", "How often it was handed out"),
        field<&DeadMessage::message>(6, "message",
                                     "The message; in a listing without content, unless that is asked for"),
    };
  }
};

/// Which dead letters; all that is given must hold.
struct DeadFilter {
  std::string mailbox{};
  std::string reason{};
  std::int64_t before_ms = 0;  // died before this time, Unix milliseconds
  std::string filter{};        // docs/filters.md
  Uuid id{};                   // this one alone

  bool operator==(const DeadFilter&) const = default;

  static constexpr auto fields() {
    return std::array{
        field<&DeadFilter::mailbox>(0, "mailbox", "Of this mailbox alone"),
        field<&DeadFilter::id>(1, "id", "This one alone", {.role = Role::shard_by_id}),
        field<&DeadFilter::reason>(2, "reason", "Dead for this reason", {.words = kDeadReasonWords}),
        field<&DeadFilter::before_ms>(3, "before", "Died before this time"),
        field<&DeadFilter::filter>(4, "filter", "A condition over the message as it was sent (docs/filters.md)",
                                   {.max = kFilterTextMax}),
    };
  }
};

struct DeadPage {
  std::vector<DeadMessage> dead{};
  Uuid next{};  // nil: there are no more

  static constexpr auto fields() {
    return std::array{
        field<&DeadPage::dead>(0, "dead", "Mailbox by mailbox, oldest first",
                               {.max = kDeadPageMax, .merge = Merge::append, .role = Role::count}),
        field<&DeadPage::next>(1, "next", "Where the next page goes on (`after`); null at the end",
                               {.role = Role::next, .nullable = true}),
    };
  }
};

struct ListDead {
  DeadFilter which{};
  std::uint32_t limit = 100;
  Uuid after{};
  bool content = false;

  using Answer = DeadPage;
  static constexpr OperationRow kOperation{
      .name = "dead.list",
      .what = "Lists dead letters, a page at a time: at most 4 MiB, and 20,000 looked at",
      .right = Right::observe,
      .where = Where::in_turns,
      .http = "GET /api/dead",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        fields_of<&ListDead::which>(),
        field<&ListDead::limit>(5, "limit", "So many at most",
                                {.min = 1, .max = kDeadPageMax, .unit = "dead letters", .role = Role::limit}),
        field<&ListDead::after>(6, "after", "Goes on behind this one: `next` of the page before",
                                {.role = Role::after}),
        field<&ListDead::content>(7, "content", "With the contents of the messages"),
    };
  }
};

struct ShownDead : DeadMessage {
  static constexpr auto fields() {
    return std::array{
        field<&ShownDead::id, ShownDead>(0, "id", "Its id"),
        field<&ShownDead::mailbox, ShownDead>(1, "mailbox", "Whose it was"),
        field<&ShownDead::reason, ShownDead>(2, "reason", "Why it is dead", {.words = kDeadReasonWords}),
        field<&ShownDead::text, ShownDead>(3, "text", "Why, in words", {.max = kReasonTextMax}),
        field<&ShownDead::at_ms, ShownDead>(4, "at", "When it died"),
        field<&ShownDead::deliveries, ShownDead>(5, "deliveries", "How often it was handed out"),
        field<&ShownDead::message, ShownDead>(6, "message", "The message with its content"),
        field<&ShownDead::attempts, ShownDead>(7, "attempts", "The attempts that were made at it, oldest first",
                                               {.max = kAttemptsListMax}),
    };
  }
};

struct ShowDead {
  Uuid id{};

  using Answer = ShownDead;
  static constexpr OperationRow kOperation{.name = "dead.show",
                                           .what = "A dead letter with its content, and the attempts made at it",
                                           .right = Right::observe,
                                           .where = Where::by_field,
                                           .http = "GET /api/dead/{id}",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ShowDead::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id})};
  }
};

struct ResubmitDead {
  Uuid id{};
  JsonText changes{};

  using Answer = PublishReceipt;
  static constexpr OperationRow kOperation{
      .name = "dead.resubmit",
      .what = "Sends a dead letter again, as a new message; it is no dead letter any more",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "POST /api/dead/{id}/resubmit",
      .layout = Layout::confirm};
  static constexpr auto fields() {
    return std::array{
        field<&ResubmitDead::id>(0, "id", "Its id", {.required = true, .role = Role::shard_by_id}),
        field<&ResubmitDead::changes>(
            1, "changes", "Fields of a message that replace its own; `content.a` and `metadata.a` one within",
            {.shape = "Changes"}),
    };
  }
};

struct Redriven {
  std::uint32_t sent = 0, refused = 0;
  /// Of a dry run: how many it would be, and the first of them.
  std::optional<std::uint64_t> count{};
  std::vector<Uuid> ids{};

  static constexpr auto fields() {
    return std::array{
        field<&Redriven::sent>(0, "sent", "So many were sent again", {.merge = Merge::sum, .role = Role::count}),
        field<&Redriven::refused>(1, "refused", "So many could not be, and stay dead", {.merge = Merge::sum}),
        field<&Redriven::count>(2, "count", "Of a dry run: so many it would be",
                                {.merge = Merge::sum, .role = Role::count, .sparse = true}),
        field<&Redriven::ids>(3, "ids", "Of a dry run: the first of them",
                              {.max = kDeadPageMax, .merge = Merge::append, .sparse = true}),
    };
  }
};

struct RedriveDead {
  DeadFilter which{};
  JsonText changes{};
  std::uint32_t limit = 0;
  std::uint32_t per_second = 0;
  bool dry_run = false;

  using Answer = Redriven;
  static constexpr OperationRow kOperation{
      .name = "dead.redrive",
      .what = "Sends all dead letters again that fit now; a client that goes away ends it",
      .right = Right::administer,
      .where = Where::in_turns,
      .http = "POST /api/dead/redrive",
      .layout = Layout::numbers,
      .patience = std::chrono::hours(24 * 7)};
  static constexpr auto fields() {
    return std::array{
        fields_of<&RedriveDead::which>(),
        field<&RedriveDead::changes>(5, "changes", "Fields of a message that replace their own", {.shape = "Changes"}),
        field<&RedriveDead::limit>(6, "limit", "So many at most; left out: all that fit",
                                   {.min = 1, .max = kRedriveMost, .unit = "dead letters", .role = Role::limit}),
        field<&RedriveDead::per_second>(7, "per_second", "At this rate; left out: at once",
                                        {.min = 1, .max = 1'000'000, .unit = "messages a second", .also = "rate"}),
        field<&RedriveDead::dry_run>(8, "dry_run", "Says how many it would be, and sends none"),
    };
  }
};

struct Purged {
  std::uint32_t purged = 0;

  static constexpr auto fields() {
    return std::array{
        field<&Purged::purged>(0, "purged", "So many are gone", {.merge = Merge::sum, .role = Role::count})};
  }
};

struct PurgeDead {
  DeadFilter which{};
  std::uint32_t limit = 0;
  bool all = false;

  using Answer = Purged;
  static constexpr OperationRow kOperation{.name = "dead.purge",
                                           .what = "Removes dead letters for good",
                                           .right = Right::administer,
                                           .where = Where::in_turns,
                                           .http = "DELETE /api/dead",
                                           .layout = Layout::numbers};
  static constexpr auto fields() {
    return std::array{
        fields_of<&PurgeDead::which>(),
        field<&PurgeDead::limit>(5, "limit", "So many at most; left out: all that fit",
                                 {.min = 1, .max = 1'000'000'000, .unit = "dead letters", .role = Role::limit}),
        field<&PurgeDead::all>(6, "all", "Has to be said where no condition is given"),
    };
  }
};

}  // namespace folkmoot
