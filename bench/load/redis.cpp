// redis-server: PUBLISH/SUBSCRIBE for topics, a pair of lists (LPUSH, BRPOP) for requests, a stream with a consumer
// group (XADD, XREADGROUP COUNT 500, one XACK an entry) for durable queues. Publishers switch replies off, as NATS
// publishers and folkmoot's transient ones get none either.
#include <charconv>
#include <cstring>
#include <initializer_list>

#include "session.hpp"

namespace folkmoot::bench {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::uint64_t kReadCount = 500;

std::string command(std::initializer_list<std::string_view> words) {
  std::string frame = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto word : words)
    frame.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  return frame;
}

/// The number after a type byte, up to \r\n; `after` is where the line ends. False when the line is not whole yet.
bool read_line_number(std::string_view bytes, std::size_t at, long& number, std::size_t& after) {
  const auto* newline = static_cast<const char*>(std::memchr(bytes.data() + at, '\n', bytes.size() - at));
  if (newline == nullptr) return false;
  std::from_chars(bytes.data() + at + 1, newline, number);
  after = static_cast<std::size_t>(newline - bytes.data()) + 1;
  return true;
}

/// Where the value that begins at `at` ends, npos when it is not whole yet.
std::size_t value_end(std::string_view bytes, std::size_t at) {
  long number = 0;
  std::size_t after = 0;
  if (at >= bytes.size() || !read_line_number(bytes, at, number, after)) return npos;
  switch (bytes[at]) {
    case '$': {
      if (number < 0) return after;
      const auto end = after + static_cast<std::size_t>(number) + 2;
      return end <= bytes.size() ? end : npos;
    }
    case '*': {
      for (long i = 0; i < number; ++i) {
        if (after = value_end(bytes, after); after == npos) return npos;
      }
      return after;
    }
    case '-':
      fail("redis: " + std::string(bytes.substr(at, after - at - 2)));
    default:
      return after;
  }
}

class RedisSession : public Session {
 public:
  explicit RedisSession(int fd) : Session(fd) {
    if (call({"PING"}) != "+PONG\r\n") fail("redis: no answer to PING");
  }

  void subscribe(const std::string& topic) override {
    call({"SUBSCRIBE", topic});
    message_start_ = "*3\r\n$7\r\nmessage\r\n$" + std::to_string(topic.size()) + "\r\n" + topic + "\r\n$";
  }

  void begin_publishing() override { send(command({"CLIENT", "REPLY", "OFF"})); }

  std::string publish_frame(const std::string& topic, const std::string& content) override {
    return command({"PUBLISH", topic, content});
  }

  Scan scan_messages(std::string_view bytes) override {
    Scan scan;
    for (;;) {
      const auto left = bytes.substr(scan.used);
      const auto start = message_start_.size();
      if (left.size() <= start) break;
      if (std::memcmp(left.data(), message_start_.data(), start) != 0) fail("redis: not a message of this topic");
      long content_bytes = 0;
      std::size_t after = 0;
      if (!read_line_number(left, start - 1, content_bytes, after)) break;
      after += static_cast<std::size_t>(content_bytes) + 2;
      if (after > left.size()) break;
      scan.used += after;
      ++scan.count;
    }
    return scan;
  }

  void begin_responding(const std::string& service) override {
    next_request_ = command({"BRPOP", service, "0"});
    send(next_request_);
  }

  std::string request_frame(const std::string& service, const std::string& content) override {
    return command({"LPUSH", service, content}) + command({"BRPOP", "answers", "0"});
  }

  Scan scan_requests(std::string_view bytes, std::string& out) override {
    return each_pop(bytes,
                    [&](std::string_view content) { out += command({"LPUSH", "answers", content}) + next_request_; });
  }

  Scan scan_replies(std::string_view bytes) override {
    return each_pop(bytes, [](std::string_view) {});
  }

  void make_queue() override { call({"XGROUP", "CREATE", "queue", "group", "0", "MKSTREAM"}); }

  std::string durable_frame(const std::string& content) override {
    return command({"XADD", "queue", "*", "d", content});
  }

  void make_stream() override {}

  std::string event_frame(const std::string& content) override {
    return command({"XADD", "stream", "*", "d", content});
  }

  void begin_replay(std::uint64_t, std::string& out) override { out += read_from("-"); }

