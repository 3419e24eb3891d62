// Durable queues and streams: publish with confirms, consume with one acknowledgement a message, fill, and wait for a
// restart.
//
// The publisher keeps up to a window of unconfirmed messages in flight: it writes what the window allows in one write,
// then reads confirms. The consumer acknowledges each message by a frame of its own; the frames for what one read
// brought are written together. Both are the same for every peer.
#include <algorithm>
#include <chrono>
#include <thread>

#include "session.hpp"
#include "workloads.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::size_t kPrefetch = 1'000;

struct Published {
  std::uint64_t messages = 0;  // confirmed in all
  std::uint64_t measured = 0;  // confirmed in the measured part
  double seconds = 0;
  double cpu_seconds = 0;
  Histogram latencies;  // with one in flight
};

/// Publishes `options.messages`, or for the warm-up and then `options.seconds`.
Published publish(const Options& options, Session& session, const ServerMeter& server, const std::string& frame) {
  std::string frames;
  for (std::size_t i = 0; i < options.window; ++i) frames += frame;

  Published result;
  Receiver receiver;
  std::uint64_t sent = 0;
  std::uint64_t warm = 0;
  double cpu_before = server.cpu_seconds();
  auto started = now_ns();
  const bool by_count = options.messages != 0;
  const auto warm_at = started + static_cast<std::uint64_t>(options.warm_up_seconds * 1e9);
  const auto stop_at = warm_at + static_cast<std::uint64_t>(options.seconds * 1e9);
  bool warming = !by_count;
  bool stopping = false;
  while (!stopping || result.messages < sent) {
    std::uint64_t room = options.window - (sent - result.messages);
    if (by_count) room = std::min(room, options.messages - sent);
    const auto wrote_at = now_ns();
    if (!stopping && room != 0) {
      write_all(session.fd(), std::string_view(frames).substr(0, room * frame.size()));
      sent += room;
    }
    if (by_count && sent == options.messages) stopping = true;
    const auto confirmed = result.messages;
    if (!receiver.receive(session, result.messages,
                          [&](std::string_view bytes) { return session.scan_confirms(bytes); })) {
      fail("the server closed the publisher's connection");
    }
    const auto now = now_ns();
    if (options.window == 1 && !warming && result.messages != confirmed) result.latencies.add(now - wrote_at);
    if (warming && now >= warm_at) {
      warming = false;
      warm = result.messages;
      started = now;
      cpu_before = server.cpu_seconds();
    }
    if (!by_count && now >= stop_at) stopping = true;
  }
  result.measured = result.messages - warm;
  result.seconds = static_cast<double>(now_ns() - started) / 1e9;
  result.cpu_seconds = server.cpu_seconds() - cpu_before;
  return result;
}

void add_published(Report& report, const Published& published) {
  report.add("rate", static_cast<double>(published.measured) / published.seconds);
  report.add("cpu_s_per_m", published.cpu_seconds / static_cast<double>(published.measured) * 1e6);
  report.add("messages", published.messages);
}

}  // namespace

Report run_durable(const Options& options) {
  const ServerMeter server(options.server_pid);
  const auto publisher = open_session(options, "publisher");
  publisher->make_queue();
  const Published published =
      publish(options, *publisher, server, publisher->durable_frame(std::string(options.content_bytes, 'x')));
  Report report;
  add_published(report, published);
  if (options.window == 1) {
    report.add(published.latencies);
    return report;  // what is read back is the same whatever the window was
  }

  const auto consumer = open_session(options, "consumer");
  Receiver receiver;
  std::string acks;
  std::uint64_t settled = 0;
  const double cpu_before = server.cpu_seconds();
  const auto started = now_ns();
  consumer->begin_consuming(kPrefetch, published.messages, acks);
  if (!acks.empty()) write_all(consumer->fd(), acks);
  acks.clear();
  while (settled < published.messages) {
    if (!receiver.receive(*consumer, settled,
                          [&](std::string_view bytes) { return consumer->scan_deliveries(bytes, acks); })) {
      fail("the server closed the consumer's connection");
    }
    if (acks.empty()) continue;
    write_all(consumer->fd(), acks);
    acks.clear();
  }
  consumer->settle(settled);
  const double seconds = static_cast<double>(now_ns() - started) / 1e9;
  const double cpu = server.cpu_seconds() - cpu_before;
  report.add("consume_rate", static_cast<double>(settled) / seconds);
  report.add("consume_cpu_s_per_m", cpu / static_cast<double>(settled) * 1e6);
  return report;
}

Report run_stream(const Options& options) {
  const ServerMeter server(options.server_pid);
  const auto publisher = open_session(options, "publisher");
  publisher->make_stream();
  const Published published =
      publish(options, *publisher, server, publisher->event_frame(std::string(options.content_bytes, 'x')));
  Report report;
  add_published(report, published);

  const auto reader = open_session(options, "reader");
  Receiver receiver;
  std::string more;
  std::uint64_t read = 0;
  const double cpu_before = server.cpu_seconds();
  const auto started = now_ns();
  reader->begin_replay(published.messages, more);
  if (!more.empty()) write_all(reader->fd(), more);
  more.clear();
  while (read < published.messages) {
    if (!receiver.receive(*reader, read, [&](std::string_view bytes) { return reader->scan_replayed(bytes, more); }))
      fail("the server closed the reader's connection");
    if (more.empty()) continue;
    write_all(reader->fd(), more);
    more.clear();
  }
  const double seconds = static_cast<double>(now_ns() - started) / 1e9;
  report.add("consume_rate", static_cast<double>(read) / seconds);
  report.add("consume_cpu_s_per_m", (server.cpu_seconds() - cpu_before) / static_cast<double>(read) * 1e6);
  return report;
}

Report run_fill(const Options& options) {
  if (options.messages == 0) fail("fill needs --messages");
  const ServerMeter server(options.server_pid);
  const auto rss_before = server.rss_bytes();
  const auto session = open_session(options, "publisher");
  session->make_queue();
  const Published published =
      publish(options, *session, server, session->durable_frame(std::string(options.content_bytes, 'x')));
  std::this_thread::sleep_for(std::chrono::seconds(1));  // for what the server does behind the last confirm
  Report report;
  add_published(report, published);
  report.add("rss_empty_mib", static_cast<double>(rss_before) / (1 << 20));
  report.add("rss_mib", static_cast<double>(server.rss_bytes()) / (1 << 20));
  return report;
}

Report run_ready(const Options& options) {
  if (options.messages == 0) fail("ready needs --messages");
  const auto give_up = now_ns() + static_cast<std::uint64_t>(std::max(options.seconds, 120.0) * 1e9);
  std::string last = "it never answered";
  for (; now_ns() < give_up; std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
    try {
      const auto session = open_session(options, "prober");
      while (now_ns() < give_up) {
        const auto waiting = session->count_waiting();
        if (waiting >= options.messages && session->read_one()) {
          Report report;
          report.add("ready_at_ns", now_ns());
          report.add("waiting", waiting);
          return report;
        }
        last = "it shows " + std::to_string(waiting) + " messages";
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    } catch (const Failure& failure) {
      last = failure.what();  // not up yet
    }
  }
  fail("the server did not come back: " + last);
}

}  // namespace folkmoot::bench
