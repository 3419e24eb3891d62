// RabbitMQ through librabbitmq: a quorum queue with publisher confirms, and a consumer with a prefetch that
// acknowledges each delivery. The library has blocking connections only; it writes each publish and each
// acknowledgement by itself.
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <string>

#include "amqp_confirms.hpp"
#include "library.hpp"

namespace folkmoot::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr timeval kWait{60, 0};

amqp_bytes_t bytes_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

void check(int status, const char* what) {
  if (status >= 0) return;
  fail(std::string("rabbitmq: ") + what + ": " + amqp_error_string2(status));
}

void check(const amqp_rpc_reply_t& reply, const char* what) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) check(reply.library_error, what);
  fail(std::string("rabbitmq refused: ") + what);
}

/// A connection with one channel that is in confirm mode.
class Channel {
 public:
  explicit Channel(const Options& options) : state_(amqp_new_connection()) {
    amqp_socket_t* socket = amqp_tcp_socket_new(state());
    if (socket == nullptr) fail("rabbitmq: no memory");
    check(amqp_socket_open(socket, "127.0.0.1", options.port), "connect");
    check(amqp_login(state(), AMQP_DEFAULT_VHOST, AMQP_DEFAULT_MAX_CHANNELS, AMQP_DEFAULT_FRAME_SIZE,
                     AMQP_DEFAULT_HEARTBEAT, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
          "log in");
    amqp_channel_open(state(), kChannel);
    check_call("open a channel");
    amqp_confirm_select(state(), kChannel);
    check_call("confirm");
  }

  amqp_connection_state_t state() const { return state_.get(); }

  /// Whether the call before this one was done.
  void check_call(const char* what) const { check(amqp_get_rpc_reply(state()), what); }

  void publish(std::string_view content) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    check(
        amqp_basic_publish(state(), kChannel, amqp_empty_bytes, bytes_of(kQueue), 0, 0, &properties, bytes_of(content)),
        "publish");
  }

  /// Waits until something is confirmed; how many messages that are. Other frames are passed over.
  std::uint64_t await_confirm() {
    for (;;) {
      amqp_maybe_release_buffers(state());
      amqp_frame_t frame;
      check(amqp_simple_wait_frame_noblock(state(), &frame, &kWait), "wait for a confirm");
      if (frame.frame_type != AMQP_FRAME_METHOD) continue;
      switch (frame.payload.method.id) {
        case AMQP_BASIC_ACK_METHOD: {
          const auto& ack = *static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
          return confirms_.add(ack.delivery_tag, ack.multiple != 0);
        }
        case AMQP_BASIC_NACK_METHOD:
          fail("rabbitmq: a message was refused");
        case AMQP_CHANNEL_CLOSE_METHOD:
        case AMQP_CONNECTION_CLOSE_METHOD:
          fail("rabbitmq closed the channel");
        default:
          break;
      }
    }
  }

 private:
  struct Destroy {
    void operator()(amqp_connection_state_t state) const { amqp_destroy_connection(state); }
  };
  std::unique_ptr<amqp_connection_state_t_, Destroy> state_;
  AmqpConfirms confirms_;
};

class RabbitLibrary : public Library {
 public:
  explicit RabbitLibrary(const Options& options)
      : options_(options), content_(options.content_bytes, 'x'), publisher_(options), consumer_(options) {}

  void make_queue() override {
    amqp_queue_delete(publisher_.state(), kChannel, bytes_of(kQueue), 0, 0);  // what an earlier row left
    publisher_.check_call("delete the queue");
    amqp_table_entry_t type{};
    type.key = bytes_of("x-queue-type");
    type.value.kind = AMQP_FIELD_KIND_UTF8;
    type.value.value.bytes = bytes_of("quorum");
    amqp_queue_declare(publisher_.state(), kChannel, bytes_of(kQueue), 0, 1, 0, 0, {1, &type});
    publisher_.check_call("make the queue");
  }

  std::uint64_t publish_until(std::uint64_t end_ns) override {
    std::uint64_t sent = 0;
    for (std::uint64_t confirmed = 0;;) {
      for (; sent - confirmed < options_.window && now_ns() < end_ns; ++sent) publisher_.publish(content_);
      if (sent == confirmed) return confirmed;
      confirmed += publisher_.await_confirm();
    }
  }

  /// The acknowledgements go through the queue's log in the channel's order: a confirmed publish behind them means they
  /// are in.
  void consume(std::uint64_t expected) override {
    const auto state = consumer_.state();
    amqp_basic_qos(state, kChannel, 0, kPrefetch, 0);
    consumer_.check_call("prefetch");
    amqp_basic_consume(state, kChannel, bytes_of(kQueue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    consumer_.check_call("consume");
    for (; expected != 0; --expected) {
      amqp_maybe_release_buffers(state);
      amqp_envelope_t delivery;
      check(amqp_consume_message(state, &delivery, &kWait, 0), "wait for a message");
      check(amqp_basic_ack(state, kChannel, delivery.delivery_tag, 0), "ack");
      amqp_destroy_envelope(&delivery);
    }
    consumer_.publish("end");
    consumer_.await_confirm();
  }

 private:
  const Options options_;
  const std::string content_;
  Channel publisher_, consumer_;
};

}  // namespace

std::unique_ptr<Library> open_rabbitmq_library(const Options& options) {
  return std::make_unique<RabbitLibrary>(options);
}

}  // namespace folkmoot::bench
