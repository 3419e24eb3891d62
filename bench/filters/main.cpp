// What filters cost: events published on one topic with many filtered subscriptions, so that each event fits few of
// them. In this process, straight into an engine that writes nothing; with --server, through a server that runs.
//
//   equality     each filter wants another customer
//   equality10k  the same with ten times as many
//   ranges       each wants another range of totals
//   mixed        type, region, and a bound on the total
//   unindexed    arithmetic on the content, which nothing rules out: each filter is evaluated for each event
//   fan          each event fits 100 of 10,000
//
// With --rate as well: so many events a second from the library's publisher to a subscriber's next(), with 1,000 other
// filters beside it, and how long each took.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "folkmoot/folkmoot.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

struct Workload {
  const char* name;
  int filters;
  int fits;  // of them, each event
  std::function<std::string(int)> filter;
  std::function<std::string(int)> content;
};

std::string order(int customer, int total, int region) {
  return R"({"customer":"c)" + std::to_string(customer) + R"(","region":"r)" + std::to_string(region) +
         R"(","items":[{"sku":"a","count":2},{"sku":"b","count":1}],"total":)" + std::to_string(total) + "}";
}

std::vector<Workload> workloads() {
  const auto number = [](int i) { return std::to_string(i); };
  return {
      {"equality", 1'000, 1, [=](int i) { return "content.customer = 'c" + number(i) + "'"; },
       [](int i) { return order(i % 1'000, i % 500, i % 50); }},
      {"equality10k", 10'000, 1, [=](int i) { return "content.customer = 'c" + number(i) + "'"; },
       [](int i) { return order(i % 10'000, i % 500, i % 50); }},
      {"ranges", 1'000, 1,
       [=](int i) { return "content.total BETWEEN " + number(i * 10) + " AND " + number(i * 10 + 9); },
       [](int i) { return order(i % 97, i * 7 % 10'000, i % 50); }},
      {"mixed", 1'000, 10,
       [=](int i) {
         return "type = 'order' AND content.region = 'r" + number(i % 50) +
                "' AND content.total >= " + number(i / 50 * 100);
       },
       [](int i) { return order(i % 97, 950, i % 50); }},
      {"unindexed", 1'000, 1, [=](int i) { return "content.total * 2 = " + number(i * 2); },
       [](int i) { return order(i % 97, i % 1'000, i % 50); }},
      {"fan", 10'000, 100, [=](int i) { return "content.region = 'r" + number(i % 100) + "'"; },
       [](int i) { return order(i % 97, i % 500, i % 100); }},
  };
}

// An event as it crosses the network: envelope and content.
std::string event_of(const Workload& workload, int i) {
  Message message;
  message.topic = "orders";
  message.type = "order";
  message.content_type = "application/json";
  std::string bytes;
  if (!encode_envelope(message, bytes)) std::abort();
  return bytes + workload.content(i);
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void print(const Workload& workload, const char* where, std::uint64_t events, std::uint64_t deliveries,
           double seconds) {
  std::printf("%-12s %-9s %6d filters  %10.0f events/s  %11.0f deliveries/s\n", workload.name, where, workload.filters,
              static_cast<double>(events) / seconds, static_cast<double>(deliveries) / seconds);
  std::fflush(stdout);
}

// -- in this process

class NoLog final : public FactLog {
 public:
  bool has_room(Urgency, std::size_t) const override { return true; }
  bool has_room(Urgency, GroupBound) const override { return true; }
  std::size_t group_bytes_max() const override { return 16 << 20; }
  FactPlace append(FactKind, std::span<const Bytes>, Life) override { return {++end, 1}; }
  void begin_group(GroupBound) override {}
  void end_group() override {}
  Result<Bytes> read(FactPlace) override { return failure(ErrorCode::internal, "nothing is kept"); }
  void retain(FactPlace) override {}
  void release(FactPlace) override {}
  Lsn end = 1;
};

class Counted final : public Effects {
 public:
  bool deliver(SessionId, const OutgoingDelivery&) override { return ++deliveries, true; }
  void deliver_event(std::span<const EventTarget> targets, const MessageParts&) override {
    deliveries += targets.size();
  }
  void confirm(SessionId, RequestNumber, const Confirm&) override {}
  void answer(SessionId, RequestNumber, const Reply&) override {}
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId, RequestNumber, std::uint32_t, std::span<const LeaseToken>) override {}
  void refuse(SessionId, RequestNumber, const Error& error) override {
    std::fprintf(stderr, "refused: %s\n", error.text.c_str());
    std::exit(1);
  }
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash&) override { return true; }
  [[noreturn]] void unreadable(const Error&) override { std::abort(); }
  std::uint64_t deliveries = 0;
};

void run_here(const Workload& workload, double seconds) {
  NoLog log;
  Counted effects;
  Engine engine({}, log, effects);
  engine.start(Instant{1'800'000'000'000}, 1, true);
  engine.on_durable(log.end + 1);
  constexpr SessionId kPublisher = session_id(0, Slot{1}), kListener = session_id(1, Slot{2});
  engine.open_session(kPublisher, "publisher");
  engine.open_session(kListener, "listener");
  for (int i = 0; i < workload.filters; ++i)
    engine.subscribe(kListener, RequestNumber{static_cast<std::uint32_t>(i + 1)}, "orders", 0, false,
                     workload.filter(i));
  std::vector<std::string> written;
  std::vector<IncomingMessage> events;
  for (int i = 0; i < 2'000; ++i) written.push_back(event_of(workload, i));
  for (const auto& bytes : written) {
    auto& event = events.emplace_back();
    if (!read_routing(as_bytes(bytes), event.routing)) std::abort();
    event.envelope = as_bytes(bytes).first(event.routing.bytes);
    event.content = as_bytes(bytes).subspan(event.routing.bytes);
  }
  const auto begin = Clock::now();
  std::uint64_t count = 0;
  while (seconds_since(begin) < seconds) {
    for (std::size_t i = 0; i < 200; ++i) engine.publish(kPublisher, RequestNumber{1}, true, events[count++ % 2'000]);
  }
  print(workload, "engine", count, effects.deliveries, seconds_since(begin));
  if (effects.deliveries != count * static_cast<std::uint64_t>(workload.fits)) {
    std::fprintf(stderr, "%s: %llu deliveries of %llu events\n", workload.name,
                 static_cast<unsigned long long>(effects.deliveries), static_cast<unsigned long long>(count));
    std::exit(1);
  }
}

// -- through a server

class Connection {
 public:
  Connection(int port, std::string_view agent) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
    std::string hello;
    append_hello(hello, 0, {.agent = agent, .token = {}, .software = "folkmoot-filter-load"});
    send(hello);
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) fail("send");
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // Reads once, and calls `each` for all frames that are whole. False at the end.
  template <class Each>
  bool read(Each each) {
    char part[256 * 1024];
    const auto count = ::recv(socket_, part, sizeof part, 0);
    if (count <= 0) return false;
    in_.append(part, static_cast<std::size_t>(count));
    auto bytes = as_bytes(in_);
    for (;;) {
      const auto frame = cut_frame(bytes, std::size_t{64} << 20);
      if (!frame) fail("a frame does not parse");
      if (!*frame) break;
      each(**frame);
    }
    in_.erase(0, in_.size() - bytes.size());
    return true;
  }
  void shut() { ::shutdown(socket_, SHUT_RDWR); }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::perror(what);
    std::exit(1);
  }
  const int socket_;
  std::string in_;
};

void run_there(const Workload& workload, double seconds, int port) {
  Connection listener(port, "filter-listener"), publisher(port, "filter-publisher");
  std::atomic<std::uint64_t> deliveries = 0, subscribed = 0;
  std::thread reader([&] {
    while (listener.read([&](const Frame& frame) {
      if (frame.header.opcode == Opcode::deliver) deliveries.fetch_add(1, std::memory_order_relaxed);
      if (frame.header.opcode == Opcode::ok) ++subscribed;
      if (frame.header.opcode == Opcode::error || frame.header.opcode == Opcode::goodbye) {
        std::fprintf(stderr, "refused: %s\n", read_error(frame)->text.c_str());
        std::exit(1);
      }
    })) {
    }
  });
  for (int i = 0; i < workload.filters; ++i) {
    std::string frame;
    append_subscribe(frame, static_cast<std::uint32_t>(i + 1), {.pattern = "orders", .filter = workload.filter(i)});
    listener.send(frame);
  }
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::microseconds(100)); };
  while (subscribed < static_cast<std::uint64_t>(workload.filters)) pause();
  constexpr std::uint64_t kBatch = 100;
  const auto window = static_cast<std::uint64_t>(std::max(400'000 / workload.fits, 2'000)) / 20;
  std::vector<std::string> batches;
  for (int i = 0; i < 100; ++i) {
    auto& batch = batches.emplace_back();
    for (int j = 0; j < static_cast<int>(kBatch); ++j)
      append_frame(batch, Opcode::publish, kFlagQuiet, 0, event_of(workload, i * static_cast<int>(kBatch) + j));
  }
  const auto fits = static_cast<std::uint64_t>(workload.fits);
  const auto begin = Clock::now();
  std::uint64_t sent = 0;
  while (seconds_since(begin) < seconds) {
    while (sent > deliveries / fits + window) pause();
    publisher.send(batches[sent / kBatch % batches.size()]);
    sent += kBatch;
  }
  while (deliveries < sent * fits) pause();
  print(workload, "server", sent, deliveries, seconds_since(begin));
  listener.shut();
  reader.join();
}

// -- how long an event takes from the one program to the other

void run_latency(int port, double rate, double seconds) {
  const auto workload = workloads().front();
  const auto options = [&](const char* agent) {
    ClientOptions made;
    made.address = "127.0.0.1:" + std::to_string(port);
    made.agent = agent;
    return made;
  };
  SyncClient listener(options("latency-listener")), publisher(options("latency-publisher"));
  const auto need = [](const auto& result) {
    if (result) return;
    std::fprintf(stderr, "%s\n", result.error().text.c_str());
    std::exit(1);
  };
  need(listener.connect());
  need(publisher.connect());
  std::vector<SyncStream> others;
  for (int i = 0; i < workload.filters; ++i) {
    const auto filter = workload.filter(i + workload.filters);  // of customers that never come
    auto other = listener.subscribe("orders", {.filter = filter});
    need(other);
    others.push_back(std::move(*other));
  }
  auto events = listener.subscribe("orders", {.filter = "content.total >= 0"});
  need(events);
  const auto count = static_cast<std::size_t>(rate * seconds);
  std::vector<Clock::time_point> sent(count);
  std::vector<double> took;
  std::thread reader([&] {
    while (took.size() < count) {
      const auto event = events->next();
      if (!event) return;
      const auto number = static_cast<std::size_t>(std::stoul(event->message.correlation));
      took.push_back(seconds_since(sent[number]) * 1e3);
    }
  });
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const auto due = begin + std::chrono::duration_cast<Clock::duration>(
                                 std::chrono::duration<double>(static_cast<double>(i) / rate));
    std::this_thread::sleep_until(due);
    Message message;
    message.topic = "orders";
    message.type = "order";
    message.correlation = std::to_string(i);
    message.content_type = "application/json";
    message.content = workload.content(static_cast<int>(i % 1'000));
    sent[i] = Clock::now();
    need(publisher.publish_nowait(std::move(message)));
  }
  reader.join();
  std::sort(took.begin(), took.end());
  const auto at = [&](double part) {
    return took[static_cast<std::size_t>(part * static_cast<double>(took.size() - 1))];
  };
  std::printf("latency      library   %6d filters  %10.0f events/s  p50 %.3f ms  p95 %.3f ms  p99 %.3f ms\n",
              workload.filters + 1, static_cast<double>(count) / seconds_since(begin), at(0.5), at(0.95), at(0.99));
}

int run(int argc, char** argv) {
  double seconds = 2, rate = 0;
  int port = 0;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--seconds") seconds = std::atof(argv[i + 1]);
    if (option == "--server") port = std::atoi(argv[i + 1]);
    if (option == "--only") only = argv[i + 1];
    if (option == "--rate") rate = std::atof(argv[i + 1]);
  }
  if (argc % 2 == 0) {
    std::fprintf(stderr, "usage: folkmoot-filter-load [--seconds N] [--only WORKLOAD] [--server PORT [--rate N]]\n");
    return 2;
  }
  if (port != 0 && rate > 0) return run_latency(port, rate, seconds), 0;
  for (const auto& workload : workloads()) {
    if (!only.empty() && only != workload.name) continue;
    port == 0 ? run_here(workload, seconds) : run_there(workload, seconds, port);
  }
  return 0;
}

}  // namespace
}  // namespace folkmoot

int main(int argc, char** argv) { return folkmoot::run(argc, argv); }
