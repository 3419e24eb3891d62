// The HTTP door's table: every request that it knows is one row (docs/protocol.md, section 13).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/stream.hpp"
#include "gateway/http/exchange.hpp"

namespace folkmoot {

using Handler = asio::awaitable<Answer> (*)(Exchange&);

/// What a route's request may say, and what it answers, for who reads the OpenAPI document.
struct RouteAbout {
  std::string_view what{};
  const StructInfo* query = nullptr;   // of which no other parameter is taken
  const StructInfo* body = nullptr;    // nullptr: none, or as `body_shape` says
  const StructInfo* answer = nullptr;  // nullptr: as `answer_type` says
  const StructInfo* other = nullptr;   // what may be answered instead
  const StructInfo* others = nullptr;  // or a list of these
  std::string_view body_shape{};       // "message", "messages" (one or a list), "events", "arguments" or "bytes"
  std::string_view answer_type = "application/json";
  int status = 200;
  std::string_view unable{};  // what its 503 says with the same answer
  bool is_told = false;       // event by event, if the request's Accept says so
  bool has_events = false;    // answers CloudEvents, if the request's Accept says so
};

struct HttpRoute {
  std::string_view method;
  std::string_view pattern;  // words and at most one {parameter}
  Handler handler;
  bool may_wait = false;                     // worth watching whether the client is still there
  bool is_streamed = false;                  // the handler reads the request's body part by part
  bool takes_events = false;                 // its body may be a CloudEvent, whose attributes stand in the header
  bool takes = false;                        // although its method is GET, something is different after it
  bool is_upgrade = false;                   // becomes a WebSocket when the request asks for it
  bool is_open = false;                      // answered whoever asks: nobody has to show a token
  const OperationInfo* operation = nullptr;  // that it carries out, if it is one of the list
  RouteAbout about{};                        // if it is none
};

std::span<const HttpRoute> routes();

struct RouteMatch {
  const HttpRoute* route = nullptr;
  std::string parameter;
  std::string allowed;  // if there is no route: methods that this path knows; empty if the path is unknown
};

RouteMatch match_route(std::string_view method, const Target& target);

/// The field that a pattern such as /api/routes/{name} names; empty if there is none.
std::string_view field_in_path(std::string_view pattern);

/// Whether the query says nothing that the route does not know. Errors: invalid_field, with the nearest known one.
Result<void> check_query(const HttpRoute& route, const Target& target);

// The handlers, each named by what it does. None of them throws for what a client can send.
asio::awaitable<Answer> publish_messages(Exchange& exchange);
/// As gateways of an older system had it.
asio::awaitable<Answer> publish_gateway_message(Exchange& exchange);
asio::awaitable<Answer> receive_messages(Exchange& exchange);
asio::awaitable<Answer> show_receipt(Exchange& exchange);
asio::awaitable<Answer> settle_message(Exchange& exchange);
asio::awaitable<Answer> publish_batch(Exchange& exchange);
asio::awaitable<Answer> complete_message(Exchange& exchange);
asio::awaitable<Answer> request_agent(Exchange& exchange);
asio::awaitable<Answer> ask_agents(Exchange& exchange);
asio::awaitable<Answer> command_agents(Exchange& exchange);
asio::awaitable<Answer> subscribe_events(Exchange& exchange);
/// CloudEvents, in any of their forms.
asio::awaitable<Answer> publish_events(Exchange& exchange);
/// Any operation, as Exchange::operation says.
asio::awaitable<Answer> carry_out_operation(Exchange& exchange);
/// A stream's events, as they come.
asio::awaitable<Answer> tail_stream(Exchange& exchange, ReadStream read);
asio::awaitable<Answer> call_by_name(Exchange& exchange);
asio::awaitable<Answer> store_content(Exchange& exchange);
asio::awaitable<Answer> fetch_content(Exchange& exchange);
asio::awaitable<Answer> show_health(Exchange& exchange);
asio::awaitable<Answer> show_alive(Exchange& exchange);
asio::awaitable<Answer> show_ready(Exchange& exchange);
asio::awaitable<Answer> show_metrics(Exchange& exchange);
asio::awaitable<Answer> show_openapi(Exchange& exchange);
asio::awaitable<Answer> show_asyncapi(Exchange& exchange);
asio::awaitable<Answer> want_upgrade(Exchange& exchange);

}  // namespace folkmoot
