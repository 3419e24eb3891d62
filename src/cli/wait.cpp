// folkmoot wait: sleeps until a mailbox has mail, at no cost to anybody. The cheapest way to wake a model.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {
namespace {

// One WAIT of the protocol; a longer or endless one is several.
constexpr Milliseconds kOneWait = std::chrono::hours(1);

struct WaitOptions {
  std::string agent;
  Milliseconds timeout{0};
  bool json = false;
};

void wait(const WaitOptions& options) {
  Session session;
  const auto ends = std::chrono::steady_clock::now() + options.timeout;
  for (;;) {
    auto left = kOneWait;
    if (options.timeout.count() > 0) {
      left = std::min(left, std::chrono::ceil<Milliseconds>(ends - std::chrono::steady_clock::now()));
      if (left.count() <= 0) {
        throw Failure({ErrorCode::timed_out, fmt::format("no mail for {} within {}", options.agent,
                                                         format_duration_ms(options.timeout.count()))});
      }
    }
    const auto ready = session->wait(options.agent, left);
    if (!ready && ready.error().code == ErrorCode::timed_out) continue;
    const auto found = value(ready);
    if (options.json)
      return print_line(fmt::format(R"({{"ready":{},"first_priority":{}}})", found.ready, found.first_priority));
    return print_line(fmt::format("{} message{} for {}, the first of priority {}", found.ready,
                                  found.ready == 1 ? "" : "s", options.agent, priority_name(found.first_priority)));
  }
}

}  // namespace

void add_wait(App& app) {
  auto* command = app.add_subcommand("wait", "Wait until a mailbox has a message ready, without taking it");
  const auto options = std::make_shared<WaitOptions>();
  command->add_option("AGENT", options->agent, "The mailbox")->required()->check(not_empty());
  add_duration(*command, "--timeout", options->timeout, "Give up after this, with exit status 4 (default: never)");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot wait reviewer --timeout 1h && folkmoot recv reviewer\n"
              "  1 message for reviewer, the first of priority high");
  command->callback([options] { wait(*options); });
}

}  // namespace folkmoot::cli
