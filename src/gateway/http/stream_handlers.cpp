// GET /api/streams/{name}/events as events that go on: a stream is read for as long as the client stays, and a client
// that comes again goes on behind the last one it has (HTML, "Server-sent events", Last-Event-ID).
#include <algorithm>
#include <utility>

#include "gateway/http/answers.hpp"
#include "gateway/http/event_stream.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/json_answers.hpp"
#include "message/json_document.hpp"
#include "message/json_fields.hpp"
#include "message/operations.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::uint32_t kTailedAtOnce = 256;

struct TailedPage {
  JsonDocument document;
  JsonElement value;
  std::uint64_t next = 0, first = 0;
};

Result<void> read_page(std::string_view text, TailedPage& page) {
  auto read = page.document.parse(text);
  if (!read) return std::unexpected(std::move(read.error()));
  page.value = *read;
  if (page.value["next"].get(page.next) || page.value["first"].get(page.first))
    return failure(ErrorCode::internal, "a page of the stream has no `next` or no `first`");
  return {};
}

// Where the client goes on: behind what it says it has, else as the query says.
Result<void> go_on(const Exchange& exchange, ReadStream& read) {
  if (read.backwards)
    return failure(ErrorCode::invalid_field, "`backwards` has an end, and events go on",
                   "leave out `Accept: text/event-stream` for a page");
  const auto last = exchange.request.head.field("last-event-id");
  if (last.empty()) return {};
  const auto sequence = parse_lease(last);  // a number of 64 bits
  if (!sequence || *sequence == UINT64_MAX)
    return failure(ErrorCode::invalid_field, "Last-Event-ID is the number of an event of this stream");
  read.from = *sequence + 1;
  read.since_ms = 0;
  read.newest = 0;
  return {};
}

std::string refused_text(const Error& error) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  append_error_fields(json, error);
  json.end_object();
  return out;
}

std::string missed_text(std::uint64_t count) {
  std::string out;
  JsonWriter(out).begin_object().field("count", count).end_object();
  return out;
}

asio::awaitable<Result<std::string>> read_once(Exchange& exchange, const ReadStream& read) {
  const auto request = exchange.link.number();
  const auto arguments = to_json_text(read, Sparse::everything);
  std::string frames;
  append_call(frames, request, ReadStream::kOperation.name, arguments);
  const auto frame = co_await ask(exchange, request, std::move(frames), read.wait + kAnswerTimeout);
  if (!frame) co_return std::unexpected(frame.error());
  co_return call_result(*exchange.operation, frame->body);
}

asio::awaitable<bool> tell(EventStream& stream, const TailedPage& page) {
  simdjson::dom::array events;
  if (page.value["events"].get(events)) co_return false;
  for (const auto event : events) {
    std::uint64_t sequence = 0;
    if (event["sequence"].get(sequence)) co_return false;
    const auto text = json_of(event);
    const auto id = std::to_string(sequence);
    if (!co_await stream.send("event", text, id)) co_return false;
  }
  co_return true;
}

}  // namespace

asio::awaitable<Answer> tail_stream(Exchange& exchange, ReadStream read) {
  if (auto good = go_on(exchange, read); !good) co_return error_answer(good.error());
  EventStream stream(exchange, *EventStream::wanted(exchange));
  read.limit = std::min(read.limit, kTailedAtOnce);
  read.wait = Milliseconds(0);  // what is wrong is told before the answer begins
  bool here = true, has_begun = false;
  while (here) {
    const auto text = co_await read_once(exchange, read);
    TailedPage page;
    auto good = text ? read_page(*text, page) : Result<void>(std::unexpected(text.error()));
    if (!good && !has_begun) co_return error_answer(good.error());
    if (!std::exchange(has_begun, true)) here = co_await stream.begin();
    if (exchange.request.is_head()) break;
    if (!good) {
      co_await stream.send("error", refused_text(good.error()));
      break;
    }
    // What the client has not seen and the stream no longer has.
    if (here && read.from != 0 && page.first > read.from)
      here = co_await stream.send("missed", missed_text(page.first - read.from));
    const bool is_silent = page.next == read.from;
    if (here) here = is_silent ? co_await stream.say_still_there() : co_await tell(stream, page);
    read.from = page.next;
    read.since_ms = 0;
    read.newest = 0;
    read.wait = kStillThere;
  }
  exchange.link.drop_link();
  co_return Answer{};
}

}  // namespace folkmoot
