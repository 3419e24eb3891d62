// A request and its answer as handlers see them: no Beast, no socket.
#pragma once

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

struct Exchange {
  const HttpRequest& request;
  const std::string parameter;  // what stands for {...} in the route's pattern
  LinkCaller& link;
  const GatewayOptions& options;
  AnswerStream* const stream = nullptr;  // none for a client of HTTP/1.0
};

}  // namespace folkmoot
