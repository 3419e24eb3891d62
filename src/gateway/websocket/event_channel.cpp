#include "gateway/websocket/event_channel.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.hpp"
#include "message/topic.hpp"

namespace folkmoot {

std::string_view chosen_protocol(const RequestHead& head) {
  for (const auto& [name, value] : head.fields) {
    if (name != "sec-websocket-protocol") continue;
    for (std::string_view rest = value; !rest.empty();) {
      const auto offered = trimmed(rest.substr(0, rest.find(',')));
      rest.remove_prefix(std::min(rest.find(','), rest.size() - 1) + 1);
      if (offered == kEventProtocol) return kEventProtocol;
      if (offered == kEventBatchProtocol) return kEventBatchProtocol;
    }
  }
  return {};
}

Result<std::optional<EventChannel>> event_channel(std::string_view protocol, const Target& query) {
  constexpr std::string_view kOfEvents[] = {"pattern", "filter", "topic", "to", "mode", "echo", "confirm"};
  if (protocol.empty()) {
    for (const auto name : kOfEvents) {
      if (query.has(name)) {
        return failure(ErrorCode::invalid_field,
                       fmt::format("`{}` in the query is for WebSockets of the sub-protocol {}", name, kEventProtocol));
      }
    }
    return std::nullopt;
  }
  EventChannel channel{.is_batched = protocol == kEventBatchProtocol};
  const auto text = [&](std::string_view name) { return std::string(query.parameter(name)); };
  channel.pattern = text("pattern");
  channel.filter = text("filter");
  channel.topic = text("topic");
  channel.to = text("to");
  for (const auto& [name, value] : query.query) {
    if (name != "agent" && std::ranges::find(kOfEvents, name) == std::end(kOfEvents)) {
      return failure(ErrorCode::invalid_field,
                     fmt::format("`{}` is no parameter of a WebSocket of CloudEvents; it has "
                                 "agent, {}{}",
                                 name, fmt::join(kOfEvents, ", "), did_you_mean(name, kOfEvents)));
    }
    if ((name == "echo" || name == "confirm") && value != "true" && value != "false" && !value.empty())
      return failure(ErrorCode::invalid_field, fmt::format("`{}` is `{}`; it may be true or false", name, value));
  }
  channel.echo = query.has("echo") && query.parameter("echo") != "false";
  channel.confirm = query.has("confirm") && query.parameter("confirm") != "false";
  channel.mode = parse_mode(query.parameter("mode"));
  if (query.has("mode") && !channel.mode)
    return failure(ErrorCode::out_of_range, "`mode` may be at_most_once, at_least_once or exactly_once");
  if (!channel.pattern.empty() && !is_pattern(channel.pattern)) {
    return failure(ErrorCode::invalid_topic,
                   "`pattern` is not words joined by dots, of which any may be `*` and the last `>`");
  }
  if (auto good = check_address({.topic = channel.topic, .to = channel.to}); !good)
    return std::unexpected(std::move(good.error()));
  if (!channel.filter.empty() && channel.pattern.empty())
    return failure(ErrorCode::invalid_field, "`filter` is there without a `pattern` that it chooses of");
  return channel;
}

}  // namespace folkmoot
