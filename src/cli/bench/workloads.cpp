#include "cli/bench/workloads.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <thread>

#include "cli/bench/pipe.hpp"
#include "cli/cli.hpp"
#include "client/codec.hpp"
#include "folkmoot/failure.hpp"
#include "message/envelope.hpp"

namespace folkmoot::bench {
namespace {

// Frames a publisher puts into one write.
constexpr std::size_t kWriteBytes = 64 * 1024;

std::uint64_t or_default(std::uint64_t given, std::uint64_t otherwise) { return given ? given : otherwise; }

Pipe open_pipe(const TargetServer& server, const std::string& agent) {
  return Pipe(server.address(), cli::globals().tls, agent, cli::globals().token);
}

std::string with_request(std::string frame, std::uint32_t request) {
  codec::set_request(frame, request);
  return frame;
}

std::string publish_frame(const std::string& to, const std::string& topic, std::size_t bytes, bool quiet) {
  Message message;
  message.to = to;
  message.topic = topic;
  message.content = std::string(bytes, 'x');
  return value(codec::publish(message, quiet));
}

/// A name that no earlier run has used: mailboxes of a server that goes on running keep what is in them.
std::string fresh(const std::string& word) { return fmt::format("bench.{}.{:x}", word, now_ns()); }

/// A thread whose Failure is thrown again by join().
class Worker {
 public:
  template <class Body>
  explicit Worker(Body body)
      : thread_([this, body = std::move(body)]() mutable {
          try {
            body();
          } catch (...) {
            thrown_ = std::current_exception();
          }
        }) {}
  void join() {
    thread_.join();
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::exception_ptr thrown_;
  std::jthread thread_;  // last: it uses what is above
};

/// What the server spent between two moments.
class Spent {
 public:
  explicit Spent(const TargetServer& server) : server_(server), cpu_(server.cpu_seconds()), began_(Clock::now()) {}
  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }
  void report(Report& report, const std::string& what, std::uint64_t messages) const {
    report.add_rate(what, messages, seconds());
    if (server_.is_known()) {
      report.add(what + "_server_cpu_s_per_million",
                 (server_.cpu_seconds() - cpu_) * 1e6 / static_cast<double>(messages));
    }
  }

