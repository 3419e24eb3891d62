// folkmoot-load: runs one workload against one server and prints its figures as one JSON object.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "workloads.hpp"

namespace {

constexpr const char* kUsage =
    R"(folkmoot-load WORKLOAD [--OPTION VALUE]...

  pubsub   --publishers P --subscribers S --size BYTES --seconds S     topics; subscriber i follows publisher i mod P
  request  --size BYTES --seconds S                                    request and reply, one at a time
  durable  --window N --size BYTES --seconds S                         publish confirmed, then consume and ack each
  stream   --window N --size BYTES --messages N                        append confirmed, then read all of it again
  fill     --messages N --window N                                     leave N durable messages waiting
  ready    --messages N                                                wait until a server has them and hands one out
  agents   --connections N [--rate PER_SECOND] --seconds S             one durable message in flight each
  idle     --connections N --seconds S                                 connections that only wait
  tcp, unix, relay, disk --directory DIR                               what the machine itself can do

  --peer nats|jetstream|redis|rabbitmq|folkmoot|folkmoot-http|folkmoot-ws, --port PORT or --unix PATH
  --server-pid PID   read this server's CPU and memory      --pin CORE   stay on one core      --warm-up SECONDS

  folkmoot-load pubsub --peer nats --port 4222 --server-pid 1234 --publishers 8 --subscribers 8
)";

using Workload = folkmoot::bench::Report (*)(const folkmoot::bench::Options&);

constexpr std::pair<const char*, Workload> kWorkloads[] = {
    {"pubsub", folkmoot::bench::run_pubsub},
    {"request", folkmoot::bench::run_request},
    {"durable", folkmoot::bench::run_durable},
    {"stream", folkmoot::bench::run_stream},
    {"fill", folkmoot::bench::run_fill},
    {"ready", folkmoot::bench::run_ready},
    {"agents", folkmoot::bench::run_agents},
    {"idle", folkmoot::bench::run_idle},
    {"tcp", folkmoot::bench::run_reference_tcp},
    {"unix", folkmoot::bench::run_reference_unix},
    {"relay", folkmoot::bench::run_reference_relay},
    {"disk", folkmoot::bench::run_reference_disk},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::fputs(kUsage, argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
#ifndef __OPTIMIZE__
  std::fputs("folkmoot-load: built without optimisation, the figures mean little\n", stderr);
#endif
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto options = folkmoot::bench::parse_options(argc, argv);
    for (const auto& [name, run] : kWorkloads) {
      if (options.workload != name) continue;
      if (options.core >= 0) folkmoot::bench::pin_to_core(options.core);
      std::puts(run(options).text().c_str());
      return 0;
    }
    std::fprintf(stderr, "folkmoot-load: no workload '%s'\n%s", argv[1], kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "folkmoot-load: %s\n", error.what());
    return 1;
  }
}
