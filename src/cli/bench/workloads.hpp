// What `folkmoot bench` can do to a server; a line each:
//   pubsub       publishers -> a topic -> subscribers, as fast as it goes with `window` messages on their way
//   fanout       the same with a hundred subscribers
//   mailbox      durable publishes, `window` unconfirmed; then leased and acknowledged one by one
//   request      requests through a mailbox and back, `window` at a time for each requester
//   connections  connected agents, each with an idle consumer: what one costs in memory
//   backlog      durable messages that nobody takes: what one costs in memory, and the restart
#pragma once

#include <cstdint>
#include <string>

#include "cli/bench/report.hpp"
#include "cli/bench/target_server.hpp"

namespace folkmoot::bench {

struct BenchOptions {
  std::uint64_t messages = 0;  // 0 in any of these: the workload's default
  std::size_t bytes = 128;
  std::uint32_t publishers = 0, subscribers = 0, window = 0;
};

using Workload = void (*)(TargetServer&, BenchOptions, Report&);
/// Nothing for an unknown name.
Workload find_workload(const std::string& name);

}  // namespace folkmoot::bench
