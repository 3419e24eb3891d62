// RabbitMQ: a quorum queue over raw AMQP 0-9-1, publisher confirms, prefetch, one basic.ack a delivery.
//
//   frame = u8 type, u16 channel, u32 bytes, body, 0xCE      method body = u16 class, u16 method, arguments
//   (big-endian)
#include <bit>
#include <cstring>

#include "amqp_confirms.hpp"
#include "session.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::uint8_t kMethod = 1, kHeader = 2, kBody = 3, kHeartbeat = 8;
constexpr std::string_view kQueue = "queue";

constexpr std::uint32_t method(std::uint16_t group, std::uint16_t number) {
  return (std::uint32_t{group} << 16) | number;
}

constexpr auto kStart = method(10, 10), kStartOk = method(10, 11), kTune = method(10, 30), kTuneOk = method(10, 31),
               kOpen = method(10, 40), kOpenOk = method(10, 41), kClose = method(10, 50), kChannelOpen = method(20, 10),
               kChannelOpenOk = method(20, 11), kChannelClose = method(20, 40), kDeclare = method(50, 10),
               kDeclareOk = method(50, 11), kDelete = method(50, 40), kDeleteOk = method(50, 41), kQos = method(60, 10),
               kQosOk = method(60, 11), kConsume = method(60, 20), kConsumeOk = method(60, 21),
               kPublish = method(60, 40), kDeliver = method(60, 60), kGet = method(60, 70), kGetOk = method(60, 71),
               kAck = method(60, 80), kNack = method(60, 120), kConfirm = method(85, 10), kConfirmOk = method(85, 11);

