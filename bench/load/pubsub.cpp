// Publishers to subscribers over topics. One thread writes for all publishers, one reads for all subscribers.
//
// Lossless by flow control, the same for every peer: a publisher stays at most a window ahead of the slowest subscriber
// that follows it (pubsub_window).
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "session.hpp"
#include "workloads.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::size_t kWriteBytes = 64 << 10;

struct alignas(64) Counter {
  std::atomic<std::uint64_t> value{0};
};

struct Flow {
  explicit Flow(const Options& options)
      : publishers(options.publishers),
        window(pubsub_window(options)),
        received(options.subscribers),
        sent(options.publishers) {}

  /// What the slowest subscriber of this publisher has.
  std::uint64_t floor_of(std::size_t publisher) const {
    std::uint64_t floor = ~std::uint64_t{0};
    for (std::size_t s = publisher; s < received.size(); s += publishers) {
      floor = std::min(floor, received[s].value.load(std::memory_order_relaxed));
    }
    return floor;
  }

  std::uint64_t total_received() const {
    std::uint64_t total = 0;
    for (const auto& counter : received) total += counter.value.load(std::memory_order_relaxed);
    return total;
  }

  std::uint64_t total_expected() const {
    std::uint64_t total = 0;
    for (std::size_t s = 0; s < received.size(); ++s) total += sent[s % publishers];
    return total;
  }

  std::size_t publishers;
  std::size_t window;
  std::vector<Counter> received;       // written by the reading thread
  std::vector<std::uint64_t> sent;     // the writing thread's, until it has been joined
  std::atomic<std::uint32_t> bell{0};  // rung by the reader once a turn
  std::atomic<bool> stop{false};       // no more is written
  std::atomic<bool> finished{false};   // all is read
};

using Sessions = std::vector<std::unique_ptr<Session>>;

void write_until_stopped(Sessions& publishers, const std::vector<std::string>& frames, Flow& flow) {
  const std::size_t frame_bytes = frames.front().size();
  const std::size_t batch = std::clamp<std::size_t>(kWriteBytes / frame_bytes, 1, flow.window / 4);
  std::vector<std::string> batches;
  for (const auto& frame : frames) {
    std::string& bytes = batches.emplace_back();
    for (std::size_t i = 0; i < batch; ++i) bytes += frame;
  }
  std::vector<std::uint64_t> floors(publishers.size(), 0);
  char unread[4096];
  while (!flow.stop) {
    const auto bell = flow.bell.load();
    bool wrote = false;
    for (std::size_t p = 0; p < publishers.size(); ++p) {
      if (flow.sent[p] + batch > floors[p] + flow.window) floors[p] = flow.floor_of(p);
      if (flow.sent[p] + batch > floors[p] + flow.window) continue;
      write_all(publishers[p]->fd(), batches[p]);
      flow.sent[p] += batch;
      wrote = true;
    }
    if (!wrote && !flow.stop) {
      // Whatever a server says to a publisher (a keep-alive at most) is dropped when there is time for it.
      for (auto& session : publishers) (void)recv(session->fd(), unread, sizeof unread, MSG_DONTWAIT);
      flow.bell.wait(bell);
    }
  }
}

void read_until_finished(Sessions& subscribers, Flow& flow) {
  Receiver receiver;
  const auto receive = [&](std::size_t index) {
    Session& session = *subscribers[index];
    std::uint64_t count = 0;
    const bool open =
        receiver.receive(session, count, [&](std::string_view bytes) { return session.scan_messages(bytes); });
    if (!open && !flow.finished) fail("the server closed a subscriber's connection");
    auto& counter = flow.received[index].value;
    counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  };
  const auto ring = [&] {
    flow.bell.fetch_add(1);
    flow.bell.notify_one();
  };
  if (subscribers.size() == 1) {
    for (; !flow.finished; ring()) receive(0);
    return;
  }
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t s = 0; s < subscribers.size(); ++s) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = s;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, subscribers[s]->fd(), &event) != 0) fail("epoll_ctl failed");
  }
  std::vector<epoll_event> events(1024);
  for (; !flow.finished; ring()) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < ready; ++i) receive(events[static_cast<std::size_t>(i)].data.u64);
  }
  close(poll);
}

void sleep_seconds(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace

Report run_pubsub(const Options& options) {
  Flow flow(options);
  Sessions subscribers;
  Sessions publishers;
  std::vector<std::string> frames;
  const auto topic = [](std::size_t publisher) { return "bench.topic" + std::to_string(publisher); };
  for (std::size_t s = 0; s < options.subscribers; ++s) {
    subscribers.push_back(open_session(options, "subscriber" + std::to_string(s)));
    subscribers.back()->subscribe(topic(s % options.publishers));
  }
  const std::string content(options.content_bytes, 'x');
  for (std::size_t p = 0; p < options.publishers; ++p) {
    publishers.push_back(open_session(options, "publisher" + std::to_string(p)));
    publishers.back()->begin_publishing();
    frames.push_back(publishers.back()->publish_frame(topic(p), content));
  }

  const ServerMeter server(options.server_pid);
  std::thread reader = start_thread([&] { read_until_finished(subscribers, flow); });
  std::thread writer = start_thread([&] { write_until_stopped(publishers, frames, flow); });
  sleep_seconds(options.warm_up_seconds);
  const auto count_before = flow.total_received();
  const auto started = now_ns();
  const double server_cpu_before = server.cpu_seconds();
  const double own_cpu_before = own_cpu_seconds();
  sleep_seconds(options.seconds);
  const double server_cpu = server.cpu_seconds() - server_cpu_before;
  const double own_cpu = own_cpu_seconds() - own_cpu_before;
  const double seconds = static_cast<double>(now_ns() - started) / 1e9;
  const auto messages = flow.total_received() - count_before;
  const auto rss = server.rss_bytes();

  flow.stop = true;
  flow.bell.fetch_add(1);
  flow.bell.notify_all();
  writer.join();
  const auto give_up = now_ns() + 20'000'000'000;
  while (flow.total_received() < flow.total_expected() && now_ns() < give_up) sleep_seconds(0.001);
  const auto total = flow.total_received();
  if (total != flow.total_expected()) {
    fail("sent " + std::to_string(flow.total_expected()) + " deliveries' worth, received " + std::to_string(total));
  }
  flow.finished = true;
  for (auto& session : subscribers) shutdown(session->fd(), SHUT_RD);
  reader.join();

  Report report;
  const double millions = static_cast<double>(messages) / 1e6;
  report.add("rate", static_cast<double>(messages) / seconds);
  report.add("cpu_s_per_m", server_cpu / millions);
  report.add("client_cpu_s_per_m", own_cpu / millions);
  report.add("messages", messages);
  report.add("window", static_cast<std::uint64_t>(flow.window));
  report.add("rss_mib", static_cast<double>(rss) / (1 << 20));
  return report;
}

}  // namespace folkmoot::bench
