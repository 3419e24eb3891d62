// Mailboxes: how they are bounded.
#pragma once

#include "folkmoot/describe.hpp"

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

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "mailbox.configure",
      .what = "Makes a mailbox, or changes how it is bounded; what is left out is the server's default",
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
    };
  }
};

}  // namespace folkmoot
