// folkmoot schedule: messages that the server sends again and again.
#include <fmt/format.h>

#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/message_options.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct ScheduleOptions {
  MessageOptions message;
  ScheduledMessage schedule;
  bool json = false;
};

std::string in_words(const ScheduleStatus& schedule) {
  const auto when = schedule.cron.empty() ? "every " + format_duration_ms(schedule.every.count()) : schedule.cron;
  return fmt::format("{}  {}  next {}  fired {}", schedule.name, when, format_time_ms(schedule.next_ms),
                     schedule.fired);
}

void add_schedule_add(App& schedule) {
  auto* command =
      schedule.add_subcommand("add", "Have a message sent again and again, in the place of one of the same name");
  const auto options = std::make_shared<ScheduleOptions>();
  auto& set = options->schedule;
  command->add_option("NAME", set.name, "By which it is removed again")->required();
  options->message.add_to(*command, false);
  options->message.add_topic_to(*command);
  auto* every = add_duration(*command, "--every", set.every, "So often");
  command->add_option("--cron", set.cron, "When a cron expression says, in UTC: minute hour day month weekday")
      ->excludes(every);
  add_time(*command, "--first-at", set.first_at_ms, "Not before then");
  add_time(*command, "--until", set.until_ms, "Not after then");
  command->add_option("--times", set.times, "So many times (default: no end)")->check(at_least_one());
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot schedule add nightly sweeper \"sweep\" --cron '0 3 * * *'\n"
              "  schedule nightly is set\n"
              "  $ folkmoot schedule add tick clock.minute \"a minute has passed\" --topic --every 1m\n"
              "  schedule tick is set");
  command->callback([options] {
    auto& given = options->schedule;
    if (given.cron.empty() == (given.every.count() == 0)) throw_missing("--every or --cron");
    given.message = options->message.build();
    Session session;
    value(session->call(given));
    print_done(options->json, fmt::format("schedule {} is set", given.name),
               {{"schedule", given.name}, {"status", "set"}});
  });
}

void add_schedule_list(App& schedule) {
  auto* command = schedule.add_subcommand("list", "List what is scheduled");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot schedule list\n"
              "  nightly  0 3 * * *  next 2026-11-22T03:00:00.000Z  fired 4");
  command->callback([json] {
    Session session;
    for (const auto& one : value(session->call(ListSchedules{})).schedules)
      print_line(*json ? to_json_text(one, Sparse::as_described) : in_words(one));
  });
}

void add_schedule_remove(App& schedule) {
  auto* command = schedule.add_subcommand("remove", "End one");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "As it was added")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot schedule remove nightly\n"
              "  schedule nightly is removed");
  command->callback([name, json] {
    Session session;
    value(session->call(RemoveSchedule{*name}));
    print_done(*json, fmt::format("schedule {} is removed", *name), {{"schedule", *name}, {"status", "removed"}});
  });
}

}  // namespace

void add_schedule(App& app) {
  auto* command = app.add_subcommand("schedule", "Have messages sent again and again");
  command->require_subcommand(1);
  add_schedule_add(*command);
  add_schedule_list(*command);
  add_schedule_remove(*command);
  set_example(*command, "  $ folkmoot schedule add heartbeat monitor \"still there\" --every 5m");
}

}  // namespace folkmoot::cli