 private:
  const TargetServer& server_;
  double cpu_;
  Clock::time_point began_;
};

// --- pubsub, fanout
// ----------------------------------------------------------------------------------------------------

/// Publishers stay at most `window` messages ahead of the slowest subscriber, so that nothing is cut off.
void run_topic(TargetServer& server, BenchOptions options, Report& report) {
  const auto topic = fresh("topic");
  const auto total = options.messages;
  options.bytes = std::max<std::size_t>(options.bytes, sizeof(std::int64_t));
  std::atomic<std::uint64_t> sent = 0, slowest = 0;
  std::atomic<bool> stop = false;

  std::vector<Pipe> subscribers;
  for (std::uint32_t i = 0; i < options.subscribers; ++i) {
    subscribers.push_back(open_pipe(server, fmt::format("subscriber-{}", i)));
    subscribers.back().call(with_request(codec::subscribe(topic, {.credit = 0, .echo = false}), 1));
  }
  std::vector<Pipe> pipes;
  for (std::uint32_t i = 0; i < options.publishers; ++i)
    pipes.push_back(open_pipe(server, fmt::format("publisher-{}", i)));

  Spent spent(server);
  std::vector<std::unique_ptr<Worker>> publishers;
  for (auto& pipe : pipes) {
    publishers.push_back(std::make_unique<Worker>([&, frame = publish_frame({}, topic, options.bytes, true)] {
      const auto most = std::min<std::uint64_t>(std::max<std::uint64_t>(kWriteBytes / frame.size(), 1),
                                                std::max(options.window / 2, 1u));
      std::string block;
      for (std::uint64_t i = 0; i < most; ++i) block += frame;
      while (!stop) {
        const auto first = sent.fetch_add(most);
        if (first >= total) return;
        const auto count = std::min(most, total - first);
        while (!stop && first + count > slowest + options.window) std::this_thread::yield();
        const auto now = now_ns();
        for (std::uint64_t i = 0; i < count; ++i)
          store(block.data() + i * frame.size() + frame.size() - options.bytes, now);
        pipe.write(std::string_view(block).substr(0, count * frame.size()));
      }
    }));
  }

  Latencies latencies;
  Progress progress("messages", total);
  std::vector<std::uint64_t> got(subscribers.size());
  std::vector<pollfd> polled;
  for (const auto& pipe : subscribers) polled.push_back({pipe.fd(), POLLIN, 0});
  try {
    while (slowest < total) {
      if (::poll(polled.data(), polled.size(), 10'000) == 0)
        throw Failure({ErrorCode::timed_out, "no message came for ten seconds"});
      for (std::size_t i = 0; i < polled.size(); ++i) {
        if (polled[i].revents == 0) continue;
        const auto now = now_ns();
        subscribers[i].read([&](const Frame& frame) {
          if (frame.header.opcode != Opcode::deliver) return;
          if (++got[i] % 16 == 0)
            latencies.add(now - load<std::int64_t>(frame.body.data() + frame.body.size() - options.bytes));
        });
      }
      slowest = *std::ranges::min_element(got);
      progress.at(slowest);
    }
  } catch (...) {
    stop = true;
    for (auto& publisher : publishers) publisher->join();
    throw;
  }
  spent.report(report, "messages", total);
  for (auto& publisher : publishers) publisher->join();
  report.add("deliveries", static_cast<double>(total * subscribers.size()));
  report.add_rate("deliveries", total * subscribers.size(), spent.seconds());
  report.add_latencies("latency", latencies);
}

void pubsub(TargetServer& server, BenchOptions options, Report& report) {
  options.messages = or_default(options.messages, 2'000'000);
  options.publishers = std::max(options.publishers, 1u);
  options.subscribers = std::max(options.subscribers, 1u);
  options.window = static_cast<std::uint32_t>(or_default(options.window, 10'000));
  run_topic(server, options, report);
}

void fanout(TargetServer& server, BenchOptions options, Report& report) {
  options.messages = or_default(options.messages, 20'000);
  options.publishers = std::max(options.publishers, 1u);
  options.subscribers = static_cast<std::uint32_t>(or_default(options.subscribers, 100));
  options.window = static_cast<std::uint32_t>(or_default(options.window, 1'000));
  run_topic(server, options, report);
}

// --- mailbox, backlog
// --------------------------------------------------------------------------------------------------

/// `total` durable messages into one mailbox, up to `window` of them unconfirmed on each connection.
void publish_durably(TargetServer& server, const BenchOptions& options, const std::string& mailbox, Report& report) {
  std::vector<Pipe> pipes;
  for (std::uint32_t i = 0; i < options.publishers; ++i)
    pipes.push_back(open_pipe(server, fmt::format("publisher-{}", i)));
  std::vector<Latencies> latencies(pipes.size());
  std::atomic<std::uint64_t> taken = 0, confirmed = 0;
  Progress progress("published", options.messages);
  Spent spent(server);
  std::vector<std::unique_ptr<Worker>> publishers;
  for (std::size_t p = 0; p < pipes.size(); ++p) {
    publishers.push_back(
        std::make_unique<Worker>([&, p, frame = publish_frame(mailbox, {}, options.bytes, false)]() mutable {
          std::vector<std::int64_t> sent_at(options.window);
          std::uint32_t request = 0, answered = 0;
          std::string block;
          bool more = true;
          while (more || answered < request) {
            const auto now = now_ns();
            for (block.clear(); more && request - answered < options.window;) {
              more = taken++ < options.messages;
              if (!more) break;
              sent_at[request % options.window] = now;
              codec::set_request(frame, request++);
              block += frame;
            }
            if (!block.empty()) pipes[p].write(block);
            if (answered == request) continue;
            const auto before = answered;
            pipes[p].read([&](const Frame& got) {
              if (got.header.opcode != Opcode::confirm) return;
              latencies[p].add(now_ns() - sent_at[got.header.request % options.window]);
              ++answered;
            });
            confirmed += answered - before;
            if (p == 0) progress.at(confirmed);
          }
        }));
  }
  for (auto& publisher : publishers) publisher->join();
  spent.report(report, "publish", options.messages);
  for (std::size_t p = 1; p < latencies.size(); ++p) latencies[0].merge(latencies[p]);
  report.add_latencies("publish_latency", latencies[0]);
}

/// Takes and acknowledges all of a mailbox: one ACK a message, written together for what one read brought.
void consume_all(TargetServer& server, const BenchOptions& options, const std::string& mailbox, Report& report) {
  std::atomic<std::uint64_t> settled = 0;
  std::vector<std::unique_ptr<Worker>> consumers;
  Progress progress("acknowledged", options.messages);
  Spent spent(server);
  const auto credit = std::min(std::max(options.window, 1u), 65'535u);
  for (std::uint32_t i = 0; i < options.subscribers; ++i) {
    consumers.push_back(std::make_unique<Worker>([&, i] {
      auto pipe = open_pipe(server, fmt::format("consumer-{}", i));
      pipe.write(with_request(codec::consume(mailbox, {.credit = credit}), 1));
      std::string acks;
      while (settled < options.messages) {
        pollfd polled{pipe.fd(), POLLIN, 0};
        if (::poll(&polled, 1, 100) == 0) continue;  // another consumer may have had the last
        pipe.read([&](const Frame& frame) {
          if (frame.header.opcode == Opcode::settled) {
            value(codec::read_settled(frame.body));
            ++settled;
          }
          if (frame.header.opcode != Opcode::deliver) return;
          append_frame(acks, Opcode::ack, 0, 2, as_text(frame.body.first(8)));
        });
        if (!acks.empty()) pipe.write(acks), acks.clear();
        if (i == 0) progress.at(settled);
      }
    }));
  }
  for (auto& consumer : consumers) consumer->join();
  spent.report(report, "consume", options.messages);
}

void mailbox(TargetServer& server, BenchOptions options, Report& report) {
  options.messages = or_default(options.messages, 200'000);
  options.publishers = std::max(options.publishers, 1u);
  options.subscribers = std::max(options.subscribers, 1u);
  options.window = static_cast<std::uint32_t>(or_default(options.window, 1'000));
  const auto name = fresh("mailbox");
  open_pipe(server, "bench").call(with_request(codec::mailbox(name, {.max_messages = options.messages + 1}), 1));
  publish_durably(server, options, name, report);
  consume_all(server, options, name, report);
}

void backlog(TargetServer& server, BenchOptions options, Report& report) {
  options.messages = or_default(options.messages, 1'000'000);
  options.publishers = std::max(options.publishers, 1u);
  options.window = static_cast<std::uint32_t>(or_default(options.window, 10'000));
  const auto name = fresh("backlog");
  open_pipe(server, "bench").call(with_request(codec::mailbox(name, {.max_messages = options.messages + 1}), 1));
  const auto before = server.memory_bytes();
  publish_durably(server, options, name, report);
  if (server.is_known()) {
    report.add("server_memory_bytes", static_cast<double>(server.memory_bytes()));
    report.add("bytes_per_message", (static_cast<double>(server.memory_bytes()) - static_cast<double>(before)) /
                                        static_cast<double>(options.messages));
  }
  if (!server.is_own()) return;
  report.add("restart_seconds", server.restart());
  report.add("server_memory_bytes_after_restart", static_cast<double>(server.memory_bytes()));
}

// --- request
// -----------------------------------------------------------------------------------------------------------

/// Answers every request of a mailbox until its connection is shut down from outside.
void respond(Pipe& pipe, const std::string& mailbox, std::uint32_t credit, const std::string& content,
             std::atomic<bool>& stop) {
  pipe.call(with_request(codec::consume(mailbox, {.credit = credit}), 1));
  std::string out;
  while (!stop) {
    pollfd polled{pipe.fd(), POLLIN, 0};
    if (::poll(&polled, 1, 100) == 0) continue;
    std::uint32_t used = 0;
    pipe.read([&](const Frame& frame) {
      if (frame.header.opcode != Opcode::deliver) return;
      const bool leased = frame.header.flags & kFlagLeased;
      const auto routing = value(read_routing(leased ? frame.body.subspan(kLeaseBlockBytes) : frame.body));
      Message answer;
      answer.to = routing.reply_to;
      answer.content = content;
      out += value(codec::publish(answer, true));
      leased ? append_frame(out, Opcode::ack, kFlagQuiet, 0, as_text(frame.body.first(8))) : void(++used);
    });
    if (used) out += codec::credit(1, used);
    if (!out.empty()) pipe.write(out), out.clear();
  }
}

void request(TargetServer& server, BenchOptions options, Report& report) {
  options.messages = or_default(options.messages, 200'000);
  options.publishers = std::max(options.publishers, 1u);
  options.subscribers = std::max(options.subscribers, 1u);
  options.window = static_cast<std::uint32_t>(or_default(options.window, 1));
  const auto name = fresh("request");
  const std::string content(options.bytes, 'x');
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> taken = 0, done = 0;

  std::vector<Pipe> pipes;
  std::vector<std::unique_ptr<Worker>> responders, requesters;
  for (std::uint32_t i = 0; i < options.publishers + options.subscribers; ++i)
    pipes.push_back(open_pipe(server, fmt::format("agent-{}", i)));
  for (std::uint32_t i = 0; i < options.subscribers; ++i) {
    responders.push_back(
        std::make_unique<Worker>([&, i] { respond(pipes[options.publishers + i], name, 1'000, content, stop); }));
  }
  std::vector<Latencies> latencies(options.publishers);
  Progress progress("requests", options.messages);
  Spent spent(server);
  for (std::uint32_t p = 0; p < options.publishers; ++p) {
    requesters.push_back(std::make_unique<Worker>([&, p] {
      Message message;
      message.to = name;
      message.content = content;
      auto frame = value(codec::request(message, Milliseconds(10'000), false));
      std::vector<std::int64_t> sent_at(options.window);
      std::uint32_t asked = 0, answered = 0;
      std::string block;
      bool more = true;
      while (more || answered < asked) {
        for (block.clear(); more && asked - answered < options.window;) {
          more = taken++ < options.messages;
          if (!more) break;
          sent_at[asked % options.window] = now_ns();
          codec::set_request(frame, asked++);
          block += frame;
        }
        if (!block.empty()) pipes[p].write(block);
        if (answered == asked) continue;
        pipes[p].read([&](const Frame& got) {
          if (got.header.opcode != Opcode::deliver) return;
          latencies[p].add(now_ns() - sent_at[got.header.request % options.window]);
          ++answered, ++done;
        });
        if (p == 0) progress.at(done);
      }
    }));
  }
  std::exception_ptr thrown;
  for (auto& requester : requesters) {
    try {
      requester->join();
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  if (!thrown) spent.report(report, "requests", options.messages);
  stop = true;
  for (auto& responder : responders) responder->join();
  if (thrown) std::rethrow_exception(thrown);
  for (std::uint32_t p = 1; p < options.publishers; ++p) latencies[0].merge(latencies[p]);
  report.add_latencies("latency", latencies[0]);
}

// --- connections
// -------------------------------------------------------------------------------------------------------

void connections(TargetServer& server, BenchOptions options, Report& report) {
  const auto count = or_default(options.messages, 10'000);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < count + 256) {
    throw Failure({ErrorCode::limit_reached, fmt::format("{} open files are allowed, {} are needed; see `ulimit -n`",
                                                         limit.rlim_max, count + 256)});
  }
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);

  const auto before = server.memory_bytes();
  const auto name = fresh("agent");
  Progress progress("connections", count);
  std::vector<Pipe> pipes;
  pipes.reserve(count);
  Spent spent(server);
  for (std::uint64_t i = 0; i < count; ++i) {
    pipes.push_back(open_pipe(server, fmt::format("{}.{}", name, i)));
    pipes.back().call(with_request(codec::consume(fmt::format("{}.{}", name, i), {.credit = 1}), 1));
    progress.at(i);
  }
  report.add("connections", static_cast<double>(count));
  report.add_rate("connections", count, spent.seconds());
  if (!server.is_known()) return;
  const auto after = server.memory_bytes();
  report.add("server_memory_bytes_before", static_cast<double>(before));
  report.add("server_memory_bytes", static_cast<double>(after));
  report.add("bytes_per_connection",
             (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(count));
}

}  // namespace

Workload find_workload(const std::string& name) {
  static const std::map<std::string, Workload> kWorkloads = {{"pubsub", pubsub},           {"fanout", fanout},
                                                             {"mailbox", mailbox},         {"request", request},
                                                             {"connections", connections}, {"backlog", backlog}};
  const auto found = kWorkloads.find(name);
  return found == kWorkloads.end() ? nullptr : found->second;
}

}  // namespace folkmoot::bench
