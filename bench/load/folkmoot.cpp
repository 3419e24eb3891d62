// folkmoot over its native protocol (docs/protocol.md): topics, REQUEST, durable mailboxes with one ACK frame a lease;
// and its HTTP door, for POST /api/messages alone.
//
//   frame = u32 length | u8 opcode | u8 flags | u16 0 | u32 request | body      (little-endian)
#include <algorithm>
#include <charconv>
#include <cstring>

#include "session.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::uint8_t kHello = 0x01, kPublish = 0x02, kSubscribe = 0x04, kConsume = 0x05, kCredit = 0x06,
                       kReceive = 0x08, kAck = 0x09, kRequest = 0x0C, kStats = 0x0F, kMailbox = 0x11, kCall = 0x14,
                       kWelcome = 0x81, kConfirm = 0x82, kOk = 0x83, kError = 0x84, kDeliver = 0x85, kSettled = 0x86,
                       kGoodbye = 0x87, kLagged = 0x88;
constexpr std::uint8_t kQuiet = 1;
constexpr std::size_t kHeaderBytes = 12;
constexpr std::uint32_t kConsumer = 7;       // the request number of the one consumer or subscription
constexpr std::uint32_t kCreditBatch = 256;  // requests answered before their credit is returned, in one frame
constexpr std::string_view kQueue = "queue";
constexpr std::uint64_t kPageEvents = 10'000;  // of a stream

