// redis-server through hiredis: its blocking connections with pipelining, that is commands appended to the output
// buffer and replies fetched later. Topics, a pair of lists for requests, and a stream with a consumer group, as
// folkmoot-load has them.
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <initializer_list>
#include <string>

#include "library.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::string_view kAnswers = "answers";
constexpr std::string_view kReadCount = "500";
constexpr timeval kWait{60, 0};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

/// A connection and its pipeline.
class Pipeline {
 public:
  explicit Pipeline(const Options& options) : context_(redisConnect("127.0.0.1", options.port)) {
    if (context_ == nullptr || context_->err != 0) fail("redis: cannot connect");
    redisSetTimeout(context_.get(), kWait);
  }

  void append(std::initializer_list<std::string_view> words) {
    const char* starts[kWordsMax];
    std::size_t sizes[kWordsMax];
    int count = 0;
    for (const auto word : words) {
      starts[count] = word.data();
      sizes[count++] = word.size();
    }
    if (redisAppendCommandArgv(context_.get(), count, starts, sizes) != REDIS_OK) fail("redis: no memory");
  }

  /// The next reply; before it waits for one it writes what was appended.
  Reply fetch() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) fail(std::string("redis: ") + context_->errstr);
    Reply fetched(static_cast<redisReply*>(reply));
    if (fetched->type == REDIS_REPLY_ERROR) fail("redis: " + std::string(fetched->str, fetched->len));
    return fetched;
  }

  void fetch(std::uint64_t count) {
    while (count-- != 0) fetch();
  }

  Reply call(std::initializer_list<std::string_view> words) {
    append(words);
    return fetch();
  }

  /// From any thread: a fetch() that waits fails.
  void hang_up() { shutdown(context_->fd, SHUT_RDWR); }

 private:
  static constexpr std::size_t kWordsMax = 10;

  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Free> context_;
};

class RedisLibrary : public Library {
 public:
  explicit RedisLibrary(const Options& options)
      : options_(options), content_(options.content_bytes, 'x'), sending_(options), receiving_(options) {}

  ~RedisLibrary() override {
    finished_ = true;
    receiving_.hang_up();
    if (receiver_.joinable()) receiver_.join();
  }

  void subscribe(Window& window) override {
    receiving_.call({"SUBSCRIBE", kTopic});
    receive([this, &window] {
      receiving_.fetch();
      window.count_received();
    });
  }

  /// The replies of a batch are fetched when the next one has been appended.
  void publish(Window& window) override {
    std::uint64_t unanswered = 0;
    while (const auto count = window.take()) {
      for (std::uint64_t i = 0; i < count; ++i) sending_.append({"PUBLISH", kTopic, content_});
      sending_.fetch(unanswered);
      unanswered = count;
    }
    sending_.fetch(unanswered);
  }

  void respond() override {
    receiving_.append({"BRPOP", kService, "0"});
    receive([this] {
      const Reply request = receiving_.fetch();
      const redisReply& content = *request->element[1];
      receiving_.append({"LPUSH", kAnswers, {content.str, content.len}});
      receiving_.append({"BRPOP", kService, "0"});
      receiving_.fetch();  // LPUSH's
    });
  }

  void request() override {
    sending_.append({"LPUSH", kService, content_});
    sending_.append({"BRPOP", kAnswers, "0"});
    sending_.fetch(2);
  }

  void make_queue() override { sending_.call({"XGROUP", "CREATE", kQueue, kGroup, "0", "MKSTREAM"}); }

  std::uint64_t publish_until(std::uint64_t end_ns) override {
    std::uint64_t confirmed = 0;
    for (std::uint64_t unconfirmed = 0;;) {
      for (; unconfirmed < options_.window && now_ns() < end_ns; ++unconfirmed) {
        sending_.append({"XADD", kQueue, "*", "d", content_});
      }
      if (unconfirmed == 0) return confirmed;
      sending_.fetch();
      --unconfirmed;
      ++confirmed;
    }
  }

  /// The acknowledgements of what one read brought go with the next read.
  void consume(std::uint64_t expected) override {
    std::uint64_t acks = 0;
    for (std::uint64_t read = 0; read < expected;) {
      receiving_.append({"XREADGROUP", "GROUP", kGroup, "reader", "COUNT", kReadCount, "STREAMS", kQueue, ">"});
      receiving_.fetch(acks);
      const Reply streams = receiving_.fetch();
      if (streams->elements != 1) fail("redis: the stream ran dry");
      const redisReply& entries = *streams->element[0]->element[1];
      for (acks = 0; acks < entries.elements; ++acks) {
        const redisReply& id = *entries.element[acks]->element[0];
        receiving_.append({"XACK", kQueue, kGroup, {id.str, id.len}});
      }
      read += acks;
    }
    receiving_.fetch(acks);
  }

 private:
  static constexpr std::string_view kGroup = "group";

  /// Does `step` on a thread until the connection is hung up.
  template <class Step>
  void receive(Step step) {
    receiver_ = start_thread([this, step] {
      try {
        for (;;) step();
      } catch (const Failure&) {
        if (!finished_) throw;
      }
    });
  }

  const Options options_;
  const std::string content_;
  Pipeline sending_, receiving_;
  std::atomic<bool> finished_{false};
  std::thread receiver_;
};

}  // namespace

std::unique_ptr<Library> open_redis_library(const Options& options) { return std::make_unique<RedisLibrary>(options); }

}  // namespace folkmoot::bench
