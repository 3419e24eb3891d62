// nats-server: core subjects, and JetStream with a file-backed stream and a durable push consumer with explicit acks.
//
//   PUB subject [reply] bytes\r\ncontent\r\n      MSG subject sid [reply] bytes\r\ncontent\r\n
#include <charconv>
#include <cstring>

#include "session.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::string_view kStream = "BENCH";
constexpr std::string_view kSubject = "bench.queue";
constexpr std::string_view kConsumer = "worker";

std::string publish(std::string_view subject, std::string_view reply, std::string_view content) {
  std::string frame = "PUB ";
  frame += subject;
  if (!reply.empty()) frame.append(" ").append(reply);
  frame += " " + std::to_string(content.size()) + "\r\n";
  frame.append(content).append("\r\n");
  return frame;
}

std::uint64_t json_number(std::string_view json, std::string_view name) {
  const std::string key = "\"" + std::string(name) + "\":";
  const auto at = json.find(key);
  if (at == std::string_view::npos) fail("nats: no " + std::string(name) + " in " + std::string(json));
  std::uint64_t value = 0;
  std::from_chars(json.data() + at + key.size(), json.data() + json.size(), value);
  return value;
}

class NatsSession : public Session {
 public:
  NatsSession(int fd, bool jetstream) : Session(fd), jetstream_(jetstream) {
    await_line("INFO ");
    send(
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"raw\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n");
    await_line("PONG");
    inbox_ = "_INBOX.load" + std::to_string(fd);
  }

  void subscribe(const std::string& topic) override {
    send("SUB " + topic + " 1\r\nPING\r\n");
    await_line("PONG");
  }

  std::string publish_frame(const std::string& topic, const std::string& content) override {
    return publish(topic, "", content);
  }

  Scan scan_messages(std::string_view bytes) override {
    return each_message(bytes, [](std::string_view, std::string_view) {});
  }

  void begin_responding(const std::string& service) override { subscribe(service); }

  void begin_requesting() override {
    send("SUB " + inbox_ + " 2\r\nPING\r\n");
    await_line("PONG");
  }

  std::string request_frame(const std::string& service, const std::string& content) override {
    return publish(service, inbox_, content);
  }

  Scan scan_requests(std::string_view bytes, std::string& out) override {
    return each_message(bytes, [&](std::string_view header, std::string_view content) {
      out += publish(reply_subject(header), "", content);
    });
  }

  Scan scan_replies(std::string_view bytes) override { return scan_messages(bytes); }

  void make_queue() override {
    if (!jetstream_) unsupported("queues");
    call("STREAM.CREATE." + std::string(kStream),
         R"({"name":"BENCH","subjects":["bench.queue"],"retention":"limits","storage":"file","num_replicas":1,)"
         R"("max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msg_size":-1,"discard":"old"})");
  }

  std::string durable_frame(const std::string& content) override {
    if (!confirms_asked_) begin_requesting();
    confirms_asked_ = true;
    return publish(kSubject, inbox_, content);
  }

  Scan scan_confirms(std::string_view bytes) override {
    return each_message(bytes, [](std::string_view, std::string_view answer) {
      if (answer.find("\"seq\":") == std::string_view::npos) fail("jetstream refused: " + std::string(answer));
    });
  }

  void begin_consuming(std::size_t prefetch, std::uint64_t, std::string&) override {
    subscribe("deliver.worker");
    call("CONSUMER.DURABLE.CREATE." + std::string(kStream) + "." + std::string(kConsumer),
         R"({"stream_name":"BENCH","config":{"durable_name":"worker","deliver_subject":"deliver.worker",)"
         R"("deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant","ack_wait":60000000000,)"
         R"("max_ack_pending":)" +
             std::to_string(prefetch) + "}}");
  }

  Scan scan_deliveries(std::string_view bytes, std::string& acks) override {
    return each_message(bytes, [&](std::string_view header, std::string_view) {
      acks.append("PUB ").append(reply_subject(header)).append(" 0\r\n\r\n");
    });
  }

  void make_stream() override { make_queue(); }

  std::string event_frame(const std::string& content) override { return durable_frame(content); }

