// An answer in events, written as they come: server-sent events, or a JSON object a line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/exchange.hpp"
#include "gateway/limits.hpp"

namespace folkmoot {

class EventStream {
 public:
  enum class Format { server_sent, lines };

  /// What the header Accept asks for: `text/event-stream`, or `application/jsonl` or `application/x-ndjson`. Nothing if
  /// it asks for neither, or the client speaks HTTP/1.0, which has no answers of unknown length.
  static std::optional<Format> wanted(const Exchange& exchange);

  EventStream(Exchange& exchange, Format format) : exchange_(exchange), format_(format) {}

  // Each is false once the client is gone.
  asio::awaitable<bool> begin();
  /// `object`: JSON, with one field at least. `id`: where a client that comes again goes on (Last-Event-ID); empty:
  /// nowhere.
  asio::awaitable<bool> send(std::string_view event, std::string_view object, std::string_view id = {});
  /// A CloudEvent in JSON: among lines it stands for itself.
  asio::awaitable<bool> send_cloud_event(std::string_view object);
  asio::awaitable<bool> say_still_there();

 private:
  Exchange& exchange_;
  const Format format_;
};

}  // namespace folkmoot
