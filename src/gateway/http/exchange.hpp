// A request and its answer as handlers see them: no Beast, no socket.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/gateway.hpp"
#include "gateway/http/url.hpp"
#include "gateway/link_caller.hpp"

namespace folkmoot {

struct HttpRequest {
  std::string method;
  Target target;
  std::string agent;  // the X-Agent header
  std::string token;  // of Authorization: Bearer
  std::string accept;  // the Accept header, lower case
  std::string body;
};

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// {"code","error","advice"} with the catalogue's status.
Answer error_answer(const Error& error);

/// An answer whose length nobody knows yet, written piece by piece while its handler goes on. False: the client is gone.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;
  /// Status and headers; once. What the handler returns afterwards is not written.
  virtual asio::awaitable<bool> begin(Answer head) = 0;
  virtual asio::awaitable<bool> write(std::string piece) = 0;
};

/// The connection's body in either direction, for routes that stream (Route::is_streamed).
class BodyStream {
 public:
  virtual ~BodyStream() = default;

  /// What Content-Length says; nothing for a body of unknown size.
  virtual std::optional<std::uint64_t> body_bytes() const = 0;
  /// The Range header; empty: none.
  virtual std::string_view range() const = 0;
  /// The next bytes of the request's body, `most` of them at most and at least one; they live until the next call. Errors:
  /// malformed, connection_lost, timed_out.
  virtual asio::awaitable<Result<std::string_view>> read(std::size_t most) = 0;
  /// Sends status and headers of an answer whose body of `bytes` is written afterwards, all of it; the handler's own answer is not
  /// sent then. False if the client is gone.
  virtual asio::awaitable<bool> begin_answer(Answer head, std::uint64_t bytes) = 0;
  virtual asio::awaitable<bool> write(std::string_view bytes) = 0;
  /// Whether the connection may go on after this request.
  virtual void end_connection() = 0;
  virtual void keep_connection() = 0;
};

struct Exchange {
  const HttpRequest& request;
  const std::string parameter;  // what stands for {...} in the route's pattern
  LinkCaller& link;
  const GatewayOptions& options;
  BodyStream* stream = nullptr;  // of a route that streams
  AnswerStream* answer_stream = nullptr;  // none for a client of HTTP/1.0
};

}  // namespace folkmoot
