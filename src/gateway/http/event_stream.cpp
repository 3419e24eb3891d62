#include "gateway/http/event_stream.hpp"

#include <fmt/format.h>

#include "message/json_text.hpp"

namespace folkmoot {

std::optional<EventStream::Format> EventStream::wanted(const Exchange& exchange) {
  if (!exchange.takes_any_length) return std::nullopt;
  const auto accept = lower_case(exchange.request.head.field("accept"));
  if (accept.contains("text/event-stream")) return Format::server_sent;
  if (accept.contains("application/jsonl") || accept.contains("application/x-ndjson")) return Format::lines;
  return std::nullopt;
}

asio::awaitable<bool> EventStream::begin() {
  Answer head{.body = {},
              .content_type = format_ == Format::server_sent ? "text/event-stream"
                              : lower_case(exchange_.request.head.field("accept")).contains("ndjson")
                                  ? "application/x-ndjson"
                                  : "application/jsonl"};
  head.headers.emplace_back("X-Accel-Buffering", "no");  // for proxies that would collect it
  co_return co_await exchange_.answer_stream.begin(std::move(head), std::nullopt);
}

asio::awaitable<bool> EventStream::send(std::string_view event, std::string_view exact_object, std::string_view id) {
  // Contents come as they were written, and may have line breaks between their parts.
  const auto object = on_one_line(std::string(exact_object));
  const auto text = format_ == Format::server_sent
                        ? fmt::format("{}{}{}event: {}\ndata: {}\n\n", id.empty() ? "" : "id: ", id,
                                      id.empty() ? "" : "\n", event, object)
                        : fmt::format("{{\"event\":\"{}\",{}\n", event, std::string_view(object).substr(1));
  co_return co_await exchange_.answer_stream.write(text);
}

asio::awaitable<bool> EventStream::send_cloud_event(std::string_view object) {
  if (format_ == Format::server_sent) co_return co_await send("event", object);
  co_return co_await exchange_.answer_stream.write(on_one_line(std::string(object)).append("\n"));
}

asio::awaitable<bool> EventStream::say_still_there() {
  if (format_ == Format::lines) co_return true;
  co_return co_await exchange_.answer_stream.write(":\n\n");
}

}  // namespace folkmoot