  void begin_replay(std::uint64_t, std::string&) override {
    subscribe("deliver.reader");
    call("CONSUMER.CREATE." + std::string(kStream),
         R"({"stream_name":"BENCH","config":{"deliver_subject":"deliver.reader","deliver_policy":"all",)"
         R"("ack_policy":"none","replay_policy":"instant"}})");
  }

  Scan scan_replayed(std::string_view bytes, std::string&) override { return scan_messages(bytes); }

  void settle(std::uint64_t delivered) override {
    for (;;) {
      const auto info = call("CONSUMER.INFO." + std::string(kStream) + "." + std::string(kConsumer), "");
      if (json_number(info, "num_ack_pending") == 0 && json_number(info, "num_pending") == 0) break;
    }
    (void)delivered;
  }

  std::uint64_t count_waiting() override {
    return json_number(call("STREAM.INFO." + std::string(kStream), ""), "messages");
  }

  bool read_one() override {
    const auto answer = call("STREAM.MSG.GET." + std::string(kStream), R"({"seq":1})");
    return answer.find("\"data\":") != std::string::npos;
  }

 private:
  void await_line(std::string_view start) {
    for (;;) {
      const auto end = tail.find("\r\n");
      if (end == std::string::npos) {
        fill_tail();
        continue;
      }
      const std::string line = tail.substr(0, end);
      tail.erase(0, end + 2);
      if (line.starts_with("-ERR")) fail("nats: " + line);
      if (line.starts_with(start)) return;
    }
  }

  static std::string_view reply_subject(std::string_view header) {
    // MSG subject sid reply bytes
    const auto bytes_at = header.rfind(' ');
    const auto reply_at = header.rfind(' ', bytes_at - 1);
    return header.substr(reply_at + 1, bytes_at - reply_at - 1);
  }

  template <class Visitor>
  Scan each_message(std::string_view bytes, Visitor&& visit) {
    Scan scan;
    while (scan.used < bytes.size()) {
      const char* start = bytes.data() + scan.used;
      const auto left = bytes.size() - scan.used;
      const auto* newline = static_cast<const char*>(std::memchr(start, '\n', left));
      if (newline == nullptr) break;
      const auto line_bytes = static_cast<std::size_t>(newline - start) + 1;
      if (*start != 'M') {
        on_other_line({start, line_bytes});
        scan.used += line_bytes;
        continue;
      }
      std::size_t content_bytes = 0;
      std::size_t unit = 1;
      for (const char* digit = newline - 2; *digit != ' '; --digit, unit *= 10) {
        content_bytes += static_cast<std::size_t>(*digit - '0') * unit;
      }
      if (left < line_bytes + content_bytes + 2) break;
      visit(std::string_view(start, line_bytes - 2), std::string_view(newline + 1, content_bytes));
      scan.used += line_bytes + content_bytes + 2;
      ++scan.count;
    }
    return scan;
  }

  void on_other_line(std::string_view line) {
    if (line.starts_with("PING")) send("PONG\r\n");
    if (line.starts_with("-ERR")) fail("nats: " + std::string(line));
  }

  /// A request to the JetStream API and its answer.
  std::string call(const std::string& subject, const std::string& body) {
    const std::string reply = inbox_ + ".api";
    if (!api_asked_) send("SUB " + reply + " 9\r\n");
    api_asked_ = true;
    send(publish("$JS.API." + subject, reply, body));
    std::string answer;
    while (answer.empty()) {
      fill_tail();
      const Scan scan = each_message(tail, [&](std::string_view header, std::string_view content) {
        if (header.find(reply) != std::string_view::npos)
          answer = content;
        else
          early_.append(header).append("\r\n").append(content).append("\r\n");
      });
      tail.erase(0, scan.used);
    }
    // Deliveries may have come before the answer that allowed them: they are counted with the next read.
    tail.insert(0, early_);
    early_.clear();
    if (answer.find("\"error\":") != std::string::npos) fail("jetstream: " + answer);
    return answer;
  }

  bool jetstream_;
  bool api_asked_ = false;
  bool confirms_asked_ = false;
  std::string inbox_;
  std::string early_;
};

}  // namespace

std::unique_ptr<Session> open_nats(int fd, bool jetstream) { return std::make_unique<NatsSession>(fd, jetstream); }

}  // namespace folkmoot::bench
