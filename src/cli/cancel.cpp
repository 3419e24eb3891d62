// folkmoot cancel: takes a message back.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {

void add_cancel(App& app) {
  auto* command = app.add_subcommand("cancel", "Take a message back that nobody has had yet");
  const auto id = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("ID", *id, "The message, as send prints it")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot cancel 0193f2c4-...\n"
              "  0193f2c4-...  cancelled");
  command->callback([id, json] {
    const auto message = parse_id(*id);
    Session session;
    value(session->call(CancelMessage{message}));
    print_done(*json, fmt::format("{}  cancelled", message.text()), {{"id", message.text()}, {"status", "cancelled"}});
  });
}

}  // namespace folkmoot::cli
