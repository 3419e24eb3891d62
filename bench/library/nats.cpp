// nats-server through libnats (cnats): core subjects with the library's own threads for writing, reading and delivery;
// JetStream with asynchronous publishes and a durable push consumer whose messages are acknowledged by hand.
#include <nats/nats.h>

#include <chrono>
#include <semaphore>
#include <string>

#include "library.hpp"

namespace folkmoot::bench {
namespace {

constexpr const char* kStream = "BENCH";
constexpr const char* kSubject = "bench.queue";
constexpr const char* kConsumer = "worker";
constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(2);

void check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  fail(std::string("nats: ") + what + ": " + natsStatus_GetText(status));
}

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
template <class T, void (*destroy)(T*)>
using Handle = std::unique_ptr<T, Destroy<T, destroy>>;
using Connection = Handle<natsConnection, natsConnection_Destroy>;
using Subscription = Handle<natsSubscription, natsSubscription_Destroy>;
using Message = Handle<natsMsg, natsMsg_Destroy>;

/// `at_once` writes each message when it is published, for those whose answer is waited for; otherwise a thread of the
/// library's writes what has gathered.
Connection connect(const Options& options, bool at_once) {
  natsOptions* made = nullptr;
  check(natsOptions_Create(&made), "options");
  const Handle<natsOptions, natsOptions_Destroy> settings(made);
  const std::string url = "nats://127.0.0.1:" + std::to_string(options.port);
  check(natsOptions_SetURL(settings.get(), url.c_str()), "address");
  check(natsOptions_SetSendAsap(settings.get(), at_once), "options");
  natsConnection* connection = nullptr;
  check(natsConnection_Connect(&connection, settings.get()), "connect");
  return Connection(connection);
}

class NatsLibrary : public Library {
 public:
  explicit NatsLibrary(const Options& options) : options_(options), content_(options.content_bytes, 'x') {}

  void subscribe(Window& window) override {
    receiving_ = connect(options_, false);
    subscribe(kTopic, on_message, &window);
  }

  void publish(Window& window) override {
    sending_ = connect(options_, false);
    while (const auto count = window.take()) {
      for (std::uint64_t i = 0; i < count; ++i) {
        check(natsConnection_Publish(sending_.get(), kTopic, content_.data(), content_bytes()), "publish");
      }
    }
  }

  void respond() override {
    receiving_ = connect(options_, true);
    subscribe(kService, on_request, nullptr);
    sending_ = connect(options_, true);
  }

  void request() override {
    natsMsg* answer = nullptr;
    check(
        natsConnection_Request(&answer, sending_.get(), kService, content_.data(), content_bytes(), kPatience.count()),
        "request");
    natsMsg_Destroy(answer);
  }

  void make_queue() override {
    if (options_.peer != "jetstream") return Library::make_queue();
    sending_ = connect(options_, false);
    jsOptions settings;
    check(jsOptions_Init(&settings), "options");
    settings.PublishAsync.MaxPending = static_cast<std::int64_t>(options_.window);
    settings.PublishAsync.StallWait = kPatience.count();
    settings.PublishAsync.ErrHandler = on_refused;
    sending_stream_ = stream_of(sending_, &settings);

    jsStreamConfig stream;
    check(jsStreamConfig_Init(&stream), "options");
    const char* subject = kSubject;
    stream.Name = kStream;
    stream.Subjects = &subject;
    stream.SubjectsLen = 1;
    stream.Retention = js_LimitsPolicy;
    stream.Storage = js_FileStorage;
    check(js_AddStream(nullptr, sending_stream_.get(), &stream, nullptr, nullptr), "make the stream");
  }

  /// The library itself waits while a window of messages is unconfirmed.
  std::uint64_t publish_until(std::uint64_t end_ns) override {
    std::uint64_t count = 0;
    for (; now_ns() < end_ns; ++count) {
      check(js_PublishAsync(sending_stream_.get(), kSubject, content_.data(), content_bytes(), nullptr), "publish");
    }
    jsPubOptions patience;
    check(jsPubOptions_Init(&patience), "options");
    patience.MaxWait = kPatience.count();
    check(js_PublishAsyncComplete(sending_stream_.get(), &patience), "confirms");
    return count;
  }