template <class Number>
void put(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class Number>
Number get(const char* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// MessagePack, as little as is needed: a map with few small keys, unsigned numbers, strings up to 255 bytes.
std::string map_of(std::size_t pairs) { return std::string(1, static_cast<char>(0x80 + pairs)); }

void put_text(std::string& out, std::uint8_t key, std::string_view text) {
  put(out, key);
  put(out, std::uint8_t{0xD9});
  put(out, static_cast<std::uint8_t>(text.size()));
  out += text;
}

void put_number(std::string& out, std::uint8_t key, std::uint32_t value) {
  put(out, key);
  put(out, std::uint8_t{0xCE});
  put(out, __builtin_bswap32(value));
}

std::string frame(std::uint8_t opcode, std::uint8_t flags, std::uint32_t request, std::string_view body) {
  std::string out;
  put(out, static_cast<std::uint32_t>(8 + body.size()));
  put(out, opcode);
  put(out, flags);
  put(out, std::uint16_t{0});
  put(out, request);
  return out += body;
}

struct Frame {
  std::uint8_t opcode = 0;
  std::uint8_t flags = 0;
  std::uint32_t request = 0;
  std::string_view body;
};

/// The value of key 10 (reply_to) of a delivered envelope, found without decoding the rest: the key's byte, then a
/// string that begins with '@'. Every other string here is ours and has no '@'.
std::string_view reply_address(std::string_view body) {
  for (auto at = body.find('@'); at != std::string_view::npos; at = body.find('@', at + 1)) {
    if (at >= 2 && body[at - 2] == 10 && (body[at - 1] & 0xE0) == 0xA0) return body.substr(at, body[at - 1] & 0x1F);
    if (at >= 3 && body[at - 3] == 10 && static_cast<std::uint8_t>(body[at - 2]) == 0xD9) {
      return body.substr(at, static_cast<std::uint8_t>(body[at - 1]));
    }
  }
  fail("folkmoot: a request came without reply_to");
}

class FolkmootSession : public Session {
 public:
  FolkmootSession(int fd, const std::string& agent, std::size_t content_bytes)
      : Session(fd), content_bytes_(content_bytes) {
    std::string hello = map_of(2);
    put_number(hello, 0, 1);
    put_text(hello, 1, agent);
    call(kHello, hello, kWelcome);
  }

  void subscribe(const std::string& topic) override {
    std::string body = map_of(2);
    put_text(body, 0, topic);
    put_number(body, 1, 0);
    call(kSubscribe, body, kOk);
  }

  std::string publish_frame(const std::string& topic, const std::string& content) override {
    std::string body = map_of(1);
    put_text(body, 4, topic);
    return frame(kPublish, kQuiet, 0, body + content);
  }

  Scan scan_messages(std::string_view bytes) override {
    return each_frame(bytes, [](const Frame& frame) -> std::uint64_t { return frame.opcode == kDeliver ? 1 : 0; });
  }

  void begin_responding(const std::string& service) override { consume(service, 65'535); }

  std::string request_frame(const std::string& service, const std::string& content) override {
    std::string body;
    put(body, std::uint32_t{60'000});
    body += map_of(1);
    put_text(body, 3, service);
    return frame(kRequest, 0, 1, body + content);
  }

  Scan scan_requests(std::string_view bytes, std::string& out) override {
    return each_frame(bytes, [&](const Frame& request) -> std::uint64_t {
      if (request.opcode != kDeliver) return 0;
      const auto to = reply_address(request.body);
      std::string body = map_of(3);
      put_text(body, 3, to);
      put_number(body, 5, 3);   // type: response
      put_number(body, 14, 0);  // mode: at_most_once
      const auto content = request.body.substr(request.body.size() - std::min(content_bytes_, request.body.size()));
      out += frame(kPublish, kQuiet, 0, body.append(content));
      if (++credit_owed_ == kCreditBatch) {
        std::string credit;
        put(credit, kConsumer);
        put(credit, credit_owed_);
        out += frame(kCredit, 0, 0, credit);
        credit_owed_ = 0;
      }
      return 1;
    });
  }

  Scan scan_replies(std::string_view bytes) override { return scan_messages(bytes); }

  void make_queue() override {
    std::string body = map_of(2);
    put_text(body, 0, kQueue);
    put_number(body, 1, 100'000'000);
    call(kMailbox, body, kOk);
  }

  std::string durable_frame(const std::string& content) override { return folkmoot_durable_frame(content); }

  Scan scan_confirms(std::string_view bytes) override {
    return each_frame(bytes, [](const Frame& frame) -> std::uint64_t { return frame.opcode == kConfirm ? 1 : 0; });
  }

  void make_stream() override { call(kCall, call_of("stream.set", R"({"name":"events","topic":"events"})"), kOk); }

  std::string event_frame(const std::string& content) override {
    std::string body = map_of(2);
    put_text(body, 4, "events");
    put_number(body, 14, 1);  // mode: at_least_once, confirmed when it is on disk
    return frame(kPublish, 0, 0, body.append(content));
  }

  /// Three pages are asked for ahead, as a reader does that is given them one after the other by others.
  void begin_replay(std::uint64_t expected, std::string& out) override {
    expected_ = expected;
    for (int i = 0; i < 3; ++i) out += read_events();
  }

  Scan scan_replayed(std::string_view bytes, std::string& more) override {
    return each_frame(bytes, [&](const Frame& page) -> std::uint64_t {
      if (page.opcode != kOk) return 0;
      const auto count = get<std::uint32_t>(page.body.data() + 24);
      const bool is_last = get<std::uint64_t>(page.body.data()) == get<std::uint64_t>(page.body.data() + 16);
      if (count != kPageEvents && !is_last) fail("folkmoot: a page of a stream is not whole");
      if (asked_ <= expected_) more += read_events();
      return count;
    });
  }

  void begin_consuming(std::size_t prefetch, std::uint64_t, std::string& out) override {
    out += consume_frame(kQueue, static_cast<std::uint32_t>(prefetch));
  }

  /// Counts settled messages, not deliveries: what is counted is acknowledged on disk.
  Scan scan_deliveries(std::string_view bytes, std::string& acks) override {
    return each_frame(bytes, [&](const Frame& delivery) -> std::uint64_t {
      if (delivery.opcode == kDeliver) acks += frame(kAck, 0, 0, delivery.body.substr(0, 8));
      if (delivery.opcode != kSettled) return 0;
      if (get<std::uint32_t>(delivery.body.data() + 4) != 0) fail("folkmoot: an ack was refused");
      return get<std::uint32_t>(delivery.body.data());
    });
  }

  void wait_idle(const std::string& name) override { consume(name, 32); }

  std::uint64_t count_waiting() override {
    std::string body = map_of(1);
    put_text(body, 0, kQueue);
    const std::string stats = call(kStats, body, kOk);
    const auto mailboxes = stats.find("\"mailboxes\"");
    const std::string_view key = "\"ready\":";
    const auto at = stats.find(key, mailboxes == std::string::npos ? 0 : mailboxes);
    if (at == std::string::npos) return 0;  // no such mailbox (yet)
    std::uint64_t ready = 0;
    std::from_chars(stats.data() + at + key.size(), stats.data() + stats.size(), ready);
    return ready;
  }

  bool read_one() override {
    std::string body = map_of(2);
    put_text(body, 0, kQueue);
    put_number(body, 1, 1);
    send(frame(kReceive, 0, 2, body));
    return await(2, kOk).seen_deliveries == 1;
  }

 private:
  struct Answer {
    std::string body;
    std::uint64_t seen_deliveries = 0;
  };

  template <class Visitor>
  Scan each_frame(std::string_view bytes, Visitor&& visit) {
    Scan scan;
    while (bytes.size() - scan.used >= kHeaderBytes) {
      const char* start = bytes.data() + scan.used;
      const std::size_t frame_bytes = 4 + std::size_t{get<std::uint32_t>(start)};
      if (frame_bytes < kHeaderBytes) fail("folkmoot: a frame is too short");
      if (bytes.size() - scan.used < frame_bytes) break;
      const Frame frame{get<std::uint8_t>(start + 4),
                        get<std::uint8_t>(start + 5),
                        get<std::uint32_t>(start + 8),
                        {start + kHeaderBytes, frame_bytes - kHeaderBytes}};
      if (frame.opcode == kError || frame.opcode == kGoodbye) {
        fail("folkmoot: " + std::string(frame.body.substr(std::min<std::size_t>(2, frame.body.size()))));
      }
      if (frame.opcode == kLagged) fail("folkmoot: events were skipped");
      scan.count += visit(frame);
      scan.used += frame_bytes;
    }
    return scan;
  }

  Answer await(std::uint32_t request, std::uint8_t opcode) {
    Answer answer;
    for (bool seen = false;;) {
      const Scan scan = each_frame(tail, [&](const Frame& frame) -> std::uint64_t {
        if (frame.opcode == kDeliver && frame.request == request) ++answer.seen_deliveries;
        if (frame.opcode != opcode || seen) return 0;
        seen = true;
        answer.body = frame.body;
        return 0;
      });
      tail.erase(0, scan.used);
      if (seen) return answer;
      fill_tail();
    }
  }

  std::string call(std::uint8_t opcode, std::string_view body, std::uint8_t answer) {
    send(frame(opcode, 0, kConsumer, body));
    return await(kConsumer, answer).body;
  }

  static std::string consume_frame(std::string_view mailbox, std::uint32_t credit) {
    std::string body = map_of(2);
    put_text(body, 0, mailbox);
    put_number(body, 1, credit);
    return frame(kConsume, 0, kConsumer, body);
  }

  static std::string call_of(std::string_view name, std::string_view arguments) {
    std::string body = map_of(2);
    put_text(body, 0, name);
    put_text(body, 1, arguments);
    return body;
  }

  std::string read_events() {
    const auto arguments = R"({"name":"events","limit":10000,"bytes":4194304,"from":)" + std::to_string(asked_) + "}";
    asked_ += kPageEvents;
    auto body = call_of("stream.read", arguments);
    body[0] = static_cast<char>(0x83);
    body += "\x02\xC3";  // packed: true
    return frame(kCall, 0, kConsumer + static_cast<std::uint32_t>(asked_ / kPageEvents), body);
  }

  void consume(std::string_view mailbox, std::uint32_t credit) {
    send(consume_frame(mailbox, credit));
    await(kConsumer, kOk);
  }

  std::size_t content_bytes_;
  std::uint32_t credit_owed_ = 0;
  std::uint64_t asked_ = 1, expected_ = 0;  // of a stream
};

}  // namespace

std::string folkmoot_durable_frame(std::string_view content) {
  std::string body = map_of(1);
  put_text(body, 3, kQueue);
  return frame(kPublish, 0, 0, body.append(content));
}

std::unique_ptr<Session> open_folkmoot(int fd, const std::string& agent, std::size_t content_bytes) {
  return std::make_unique<FolkmootSession>(fd, agent, content_bytes);
}

}  // namespace folkmoot::bench
