// Many connections at once: agents that send one durable message each and wait for its confirm before the next (as fast
// as that goes, or at a given total rate), and connections that only wait.
#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>

#include "session.hpp"
#include "workloads.hpp"

namespace folkmoot::bench {
namespace {

// Servers give buffers of the connecting back a while after it; they get this long for it.
constexpr std::chrono::seconds kSettle{10};

struct Agent {
  std::unique_ptr<Session> session;
  std::string frame;
  std::uint64_t sent_at = 0;  // 0: nothing in flight
};

/// The queue of folkmoot's other doors is made through the native one on the same port.
void make_queue(const Options& options, Session& session) {
  if (!options.peer.starts_with("folkmoot-")) return session.make_queue();
  Options native = options;
  native.peer = "folkmoot";
  open_session(native, "maker")->make_queue();
}

std::uint64_t nanoseconds(double seconds) { return static_cast<std::uint64_t>(seconds * 1e9); }

}  // namespace

Report run_agents(const Options& options) {
  std::vector<Agent> agents(options.connections);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  const std::string content(options.content_bytes, 'x');
  for (std::size_t i = 0; i < agents.size(); ++i) {
    Agent& agent = agents[i];
    agent.session = open_session(options, "agent" + std::to_string(i));
    if (i == 0) make_queue(options, *agent.session);
    agent.frame = agent.session->durable_frame(content);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, agent.session->fd(), &event) != 0) fail("epoll_ctl failed");
  }

  const ServerMeter server(options.server_pid);
  Receiver receiver;
  Histogram latencies;
  std::uint64_t late = 0;  // turns of an agent that still waited for its last confirm
  std::uint64_t in_flight = 0;
  const auto send_one = [&](Agent& agent, std::uint64_t since) {
    agent.sent_at = since;
    ++in_flight;
    write_all(agent.session->fd(), agent.frame);
  };

  const auto begun = now_ns();
  const auto warm_at = begun + nanoseconds(options.warm_up_seconds);
  const auto stop_at = warm_at + nanoseconds(options.seconds);
  const bool paced = options.rate > 0;
  double cpu_before = server.cpu_seconds();
  std::uint64_t measured_from = begun;
  bool warming = true;
  std::uint64_t turn = 0;
  std::vector<epoll_event> events(1024);
  if (!paced) {
    for (Agent& agent : agents) send_one(agent, now_ns());
  }
  for (bool stopping = false; !stopping || in_flight != 0;) {
    auto now = now_ns();
    if (warming && now >= warm_at) {
      warming = false;
      cpu_before = server.cpu_seconds();
      measured_from = now;
    }
    stopping = now >= stop_at;
    if (now >= stop_at + nanoseconds(30)) fail("confirms are missing");
    if (paced && !stopping) {
      // Latency counts from when a message was due, so that a stall is not hidden by sending less.
      for (;; ++turn) {
        const auto due = begun + nanoseconds(static_cast<double>(turn) / options.rate);
        if (due > now) break;
        Agent& agent = agents[turn % agents.size()];
        if (agent.sent_at != 0)
          ++late;
        else
          send_one(agent, due);
      }
    }
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), paced ? 1 : 100);
    for (int e = 0; e < ready; ++e) {
      Agent& agent = agents[events[static_cast<std::size_t>(e)].data.u64];
      Session& session = *agent.session;
      std::uint64_t confirmed = 0;
      if (!receiver.receive(session, confirmed, [&](std::string_view bytes) { return session.scan_confirms(bytes); })) {
        fail("the server closed an agent's connection");
      }
      if (confirmed == 0) continue;
      now = now_ns();
      if (!warming) latencies.add(now - agent.sent_at);
      agent.sent_at = 0;
      --in_flight;
      if (!paced && now < stop_at) send_one(agent, now);
    }
  }
  const double seconds = static_cast<double>(now_ns() - measured_from) / 1e9;
  const double cpu = server.cpu_seconds() - cpu_before;
  close(poll);
  Report report;
  report.add("rate", static_cast<double>(latencies.count()) / seconds);
  report.add("cpu_s_per_m", cpu / static_cast<double>(latencies.count()) * 1e6);
  report.add(latencies);
  report.add("late", late);
  return report;
}

Report run_idle(const Options& options) {
  const ServerMeter server(options.server_pid);
  const auto rss_before = server.rss_bytes();
  const auto started = now_ns();
  std::vector<std::unique_ptr<Session>> waiting;
  for (std::size_t i = 0; i < options.connections; ++i) {
    waiting.push_back(open_session(options, "idle" + std::to_string(i)));
    waiting.back()->wait_idle("idle.agent" + std::to_string(i));
  }
  const double connect_seconds = static_cast<double>(now_ns() - started) / 1e9;
  std::this_thread::sleep_for(kSettle);
  const double cpu_before = server.cpu_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  const double cpu = server.cpu_seconds() - cpu_before;
  const auto rss = server.rss_bytes();
  Report report;
  report.add("bytes_per_connection",
             (static_cast<double>(rss) - static_cast<double>(rss_before)) / static_cast<double>(options.connections));
  report.add("rss_empty_mib", static_cast<double>(rss_before) / (1 << 20));
  report.add("rss_mib", static_cast<double>(rss) / (1 << 20));
  report.add("connect_seconds", connect_seconds);
  report.add("idle_cores", cpu / options.seconds);
  report.add("connections", static_cast<std::uint64_t>(options.connections));
  return report;
}

}  // namespace folkmoot::bench