  void consume(std::uint64_t expected) override {
    receiving_ = connect(options_, false);
    receiving_stream_ = stream_of(receiving_, nullptr);
    jsSubOptions settings;
    check(jsSubOptions_Init(&settings), "options");
    settings.Stream = kStream;
    settings.ManualAck = true;
    settings.Config.Durable = kConsumer;
    settings.Config.AckPolicy = js_AckExplicit;
    settings.Config.MaxAckPending = kPrefetch;
    deliveries_left_ = expected;
    natsSubscription* subscription = nullptr;
    check(
        js_Subscribe(&subscription, receiving_stream_.get(), kSubject, on_delivery, this, nullptr, &settings, nullptr),
        "consume");
    subscription_.reset(subscription);
    if (!all_acknowledged_.try_acquire_for(kPatience)) fail("jetstream: messages are missing");
    check(natsConnection_Flush(receiving_.get()), "flush");
    for (const auto give_up = now_ns() + kPatience.count() * std::uint64_t{1'000'000}; !is_settled();) {
      if (now_ns() > give_up) fail("jetstream: acknowledgements are missing");
    }
  }

 private:
  using Stream = Handle<jsCtx, jsCtx_Destroy>;

  static void on_message(natsConnection*, natsSubscription*, natsMsg* message, void* window) {
    natsMsg_Destroy(message);
    static_cast<Window*>(window)->count_received();
  }

  static void on_request(natsConnection* connection, natsSubscription*, natsMsg* received, void*) noexcept {
    const Message request(received);
    check(natsConnection_Publish(connection, natsMsg_GetReply(received), natsMsg_GetData(received),
                                 natsMsg_GetDataLength(received)),
          "reply");
  }

  static void on_delivery(natsConnection*, natsSubscription*, natsMsg* received, void* self) noexcept {
    const Message delivery(received);
    check(natsMsg_Ack(received, nullptr), "ack");
    auto& library = *static_cast<NatsLibrary*>(self);
    if (--library.deliveries_left_ == 0) library.all_acknowledged_.release();
  }

  static void on_refused(jsCtx*, jsPubAckErr* refusal, void*) noexcept {
    fail(std::string("jetstream refused: ") + refusal->ErrText);
  }

  static Stream stream_of(const Connection& connection, jsOptions* settings) {
    jsCtx* stream = nullptr;
    check(natsConnection_JetStream(&stream, connection.get(), settings), "jetstream");
    return Stream(stream);
  }

  void subscribe(const char* subject, natsMsgHandler handler, void* closure) {
    natsSubscription* subscription = nullptr;
    check(natsConnection_Subscribe(&subscription, receiving_.get(), subject, handler, closure), "subscribe");
    subscription_.reset(subscription);
    check(natsConnection_Flush(receiving_.get()), "flush");
  }

  bool is_settled() const {
    jsConsumerInfo* info = nullptr;
    check(js_GetConsumerInfo(&info, receiving_stream_.get(), kStream, kConsumer, nullptr, nullptr),
          "ask about the consumer");
    const bool settled = info->NumAckPending == 0 && info->NumPending == 0;
    jsConsumerInfo_Destroy(info);
    return settled;
  }

  int content_bytes() const { return static_cast<int>(content_.size()); }

  const Options options_;
  const std::string content_;
  std::uint64_t deliveries_left_ = 0;  // the delivering thread's, once that is there
  std::binary_semaphore all_acknowledged_{0};
  Connection sending_, receiving_;
  Stream sending_stream_, receiving_stream_;
  Subscription subscription_;
};

}  // namespace

std::unique_ptr<Library> open_nats_library(const Options& options) { return std::make_unique<NatsLibrary>(options); }

}  // namespace folkmoot::bench
