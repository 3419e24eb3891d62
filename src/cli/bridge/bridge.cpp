// folkmoot bridge: mail goes on to another system, and comes from it.
#include <cstdlib>
#include <memory>

#include "cli/bridge/redis_bridge.hpp"
#include "cli/cli.hpp"

namespace folkmoot::cli {

void add_bridge(App& app) {
  auto* bridge = app.add_subcommand("bridge", "Carry mail to another system and from it");
  bridge->require_subcommand(1);
  auto* redis = bridge->add_subcommand(
      "redis", "Put the mail of agents onto lists of Redis, for workers that know nothing else, until stopped");
  const auto options = std::make_shared<RedisBridgeOptions>();
  const auto url = std::make_shared<std::string>();
  redis->add_option("AGENT", options->agents, "Whose mail (default: of all that are registered with type redis)");
  redis->add_option("--url", *url,
                    "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] or unix:/PATH "
                    "(default: $REDIS_URL, else redis://127.0.0.1:6379)");
  redis->add_option("--prefix", options->prefix,
                    "What the names of lists begin with, before the agent's id (default: agent_queue:)");
  redis
      ->add_option("--ingest", options->ingest,
                   "A list that workers put messages onto, as JSON: they are sent on (may be repeated)")
      ->check(not_empty());
  redis
      ->add_option("--queue-max", options->queue_max,
                   "So many messages on a list at most; more stay in the mailbox (default: 10000)")
      ->check(in_range(1, 100'000'000));
  add_duration(*redis, "--lease", options->lease,
               "Settle nothing: each message says its `lease`, by which its worker settles it (PUT "
               "/api/messages/{id}/status); if nobody does in this time, it comes again");
  redis->add_flag("--json", options->json, "What happens, one a line, as JSON");
  set_example(*redis,
              "  $ folkmoot agents register scraper --type redis\n"
              "  $ folkmoot bridge redis --url redis://127.0.0.1:6379 --ingest agent_outbox &\n"
              "  folkmoot: carrying mail to Redis at 127.0.0.1:6379; stop with Ctrl-C\n"
              "  folkmoot: scraper has its mail on agent_queue:0d9f6a3e-...\n"
              "  $ folkmoot send scraper '{\"url\": \"http://localhost/\"}' --content-type application/json\n"
              "  $ redis-cli BRPOP agent_queue:0d9f6a3e-... 0");
  redis->callback([options, url] {
    const auto* const told = std::getenv("REDIS_URL");
    if (url->empty()) *url = told != nullptr && *told != '\0' ? told : "redis://127.0.0.1:6379";
    auto address = read_redis_url(*url);
    if (!address) throw Failure(address.error());
    options->redis = std::move(*address);
    RedisBridge(*options).run();
  });
}

}  // namespace folkmoot::cli
