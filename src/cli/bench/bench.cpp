// folkmoot bench: how fast a server is, how much processor time and memory it takes. The load is thin (frames built
// before, deliveries counted, no client library), so that the server is what is measured.
#include <memory>

#include "cli/bench/workloads.hpp"
#include "cli/cli.hpp"

namespace folkmoot::cli {

void add_bench(App& app) {
  auto* command =
      app.add_subcommand("bench", "Measure a server: a throwaway one started for it, or the one of --server");
  struct BenchOptions {
    std::string workload;
    bench::BenchOptions bench;
    pid_t server_pid = 0;
    bool json = false;
  };
  const auto options = std::make_shared<BenchOptions>();
  command
      ->add_option(
          "WORKLOAD", options->workload,
          "pubsub, mailbox (durable), request, fanout, connections (10,000 idle agents), backlog (1,000,000 waiting)")
      ->required()
      ->check(one_of({"pubsub", "mailbox", "request", "fanout", "connections", "backlog"}));
  command->add_option("--messages", options->bench.messages, "How many; for connections: how many of these")
      ->check(in_range(1, 1'000'000'000));
  command->add_option("--size", options->bench.bytes, "Bytes of content (default 128)")->check(in_range(1, 1'000'000));
  command->add_option("--publishers", options->bench.publishers, "Connections that publish or ask (default 1)")
      ->check(in_range(1, 1'000));
  command
      ->add_option("--subscribers", options->bench.subscribers,
                   "Connections that receive or answer (default 1; fanout 100)")
      ->check(in_range(1, 10'000));
  command
      ->add_option("--window", options->bench.window,
                   "Messages on their way at most (pubsub 10,000; mailbox 1,000; request 1)")
      ->check(in_range(1, 1'000'000));
  command->add_option("--server-pid", options->server_pid,
                      "Whose processor time and memory to read, when --server is not a Unix socket");
  command->add_flag("--json", options->json, "Print the figures as one JSON object");
  set_example(*command, "  $ folkmoot bench mailbox --messages 100000 --window 1000 --json");
  command->callback([options] {
    bench::Report report;
    bench::TargetServer server(globals().server, options->server_pid);
    bench::find_workload(options->workload)(server, options->bench, report);
    report.print(options->workload, options->json);
  });
}

}  // namespace folkmoot::cli
