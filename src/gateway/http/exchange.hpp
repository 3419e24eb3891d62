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

struct Exchange {
  const HttpRequest& request;
  const std::string parameter;  // what stands for {...} in the route's pattern
  LinkCaller& link;
  const GatewayOptions& options;
};

}  // namespace folkmoot
