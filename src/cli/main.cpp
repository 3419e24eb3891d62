// The program: `folkmoot SUBCOMMAND`. Its exit statuses: exit_status.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "cli/cli.hpp"
#include "cli/guard.hpp"
#include "cli/serve.hpp"
#include "cli/server_config.hpp"
#include "cli/terminal.hpp"

namespace folkmoot::cli {
namespace {

struct Command {
  std::string_view name;
  void (*add)(App& app);
};

// In the order in which --help lists them.
constexpr Command kCommands[] = {
    {"serve", add_serve},
    {"send", add_send},
    {"recv", add_recv},
    {"ack", add_ack},
    {"nack", add_nack},
    {"reject", add_reject},
    {"complete", add_complete},
    {"extend", add_extend},
    {"wait", add_wait},
    {"wake", add_wake},
    {"watch", add_watch},
    {"webhook", add_webhook},
    {"publish", add_publish},
    {"subscribe", add_subscribe},
    {"subscriptions", add_subscriptions},
    {"request", add_request},
    {"reply", add_reply},
    {"receipts", add_receipts},
    {"stats", add_stats},
    {"settings", add_settings},
    {"reload", add_reload},
    {"mailbox", add_mailbox},
    {"connections", add_connections},
    {"agents", add_agents},
    {"trace", add_trace},
    {"tail", add_tail},
    {"command", add_command},
    {"cancel", add_cancel},
    {"dead", add_dead},
    {"route", add_route},
    {"schedule", add_schedule},
    {"history", add_history},
    {"stream", add_stream},
    {"conversation", add_conversation},
    {"content", add_content},
    {"account", add_account},
    {"access", add_access},
    {"audit", add_audit},
    {"cert", add_cert},
    {"key", add_key},
    {"call", add_call},
    {"describe", add_describe},
    {"journal", add_journal},
    {"backup", add_backup},
    {"restore", add_restore},
    {"bridge", add_bridge},
    {"bench", add_bench},
    {"doctor", add_doctor},
    {"help", add_help},
};

// `folkmoot help` and `folkmoot help dead list` are `folkmoot --help` and `folkmoot dead list --help`.
std::vector<char*> as_options(int argc, char** argv) {
  static char help[] = "--help";
  std::vector<char*> words(argv, argv + argc);
  if (argc > 1 && std::string_view(argv[1]) == "help" &&
      std::ranges::find(words, std::string_view("--help")) == words.end()) {
    words.erase(words.begin() + 1);
    words.push_back(help);
  }
  words.push_back(nullptr);
  return words;
}

}  // namespace
}  // namespace folkmoot::cli

int main(int argc, char** argv) {
  using namespace folkmoot::cli;
  if (argc == 3 && argv[1] == kGuardWord) return guard(argv[2]);
  App app("folkmoot: a message bus for AI agents. Mailboxes, events and requests that survive a crash.", "folkmoot");
  app.set_version_flag("--version", "folkmoot " FOLKMOOT_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--server", globals().server,
                 "Address: HOST:PORT, tls://HOST:PORT or unix:/PATH (default: $FOLKMOOT_ADDRESS, else "
                 "./folkmoot-data/folkmoot.sock if it is "
                 "there, else 127.0.0.1:7470). Where nothing listens on this machine it tries for 3 s")
      ->type_name("ADDR");
  app.add_option("--token", globals().token, "The key of an account, or the server's token (default: $FOLKMOOT_TOKEN)");
  app.add_option("--ca", globals().tls.ca,
                 "PEM file with the authorities that a server at tls:// is known by (default: $FOLKMOOT_CA, else the "
                 "system's)")
      ->type_name("FILE");
  app.add_option("--cert", globals().tls.certificate,
                 "PEM file with a certificate of your own to show to it (default: $FOLKMOOT_CERT)")
      ->type_name("FILE");
  app.add_option("--cert-key", globals().tls.key, "PEM file with its key (default: $FOLKMOOT_CERT_KEY)")
      ->type_name("FILE");
  app.add_flag("--insecure", globals().tls.insecure,
               "Take any certificate: whoever is on the way can read and change all that is sent, the token too");
  app.add_option("--as", globals().agent, "Who you are: the sender's name (default: $FOLKMOOT_AGENT, else anonymous)")
      ->type_name("NAME")
      ->envname("FOLKMOOT_AGENT");
  app.footer(exit_status_help().insert(0, "\n") +
             "\nExample:\n"
             "  folkmoot serve &\n"
             "  folkmoot reply analyst --exec 'wc -w' &\n"
             "  echo 'how many words are these' | folkmoot request analyst -");

  // Of a program that is told its command first, that command alone is declared: a server keeps nothing of the others
  // in its memory.
  auto words = as_options(argc, argv);
  const auto count = static_cast<int>(words.size()) - 1;
  const std::string_view first = count > 1 ? words[1] : "";
  const auto* const only = std::ranges::find(kCommands, first, &Command::name);
  for (const auto& command : kCommands) {
    if (only == std::end(kCommands) || &command == only) command.add(app);
  }

  if (argc > 1 && std::string_view(argv[1]) == "help") {
    std::vector<std::string> path(argv + 2, argv + argc);
    std::erase_if(path, [](const auto& word) { return word.starts_with('-'); });
    if (const auto wrong = app.wrong_command(path); !wrong.empty()) {
      tell("folkmoot help: {}; `folkmoot help` lists them", wrong);
      return static_cast<int>(ExitStatus::usage);
    }
  }
  if (const auto known = folkmoot::check_environment(); !known) {
    tell("folkmoot: {}", known.error().text);
    return 2;
  }
  try {
    if (const int status = app.run(count, words.data()); status != 0) return status;
  } catch (const Exit& exit) {
    return exit.status;
  } catch (const folkmoot::Failure& failed) {
    tell("folkmoot: {}", failed.what());
    return static_cast<int>(exit_status(failed.code()));
  } catch (const std::exception& failed) {
    tell("folkmoot: {}", failed.what());
    return 1;
  }
  if (std::fflush(stdout) != 0) return 1;
  return 0;
}
