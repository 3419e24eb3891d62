// The program: `folkmoot SUBCOMMAND`. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "cli/cli.hpp"
#include "cli/serve.hpp"

int main(int argc, char** argv) {
  using namespace folkmoot::cli;
  CLI::App app("folkmoot: a message bus for AI agents. Mailboxes, events and requests that survive a crash.", "folkmoot");
  app.set_version_flag("--version", "folkmoot " FOLKMOOT_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--server", globals().server,
                 "Address: HOST:PORT or unix:/PATH (default: $FOLKMOOT_ADDRESS, else ./folkmoot-data/folkmoot.sock if it is "
                 "there, else 127.0.0.1:7470)")
      ->type_name("ADDR");
  app.add_option("--token", globals().token, "The server's token (default: $FOLKMOOT_TOKEN)");
  app.add_option("--as", globals().agent, "Who you are: the sender's name (default: $FOLKMOOT_AGENT, else anonymous)")
      ->type_name("NAME")
      ->envname("FOLKMOOT_AGENT");
  set_example(app,
              "  folkmoot serve &\n"
              "  folkmoot reply analyst --exec 'wc -w' &\n"
              "  echo 'how many words are these' | folkmoot request analyst -");

  add_serve(app);
  add_send(app);
  add_recv(app);
  add_wait(app);
  add_publish(app);
  add_subscribe(app);
  add_request(app);
  add_reply(app);
  add_receipts(app);
  add_stats(app);
  add_mailbox(app);
  add_command(app);
  add_cancel(app);
  add_dead(app);
  add_route(app);
  add_schedule(app);
  add_conversation(app);
  add_content(app);
  add_journal(app);
  add_bench(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& shown) {
    return app.exit(shown);
  } catch (const CLI::ParseError& wrong) {
    app.exit(wrong);
    return 2;
  } catch (const Exit& exit) {
    return exit.status;
  } catch (const folkmoot::Failure& failed) {
    fmt::print(stderr, "folkmoot: {}\n", failed.what());
    return 1;
  } catch (const std::exception& failed) {
    fmt::print(stderr, "folkmoot: {}\n", failed.what());
    return 1;
  }
  if (std::fflush(stdout) != 0) return 1;
  return 0;
}
