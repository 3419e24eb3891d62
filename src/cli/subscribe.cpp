// folkmoot subscribe: the events of a topic pattern, as they are published.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"

namespace folkmoot::cli {
namespace {

struct Options {
  std::string pattern, filter;
  std::uint64_t count = 0;
  bool json = false, raw = false;
};

void subscribe(const Options& options) {
  Session session;
  auto events = value(session->subscribe(options.pattern, {.filter = options.filter}));
  for (std::uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
    auto event = events.next();
    if (!event && session.interrupted()) return;
    const auto got = value(std::move(event));
    if (got.missed > 0) tell("folkmoot: {} events were missed here: this program reads too slowly", got.missed);
    if (!options.json && !options.raw) print_line(got.message.topic);
    print_message(got.message, options.json ? Style::json : options.raw ? Style::raw : Style::human);
  }
}

}  // namespace

void add_subscribe(App& app) {
  auto* command =
      app.add_subcommand("subscribe", "Print the events of a topic pattern as they are published, until stopped");
  const auto options = std::make_shared<Options>();
  command->add_option("PATTERN", options->pattern, "A topic; * stands for one word, a last > for one or more")
      ->required();
  command
      ->add_option("--filter", options->filter,
                   "Only events that this holds for, such as \"priority <= 3 AND content.change > 10\"")
      ->type_name("EXPR");
  command->add_option("--count", options->count, "Stop after this many events")->check(at_least_one());
  auto* json = command->add_flag("--json", options->json, "One event a line, as JSON");
  command->add_flag("--raw", options->raw, "The content and nothing else")->excludes(json);
  set_example(*command,
              "  $ folkmoot subscribe 'build.*' --count 1\n"
              "  build.done\n"
              "  anonymous event normal 0193f2c4-...\n"
              "  change 12 is green\n"
              "  $ folkmoot subscribe 'build.>' --filter \"metadata.branch = 'main' AND content.failed > 0\"");
  command->callback([options] { subscribe(*options); });
}

}  // namespace folkmoot::cli