template <class Number>
void put(std::string& out, Number value) {
  if constexpr (sizeof value > 1) value = std::byteswap(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class Number>
Number get(std::string_view bytes, std::size_t at) {
  Number value;
  if (at + sizeof value > bytes.size()) fail("rabbitmq: a frame is too short");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  if constexpr (sizeof value > 1) value = std::byteswap(value);
  return value;
}

void put_short(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint8_t>(text.size()));
  out += text;
}

void put_long(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

std::string frame(std::uint8_t type, std::uint16_t channel, std::string_view body) {
  std::string out;
  put(out, type);
  put(out, channel);
  put_long(out, body);
  out += '\xCE';
  return out;
}

std::string method_frame(std::uint32_t id, std::string_view arguments, std::uint16_t channel = 1) {
  std::string body;
  put(body, id);
  body += arguments;
  return frame(kMethod, channel, body);
}

struct Frame {
  std::uint8_t type = 0;
  std::uint32_t id = 0;        // of a method
  std::string_view arguments;  // of a method
};

class RabbitSession : public Session {
 public:
  explicit RabbitSession(int fd) : Session(fd) {
    using namespace std::string_literals;
    send("AMQP\0\0\x09\x01"s);
    await(kStart);
    std::string start_ok;
    put_long(start_ok, "");
    put_short(start_ok, "PLAIN");
    put_long(start_ok, "\0guest\0guest"s);
    put_short(start_ok, "en_US");
    send(method_frame(kStartOk, start_ok, 0));
    await(kTune);
    std::string tune;
    put(tune, std::uint16_t{16});
    put(tune, std::uint32_t{131'072});
    put(tune, std::uint16_t{0});
    send(method_frame(kTuneOk, tune, 0));
    send(method_frame(kOpen, "\1/\0\0"s, 0));
    await(kOpenOk);
    call(kChannelOpen, "\0"s, kChannelOpenOk);
  }

  void make_queue() override {
    std::string drop;  // what an earlier row left
    put(drop, std::uint16_t{0});
    put_short(drop, kQueue);
    put(drop, std::uint8_t{0});
    call(kDelete, drop, kDeleteOk);
    declare(kQueue, 0x02, "quorum");
  }

  std::string durable_frame(const std::string& content) override {
    if (!confirming_) call(kConfirm, std::string(1, '\0'), kConfirmOk);
    confirming_ = true;
    std::string publish;
    put(publish, std::uint16_t{0});
    put_short(publish, "");
    put_short(publish, kQueue);
    put(publish, std::uint8_t{0});
    std::string header;
    put(header, std::uint16_t{60});
    put(header, std::uint16_t{0});
    put(header, static_cast<std::uint64_t>(content.size()));
    put(header, std::uint16_t{0x1000});  // one property follows: the delivery mode
    put(header, std::uint8_t{2});        // persistent
    return method_frame(kPublish, publish) + frame(kHeader, 1, header) + frame(kBody, 1, content);
  }

  Scan scan_confirms(std::string_view bytes) override {
    Scan scan;
    scan.used = each_frame(bytes, [&](const Frame& frame) {
      if (frame.id == kNack) fail("rabbitmq: a message was refused");
      if (frame.id != kAck) return;
      const auto tag = get<std::uint64_t>(frame.arguments, 0);
      const bool multiple = (get<std::uint8_t>(frame.arguments, 8) & 1) != 0;
      scan.count += confirms_.add(tag, multiple);
    });
    return scan;
  }

  void begin_consuming(std::size_t prefetch, std::uint64_t, std::string&) override {
    std::string qos;
    put(qos, std::uint32_t{0});
    put(qos, static_cast<std::uint16_t>(prefetch));
    put(qos, std::uint8_t{0});
    call(kQos, qos, kQosOk);
    consume(kQueue);
  }

  /// A delivery is counted with its content frame.
  Scan scan_deliveries(std::string_view bytes, std::string& acks) override {
    Scan scan;
    scan.used = each_frame(bytes, [&](const Frame& frame) {
      if (frame.id == kDeliver) {
        delivery_tag_ = get<std::uint64_t>(frame.arguments, 1 + get<std::uint8_t>(frame.arguments, 0));
      } else if (frame.type == kBody) {
        std::string ack;
        put(ack, delivery_tag_);
        put(ack, std::uint8_t{0});
        acks += method_frame(kAck, ack);
        ++scan.count;
      }
    });
    return scan;
  }

  /// The acks go through the queue's log in the channel's order: a confirmed publish behind them means they are in.
  void settle(std::uint64_t) override {
    send(durable_frame("end"));
    await(kAck);
  }

  void wait_idle(const std::string& name) override {
    declare(name, 0x04, "classic");  // exclusive
    consume(name);
  }

  std::uint64_t count_waiting() override {
    const auto answer = declare(kQueue, 0x01, "");  // passive
    const std::string_view view = answer;
    return get<std::uint32_t>(view, 1 + get<std::uint8_t>(view, 0));
  }

  bool read_one() override {
    std::string arguments;
    put(arguments, std::uint16_t{0});
    put_short(arguments, kQueue);
    put(arguments, std::uint8_t{0});
    call(kGet, arguments, kGetOk);
    return true;
  }

 private:
  template <class Visitor>
  std::size_t each_frame(std::string_view bytes, Visitor&& visit) {
    std::size_t used = 0;
    while (bytes.size() - used >= 8) {
      const auto body_bytes = get<std::uint32_t>(bytes, used + 3);
      if (bytes.size() - used < body_bytes + 8) break;
      Frame frame{get<std::uint8_t>(bytes, used), 0, {}};
      if (frame.type == kMethod) {
        frame.id = get<std::uint32_t>(bytes, used + 7);
        frame.arguments = bytes.substr(used + 11, body_bytes - 4);
        if (frame.id == kClose || frame.id == kChannelClose) {
          fail("rabbitmq closed: " + std::string(frame.arguments.substr(3, get<std::uint8_t>(frame.arguments, 2))));
        }
      }
      if (frame.type == kHeartbeat) send(bench::frame(kHeartbeat, 0, ""));
      visit(frame);
      used += body_bytes + 8;
    }
    return used;
  }

  /// Waits for one method and returns its arguments; deliveries that arrive before it are not expected.
  std::string await(std::uint32_t id) {
    std::string arguments;
    bool seen = false;
    for (;;) {
      tail.erase(0, each_frame(tail, [&](const Frame& frame) {
                   if (frame.id != id) return;
                   arguments = frame.arguments;
                   seen = true;
                 }));
      if (seen) return arguments;
      fill_tail();
    }
  }

  std::string call(std::uint32_t id, std::string_view arguments, std::uint32_t answer) {
    send(method_frame(id, arguments));
    return await(answer);
  }

  std::string declare(std::string_view name, std::uint8_t flags, std::string_view type) {
    std::string table;
    if (!type.empty()) {
      put_short(table, "x-queue-type");
      table += 'S';
      put_long(table, type);
    }
    std::string arguments;
    put(arguments, std::uint16_t{0});
    put_short(arguments, name);
    put(arguments, flags);
    put_long(arguments, table);
    return call(kDeclare, arguments, kDeclareOk);
  }

  void consume(std::string_view queue) {
    std::string arguments;
    put(arguments, std::uint16_t{0});
    put_short(arguments, queue);
    put_short(arguments, "");
    put(arguments, std::uint8_t{0});
    put_long(arguments, "");
    send(method_frame(kConsume, arguments));
    if (queue != kQueue) await(kConsumeOk);  // of the real queue, deliveries come with it and are scanned as they come
  }

  bool confirming_ = false;
  AmqpConfirms confirms_;
  std::uint64_t delivery_tag_ = 0;
};

}  // namespace

std::unique_ptr<Session> open_rabbitmq(int fd) { return std::make_unique<RabbitSession>(fd); }

}  // namespace folkmoot::bench
