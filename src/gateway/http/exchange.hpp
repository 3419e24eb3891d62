// A request and its answer as handlers see them: no Beast, no socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/gateway.hpp"
#include "gateway/http/head.hpp"
#include "gateway/http/url.hpp"
#include "gateway/link_caller.hpp"

namespace folkmoot {

struct OperationInfo;

struct HttpRequest {
  RequestHead head;
  Target target;
  std::string agent;  // the X-Agent header
  std::string token;  // of Authorization: Bearer
  std::string body;

  bool is_head() const { return head.method == "HEAD"; }  // wants what GET would say, but for the body
};

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Of errors, for who accepts it (RFC 9457).
inline constexpr std::string_view kProblemType = "application/problem+json";

/// {"code","error","advice"} with the catalogue's status.
Answer error_answer(const Error& error);

/// An answer written while its handler goes on. False: the client is gone.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;
  /// An answer in one piece, for handlers that do something only if it was given. True once it is written; if the
  /// client has closed its sending side, once its host has taken it. What the handler returns is not written then.
  virtual asio::awaitable<bool> give(Answer answer) = 0;
  /// Status and headers; once. What the handler returns afterwards is not written. `bytes`: how many will follow, if
  /// that is known; fewer end the connection. Nothing: as many as are written, for which the client must speak
  /// HTTP/1.1.
  virtual asio::awaitable<bool> begin(Answer head, std::optional<std::uint64_t> bytes) = 0;
  virtual asio::awaitable<bool> write(std::string_view piece) = 0;
};

/// The body of a request that is too large to be held, read part by part.
class BodyStream {
 public:
  virtual ~BodyStream() = default;

  /// What Content-Length says; nothing for a body of unknown size.
  virtual std::optional<std::uint64_t> body_bytes() const = 0;
  /// The next bytes of the request's body, `most` of them at most and at least one; they live until the next call.
  /// Errors: malformed, connection_lost, timed_out.
  virtual asio::awaitable<Result<std::string_view>> read(std::size_t most) = 0;
};

struct Exchange {
  const HttpRequest& request;
  const std::string parameter;  // what stands for {...} in the route's pattern
  LinkCaller& link;
  const GatewayOptions& options;
  const bool is_ready;         // the server takes whatever is sent to it
  BodyStream* body = nullptr;  // of a route that streams (HttpRoute::is_streamed)
  AnswerStream& answer_stream;
  const bool takes_any_length;  // the client understands an answer whose length is not known when it begins
  const OperationInfo* operation = nullptr;  // of the route, if it is one of the list
  bool is_body_read = false;                 // as JSON: what is wrong from here on is wrong by its fields
};

}  // namespace folkmoot