  /// An answer is looked at when it is whole; its last entry's ID is where the next one begins.
  Scan scan_replayed(std::string_view bytes, std::string& more) override {
    Scan scan;
    const auto end = value_end(bytes, 0);
    if (end == npos) return scan;
    long entries = 0;
    std::size_t after = 0;
    if (!read_line_number(bytes, 0, entries, after)) return scan;
    constexpr std::string_view kFields = "\r\n*2\r\n$1\r\nd\r\n";
    const auto fields = bytes.substr(0, end).rfind(kFields);
    if (entries > 0 && fields != npos) {
      const auto id = bytes.rfind('\n', fields - 1) + 1;
      more += read_from("(" + std::string(bytes.substr(id, fields - id)));
    }
    scan.used = end;
    scan.count = static_cast<std::uint64_t>(entries);
    return scan;
  }

  Scan scan_confirms(std::string_view bytes) override {
    Scan scan;
    for (std::size_t end = 0; (end = value_end(bytes, scan.used)) != npos; scan.used = end) ++scan.count;
    return scan;
  }

  void begin_consuming(std::size_t, std::uint64_t expected, std::string& out) override {
    to_read_ = expected;
    out += read_group_;
  }

  /// Counts the answers to XACK. An answer to XREADGROUP is walked entry by entry, as it comes in.
  Scan scan_deliveries(std::string_view bytes, std::string& acks) override {
    Scan scan;
    while (scan.used < bytes.size()) {
      if (entries_left_ == 0) {
        long number = 0;
        std::size_t after = 0;
        if (!read_line_number(bytes, scan.used, number, after)) break;
        if (bytes[scan.used] == ':') {
          scan.used = after;
          ++scan.count;
          continue;
        }
        // *1 [ *2 [ $5 queue, *count [ entry ... ] ] ]
        if (number != 1) fail("redis: the stream ran dry");
        if (!read_line_number(bytes, after, number, after)) break;
        if (after = value_end(bytes, after); after == npos) break;
        if (after >= bytes.size() || !read_line_number(bytes, after, number, after)) break;
        entries_left_ = static_cast<std::uint64_t>(number);
        scan.used = after;
        continue;
      }
      // *2 [ $15 id, *2 [ $1 d, $128 content ] ]
      long two = 0;
      std::size_t id_at = 0;
      if (!read_line_number(bytes, scan.used, two, id_at)) break;
      const auto id_end = value_end(bytes, id_at);
      const auto end = id_end == npos ? npos : value_end(bytes, id_end);
      if (end == npos) break;
      acks.append(ack_start_).append(bytes.substr(id_at, id_end - id_at));
      scan.used = end;
      --to_read_;
      if (--entries_left_ == 0 && to_read_ != 0) acks += read_group_;
    }
    return scan;
  }

  std::uint64_t count_waiting() override {
    const auto answer = call({"XLEN", "queue"});
    return std::stoull(answer.substr(1));
  }

  bool read_one() override { return call({"XRANGE", "queue", "-", "+", "COUNT", "1"}).starts_with("*1"); }

 private:
  static std::string read_from(const std::string& id) {
    return command({"XRANGE", "stream", id, "+", "COUNT", std::to_string(kReadCount)});
  }

  std::string call(std::initializer_list<std::string_view> words) {
    send(command(words));
    std::size_t end = 0;
    while ((end = value_end(tail, 0)) == npos) fill_tail();
    std::string answer = tail.substr(0, end);
    tail.erase(0, end);
    return answer;
  }

  /// Visits the values that BRPOP brought; the counts that LPUSH answers are passed over.
  template <class Visitor>
  Scan each_pop(std::string_view bytes, Visitor&& visit) {
    Scan scan;
    for (std::size_t end = 0; (end = value_end(bytes, scan.used)) != npos; scan.used = end) {
      if (bytes[scan.used] != '*') continue;
      std::size_t at = 0;
      long number = 0;
      read_line_number(bytes, scan.used, number, at);  // *2
      at = value_end(bytes, at);                       // the list's name
      read_line_number(bytes, at, number, at);
      visit(bytes.substr(at, static_cast<std::size_t>(number)));
      ++scan.count;
    }
    return scan;
  }

  const std::string read_group_ =
      command({"XREADGROUP", "GROUP", "group", "reader", "COUNT", std::to_string(kReadCount), "STREAMS", "queue", ">"});
  const std::string ack_start_ = "*4\r\n$4\r\nXACK\r\n$5\r\nqueue\r\n$5\r\ngroup\r\n";
  std::string message_start_;
  std::string next_request_;
  std::uint64_t to_read_ = 0;
  std::uint64_t entries_left_ = 0;
};

}  // namespace

std::unique_ptr<Session> open_redis(int fd) { return std::make_unique<RedisSession>(fd); }

}  // namespace folkmoot::bench
