// One request at a time: the client writes, the responder answers with the same content, the client reads.
#include <sys/socket.h>

#include <atomic>

#include "session.hpp"
#include "workloads.hpp"

namespace folkmoot::bench {

Report run_request(const Options& options) {
  const std::string service = "bench.service";
  const auto responder = open_session(options, "responder");
  const auto client = open_session(options, "client");
  responder->begin_responding(service);
  client->begin_requesting();
  const std::string request = client->request_frame(service, std::string(options.content_bytes, 'x'));
  std::atomic<bool> finished{false};

  std::thread responding = start_thread([&] {
    Receiver receiver;
    std::string answers;
    std::uint64_t count = 0;
    const auto scan = [&](std::string_view bytes) { return responder->scan_requests(bytes, answers); };
    try {
      while (receiver.receive(*responder, count, scan)) {
        if (answers.empty()) continue;
        write_all(responder->fd(), answers);
        answers.clear();
      }
    } catch (const Failure&) {
      if (!finished) throw;  // at the end the connection is closed under it
      return;
    }
    if (!finished) fail("the server closed the responder's connection");
  });

  Receiver receiver;
  const auto ask = [&] {
    const auto sent = now_ns();
    write_all(client->fd(), request);
    for (std::uint64_t answered = 0; answered == 0;) {
      if (!receiver.receive(*client, answered, [&](std::string_view bytes) { return client->scan_replies(bytes); })) {
        fail("the server closed the client's connection");
      }
    }
    return now_ns() - sent;
  };
  const ServerMeter server(options.server_pid);
  for (const auto warm = now_ns() + static_cast<std::uint64_t>(options.warm_up_seconds * 1e9); now_ns() < warm;) ask();
  Histogram latencies;
  const double cpu_before = server.cpu_seconds();
  for (const auto end = now_ns() + static_cast<std::uint64_t>(options.seconds * 1e9); now_ns() < end;)
    latencies.add(ask());
  const double cpu = server.cpu_seconds() - cpu_before;
  finished = true;
  shutdown(responder->fd(), SHUT_RDWR);
  responding.join();

  Report report;
  report.add(latencies);
  report.add("cpu_s_per_m", cpu / static_cast<double>(latencies.count()) * 1e6);
  return report;
}

}  // namespace folkmoot::bench
