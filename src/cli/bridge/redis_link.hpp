// A connection to a Redis server, by hiredis, and what comes back over it. One thread's at a time.
#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace folkmoot::cli {

struct RedisAddress {
  std::string host = "127.0.0.1", socket, user, password;  // socket: the path of a Unix socket, instead of the host
  std::uint16_t port = 6379;
  std::uint32_t database = 0;

  /// For people: without the password.
  std::string called() const;
};

/// redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] or unix:/PATH. Errors: invalid_field, which does not repeat it.
Result<RedisAddress> read_redis_url(const std::string& url);

/// What Redis answered: owns it.
class RedisReply {
 public:
  explicit RedisReply(redisReply* reply) : reply_(reply) {}

  bool is_number() const { return reply_->type == REDIS_REPLY_INTEGER; }
  bool is_text() const { return reply_->type == REDIS_REPLY_STRING; }
  bool is_nothing() const { return reply_->type == REDIS_REPLY_NIL; }
  std::int64_t number() const { return reply_->integer; }
  std::string_view text() const { return {reply_->str, reply_->len}; }
  std::size_t size() const { return reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0; }
  std::string_view text_at(std::size_t i) const { return {reply_->element[i]->str, reply_->element[i]->len}; }
  /// Redis said no: why, in its words.
  std::optional<std::string> refusal() const;

 private:
  struct Free {
    void operator()(redisReply* reply) const { ::freeReplyObject(reply); }
  };
  std::unique_ptr<redisReply, Free> reply_;
};

class RedisLink {
 public:
  using Words = std::vector<std::string_view>;

  /// Errors: connection_lost (there is none, or it does not answer in time), unauthorized, invalid_field (no such
  /// database).
  static Result<RedisLink> open(const RedisAddress& address);

  /// One more command on its way; its answer is the next() that is not taken yet. Errors: connection_lost.
  Result<void> send(const Words& words);
  /// Errors: connection_lost: what was sent and not answered may have been carried out, or not.
  Result<RedisReply> next();
  Result<RedisReply> ask(const Words& words);

 private:
  struct Free {
    void operator()(redisContext* context) const { ::redisFree(context); }
  };
  RedisLink(redisContext* context, std::string called) : context_(context), called_(std::move(called)) {}
  Error lost() const;

  std::unique_ptr<redisContext, Free> context_;
  std::string called_;
};

}  // namespace folkmoot::cli
