// folkmoot-library-load: runs one workload through a peer's client library against one server and prints its figures as
// one JSON object. The same work through bare sockets is folkmoot-load's.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "library.hpp"

namespace folkmoot::bench {
namespace {

constexpr const char* kUsage =
    R"(folkmoot-library-load WORKLOAD [--OPTION VALUE]...

  pubsub   --size BYTES --seconds S               one publisher, one subscriber of a topic
  request  --size BYTES --seconds S               request and reply, one at a time
  durable  --window N --size BYTES --seconds S    publish confirmed, then consume and ack each

  --peer nats|jetstream|redis|rabbitmq|folkmoot, --port PORT
  --server-pid PID   read this server's CPU       --pin CORE   stay on one core      --warm-up SECONDS

  folkmoot-library-load pubsub --peer nats --port 4222 --server-pid 1234
)";

std::unique_ptr<Library> open_library(const Options& options) {
  if (options.peer == "folkmoot") return open_folkmoot_library(options);
  if (options.peer == "nats" || options.peer == "jetstream") return open_nats_library(options);
  if (options.peer == "redis") return open_redis_library(options);
  if (options.peer == "rabbitmq") return open_rabbitmq_library(options);
  fail("unknown peer '" + options.peer + "'");
}

/// Time and CPU since it was made.
class Stretch {
 public:
  explicit Stretch(const ServerMeter& server) : server_(server) {}

  double seconds() const { return static_cast<double>(now_ns() - started_) / 1e9; }
  void add_cpu(Report& report, const std::string& prefix, std::uint64_t messages) const {
    const double millions = static_cast<double>(messages) / 1e6;
    report.add(prefix + "cpu_s_per_m", (server_.cpu_seconds() - server_cpu_) / millions);
    report.add(prefix + "client_cpu_s_per_m", (own_cpu_seconds() - own_cpu_) / millions);
  }
  void add_rate(Report& report, const std::string& prefix, std::uint64_t messages) const {
    report.add(prefix + "rate", static_cast<double>(messages) / seconds());
    add_cpu(report, prefix, messages);
  }

 private:
  const ServerMeter& server_;
  const double server_cpu_ = server_.cpu_seconds();
  const double own_cpu_ = own_cpu_seconds();
  const std::uint64_t started_ = now_ns();
};

std::uint64_t from_now(double seconds) { return now_ns() + static_cast<std::uint64_t>(seconds * 1e9); }
void sleep_seconds(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

Report run_pubsub(const Options& options) {
  if (options.publishers != 1 || options.subscribers != 1) fail("pubsub has one publisher and one subscriber here");
  Window window(pubsub_window(options));
  const auto library = open_library(options);
  library->subscribe(window);
  const ServerMeter server(options.server_pid);
  std::thread publisher = start_thread([&] { library->publish(window); });
  sleep_seconds(options.warm_up_seconds);
  const auto before = window.received();
  const Stretch measured(server);
  sleep_seconds(options.seconds);
  const auto messages = window.received() - before;
  Report report;
  measured.add_rate(report, "", messages);
  report.add("messages", messages);
  report.add("window", static_cast<std::uint64_t>(window.messages()));

  window.close();
  publisher.join();
  for (const auto give_up = from_now(20); window.received() < window.sent() && now_ns() < give_up;)
    sleep_seconds(0.001);
  if (window.received() != window.sent()) {
    fail("sent " + std::to_string(window.sent()) + " messages, received " + std::to_string(window.received()));
  }
  return report;
}

Report run_request(const Options& options) {
  const auto library = open_library(options);
  library->respond();
  const ServerMeter server(options.server_pid);
  for (const auto end = from_now(options.warm_up_seconds); now_ns() < end;) library->request();
  Histogram latencies;
  const Stretch measured(server);
  for (const auto end = from_now(options.seconds); now_ns() < end;) {
    const auto sent = now_ns();
    library->request();
    latencies.add(now_ns() - sent);
  }
  Report report;
  report.add(latencies);
  measured.add_cpu(report, "", latencies.count());
  return report;
}

Report run_durable(const Options& options) {
  const auto library = open_library(options);
  library->make_queue();
  const ServerMeter server(options.server_pid);
  const auto warm = library->publish_until(from_now(options.warm_up_seconds));
  const Stretch publishing(server);
  const auto measured = library->publish_until(from_now(options.seconds));
  Report report;
  publishing.add_rate(report, "", measured);
  report.add("messages", warm + measured);

  const Stretch consuming(server);
  library->consume(warm + measured);
  consuming.add_rate(report, "consume_", warm + measured);
  return report;
}

constexpr std::pair<std::string_view, Report (*)(const Options&)> kWorkloads[] = {
    {"pubsub", run_pubsub}, {"request", run_request}, {"durable", run_durable}};

int run(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  for (const auto& [name, workload] : kWorkloads) {
    if (options.workload != name) continue;
    if (options.core >= 0) pin_to_core(options.core);
    std::puts(workload(options).text().c_str());
    return 0;
  }
  std::fprintf(stderr, "folkmoot-library-load: no workload '%s'\n%s", argv[1], kUsage);
  return 2;
}

}  // namespace
}  // namespace folkmoot::bench

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::fputs(folkmoot::bench::kUsage, argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
#ifndef __OPTIMIZE__
  std::fputs("folkmoot-library-load: built without optimisation, the figures mean little\n", stderr);
#endif
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return folkmoot::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "folkmoot-library-load: %s\n", error.what());
    return 1;
  }
}
