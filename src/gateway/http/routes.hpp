// The HTTP door's table: every request that it knows is one row (docs/protocol.md, section 13).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/http/exchange.hpp"

namespace folkmoot {

using Handler = asio::awaitable<Answer> (*)(Exchange&);

struct HttpRoute {
  std::string_view method;
  std::string_view pattern;  // words and at most one {parameter}
  Handler handler;
  bool may_wait = false;     // worth watching whether the client is still there
  bool is_streamed = false;  // the handler reads the request's body part by part
  bool is_upgrade = false;   // becomes a WebSocket when the request asks for it
};

std::span<const HttpRoute> routes();

struct RouteMatch {
  const HttpRoute* route = nullptr;
  std::string parameter;
  std::string allowed;  // if there is no route: methods that this path knows; empty if the path is unknown
};

RouteMatch match_route(std::string_view method, const Target& target);

// The handlers, each named by what it does. None of them throws for what a client can send.
asio::awaitable<Answer> publish_messages(Exchange& exchange);
asio::awaitable<Answer> receive_messages(Exchange& exchange);
asio::awaitable<Answer> show_receipt(Exchange& exchange);
asio::awaitable<Answer> settle_message(Exchange& exchange);
asio::awaitable<Answer> publish_batch(Exchange& exchange);
asio::awaitable<Answer> complete_message(Exchange& exchange);
asio::awaitable<Answer> request_agent(Exchange& exchange);
asio::awaitable<Answer> ask_agents(Exchange& exchange);
asio::awaitable<Answer> command_agents(Exchange& exchange);
asio::awaitable<Answer> subscribe_events(Exchange& exchange);
asio::awaitable<Answer> cancel_message(Exchange& exchange);
asio::awaitable<Answer> list_dead(Exchange& exchange);
asio::awaitable<Answer> purge_dead(Exchange& exchange);
asio::awaitable<Answer> show_dead(Exchange& exchange);
asio::awaitable<Answer> resubmit_dead(Exchange& exchange);
asio::awaitable<Answer> redrive_dead(Exchange& exchange);
asio::awaitable<Answer> list_schedules(Exchange& exchange);
asio::awaitable<Answer> set_schedule(Exchange& exchange);
asio::awaitable<Answer> remove_schedule(Exchange& exchange);
asio::awaitable<Answer> list_routes(Exchange& exchange);
asio::awaitable<Answer> set_route(Exchange& exchange);
asio::awaitable<Answer> remove_route(Exchange& exchange);
asio::awaitable<Answer> show_cost(Exchange& exchange);
asio::awaitable<Answer> call_by_name(Exchange& exchange);
asio::awaitable<Answer> store_content(Exchange& exchange);
asio::awaitable<Answer> fetch_content(Exchange& exchange);
asio::awaitable<Answer> show_health(Exchange& exchange);
asio::awaitable<Answer> show_metrics(Exchange& exchange);
asio::awaitable<Answer> want_upgrade(Exchange& exchange);

}  // namespace folkmoot
