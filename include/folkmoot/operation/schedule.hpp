// Schedules: messages that are sent again and again.
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot {

/// A message that is sent again and again.
struct ScheduledMessage {
  std::string name{};
  Milliseconds every{0};                       // either this
  std::string cron{};                          // or a cron expression
  std::int64_t first_at_ms = 0, until_ms = 0;  // Unix milliseconds; 0: the next time that fits, for ever
  std::uint64_t times = 0;                     // 0: no end
  Message message{};
  std::string from{};  // of a message without one; empty: who sets it

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "schedule.set",
      .what = "Sends a message again and again, from now on; in the place of a schedule of the same name",
      .right = Right::administer,
      .where = Where::by_field,
      .http = "POST /api/schedules",
      .again = true};
  static constexpr auto fields() {
    return std::array{
        field<&ScheduledMessage::name>(0, "name", "By which it is removed again",
                                       {.required = true, .role = Role::shard_by_name}),
        field<&ScheduledMessage::every>(1, "every_ms", "The time between two; either this or `cron`",
                                        {.also = "every"}),
        field<&ScheduledMessage::cron>(2, "cron", "A cron expression of five fields, UTC"),
        field<&ScheduledMessage::first_at_ms>(3, "first_at", "Not before this time"),
        field<&ScheduledMessage::until_ms>(4, "until", "Not after this time"),
        field<&ScheduledMessage::times>(5, "times", "So often, then it ends; 0: for ever", {.max = 1'000'000'000}),
        field<&ScheduledMessage::message>(6, "message", "What is sent", {.required = true}),
        field<&ScheduledMessage::from>(7, "from", "The sender of a message that names none", {.role = Role::caller}),
    };
  }
};
using SetSchedule = ScheduledMessage;

struct RemoveSchedule {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "schedule.remove",
                                           .what = "Ends a schedule",
                                           .right = Right::administer,
                                           .where = Where::by_field,
                                           .http = "DELETE /api/schedules/{name}"};
  static constexpr auto fields() {
    return std::array{
        field<&RemoveSchedule::name>(0, "name", "As it was set", {.required = true, .role = Role::shard_by_name})};
  }
};

struct ScheduleStatus {
  std::string name{};
  Milliseconds every{0};
  std::string cron{};
  std::int64_t next_ms = 0, until_ms = 0;
  std::uint64_t left = 0;  // 0: no end
  std::uint64_t fired = 0;
  std::string from{};  // whose it is

  static constexpr auto fields() {
    return std::array{
        field<&ScheduleStatus::name>(0, "name", "Its name"),
        field<&ScheduleStatus::every>(1, "every_ms", "The time between two", {.sparse = true}),
        field<&ScheduleStatus::cron>(2, "cron", "Or its cron expression", {.sparse = true}),
        field<&ScheduleStatus::from>(3, "from", "Whose it is"),
        field<&ScheduleStatus::next_ms>(4, "next", "When it is sent next"),
        field<&ScheduleStatus::until_ms>(5, "until", "Not after this time", {.sparse = true}),
        field<&ScheduleStatus::left>(6, "left", "So often yet", {.sparse = true}),
        field<&ScheduleStatus::fired>(7, "fired", "So often so far"),
    };
  }
};

struct SchedulePage {
  std::vector<ScheduleStatus> schedules{};
  bool more = false;

  static constexpr auto fields() {
    return std::array{
        field<&SchedulePage::schedules>(0, "schedules", "By name in each shard",
                                        {.max = 1'000'000, .merge = Merge::append}),
        field<&SchedulePage::more>(1, "more", "There are more than an answer holds (4 MiB)",
                                   {.merge = Merge::any, .sparse = true}),
    };
  }
};

struct ListSchedules {
  using Answer = SchedulePage;
  static constexpr OperationRow kOperation{.name = "schedule.list",
                                           .what = "Lists the schedules",
                                           .right = Right::observe,
                                           .where = Where::all,
                                           .http = "GET /api/schedules",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

}  // namespace folkmoot
