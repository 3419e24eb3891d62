// folkmoot through libfolkmoot: operations with callbacks, many under way at a time. A thread that publishes, asks or
// consumes a queue runs the client's context itself, so that nothing changes threads; a subscriber and a responder have
// a thread of their own.
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <folkmoot/folkmoot.hpp>
#include <functional>
#include <optional>
#include <string>

#include "library.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::chrono::minutes kPatience{1};
constexpr std::chrono::milliseconds kRoomTick{1};
// next()s that wait at a time, so that what one read brings is handed out at once.
constexpr std::size_t kWaitingNext = 256;

/// Whether the client was closed under the operation.
template <class T>
bool is_cancelled(const Result<T>& result) {
  return !result && result.error().code == ErrorCode::cancelled;
}

/// A connected client with a context of its own.
class Endpoint {
 public:
  Endpoint(const Options& options, const std::string& agent)
      : client_(context_.get_executor(), {.address = "127.0.0.1:" + std::to_string(options.port), .agent = agent}) {
    await<void>([this](auto done) { client_.connect(std::move(done)); });
  }

  ~Endpoint() { stop(); }

  /// After this nothing runs here any more. May be called twice.
  void stop() {
    client_.close();
    if (thread_.joinable()) thread_.join();
  }

  Client* operator->() { return &client_; }

  /// The result of the operation that `start(completion)` begins.
  template <class T, class Start>
  T await(Start start) {
    std::optional<Result<T>> result;
    start([&result](Result<T> done) { result.emplace(std::move(done)); });
    while (!result) run_some();
    return value(std::move(*result));
  }

  /// Runs what is ready, or the first thing that becomes it.
  void run_some() {
    if (context_.run_one_for(kPatience) == 0) fail("folkmoot: no answer");
    context_.poll();
  }

  /// Runs what becomes ready within that time.
  void run_for(std::chrono::milliseconds time) { context_.run_for(time); }

  /// From now on a thread runs the context, until the client is closed.
  void run_on_thread() {
    thread_ = start_thread([this] { context_.run(); });
  }

 private:
  asio::io_context context_{1};
  Client client_;
  std::thread thread_;
};

/// Hands deliveries of a stream to `handle` until the client is closed.
template <class Stream>
class Reader {
 public:
  Reader(Stream stream, std::function<void(const Delivery&)> handle)
      : stream_(std::move(stream)), handle_(std::move(handle)) {
    for (std::size_t i = 0; i < kWaitingNext; ++i) wait();
  }

 private:
  void wait() {
    stream_.next([this](Result<Delivery> delivery) {
      if (is_cancelled(delivery)) return;
      handle_(value(std::move(delivery)));
      wait();
    });
  }

  Stream stream_;
  const std::function<void(const Delivery&)> handle_;
};

class FolkmootLibrary : public Library {
 public:
  explicit FolkmootLibrary(const Options& options)
      : options_(options),
        content_(options.content_bytes, 'x'),
        sending_(options, "sender"),
        receiving_(options, "receiver") {}

  ~FolkmootLibrary() override { receiving_.stop(); }

  /// Without credit, since the window is what holds the publisher back.
  void subscribe(Window& window) override {
    subscription_.emplace(receiving_.await<Subscription>(
                              [&](auto done) { receiving_->subscribe(kTopic, {.credit = 0}, std::move(done)); }),
                          [&window](const Delivery&) { window.count_received(); });
    receiving_.run_on_thread();
  }

  /// A batch is on its way before the next one is begun. Where there is no room for one, what was written goes on
  /// meanwhile.
  void publish(Window& window) override {
    while (!window.is_closed()) {
      auto left = window.try_take();
      if (left == 0) sending_.run_for(kRoomTick);
      for (auto i = left; i != 0; --i) {
        sending_->publish_nowait(make_event(kTopic, content_), [&left](Result<void> sent) {
          value(std::move(sent));
          --left;
        });
      }
      while (left != 0) sending_.run_some();
    }
    sending_.await<void>([this](auto done) { sending_->ping(std::move(done)); });  // the last of them is through
  }

  void respond() override {
    consume(kService, [this](const Delivery& request) {
      receiving_->reply(request, Message{.content = request.content()}, [](Result<PublishReceipt> receipt) {
        if (!is_cancelled(receipt)) value(std::move(receipt));  // the requester may be done before the confirm is here
      });
    });
    receiving_.run_on_thread();
  }

  void request() override {
    sending_.await<Message>([this](auto done) {
      sending_->request(make_message(kService, content_), std::chrono::seconds(30), std::move(done));
    });
  }

  void make_queue() override {
    sending_.await<void>(
        [this](auto done) { sending_->configure_mailbox(kQueue, {.max_messages = 100'000'000}, std::move(done)); });
  }

  std::uint64_t publish_until(std::uint64_t end_ns) override {
    std::uint64_t sent = 0;
    for (std::uint64_t confirmed = 0;; sending_.run_some()) {
      for (; sent - confirmed < options_.window && now_ns() < end_ns; ++sent) {
        sending_->publish(make_message(kQueue, content_), [&confirmed](Result<PublishReceipt> receipt) {
          value(std::move(receipt));
          ++confirmed;
        });
      }
      if (sent == confirmed) return confirmed;
    }
  }

  void consume(std::uint64_t expected) override {
    consume(kQueue, [this, &expected](const Delivery& delivery) {
      receiving_->ack(delivery, [&expected](Result<void> settled) {
        value(std::move(settled));
        --expected;
      });
    });
    while (expected != 0) receiving_.run_some();
  }

 private:
  void consume(const char* mailbox, std::function<void(const Delivery&)> handle) {
    consumer_.emplace(receiving_.await<Consumer>(
                          [&](auto done) { receiving_->consume(mailbox, {.credit = kPrefetch}, std::move(done)); }),
                      std::move(handle));
  }

  const Options options_;
  const std::string content_;
  Endpoint sending_, receiving_;
  // Streams go before their client, and after the thread that reads them.
  std::optional<Reader<Subscription>> subscription_;
  std::optional<Reader<Consumer>> consumer_;
};

}  // namespace

std::unique_ptr<Library> open_folkmoot_library(const Options& options) {
  return std::make_unique<FolkmootLibrary>(options);
}

}  // namespace folkmoot::bench
