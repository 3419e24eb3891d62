#include "gateway/http/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>

#include "base/utf8.hpp"
#include "gateway/http/cloud_events.hpp"
#include "gateway/http/fault.hpp"
#include "gateway/http/pages.hpp"
#include "gateway/http/peer.hpp"
#include "gateway/http/response.hpp"
#include "gateway/limits.hpp"
#include "message/compression.hpp"

namespace folkmoot {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kDrainBytesMax = 16 * 1024 * 1024;
// What a server knows although it has no use for it (RFC 9110, section 9.1); others are not implemented.
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
constexpr std::string_view kMethodsServed = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

std::string bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() <= kBearer.size()) return {};
  return lower_case(authorization.substr(0, kBearer.size())) == kBearer
             ? std::string(authorization.substr(kBearer.size()))
             : std::string();
}

Answer with_status(int status, ErrorCode code, std::string text, std::string advice = {}) {
  Answer answer = error_answer({code, std::move(text), std::move(advice)});
  answer.status = status;
  return answer;
}

// Who takes messages without saying who it is, is the one they are for.
std::string_view caller_of(const HttpRequest& request) {
  if (!request.agent.empty()) return request.agent;
  if (request.target.has("agent")) return request.target.parameter("agent");
  const auto looked_at = request.target.parameter("to_agent_id");
  return Uuid::parse(looked_at) ? std::string_view() : looked_at;  // an id is no name to speak under
}

bool wants_websocket(const RequestHead& head) {
  return head.method == "GET" && head.minor >= 1 && head.lists("connection", "upgrade") &&
         head.lists("upgrade", "websocket");
}

// How the body came; empty: as it is.
std::string body_encoding(const RequestHead& head) {
  if (!head.has_body() || head.count("content-encoding") == 0) return {};
  auto encoding = lower_case(head.field("content-encoding"));
  return encoding == "identity" ? std::string() : encoding == "x-gzip" ? std::string(kGzip) : encoding;
}

// A content's body is kept as it is, so it has to come so.
std::optional<Answer> refuse_encoding(const RequestHead& head, const HttpRoute& route) {
  const auto encoding = body_encoding(head);
  if (encoding.empty() || (encoding == kGzip && !route.is_streamed)) return std::nullopt;
  auto answer = with_status(415, ErrorCode::invalid_field,
                            route.is_streamed ? "bodies are taken here as they are, without Content-Encoding"
                                              : "bodies are taken as they are, or with Content-Encoding: gzip");
  answer.headers.emplace_back("Accept-Encoding", route.is_streamed ? "identity" : "gzip, identity");
  return answer;
}

}  // namespace

HttpConnection::HttpConnection(const Context& context, ClientStream stream, Guest guest, std::string_view first)
    : context_(context),
      guest_(std::move(guest)),
      stream_(std::move(stream)),
      executor_(stream_.get_executor()),
      own_address_(own_address(stream_.socket().native_handle())),
      is_unix_(own_address_.empty()),
      options_(context.options()),
      reader_(stream_, options_, guest_, first),
      link_(context, executor_,
            {.address = peer_address(stream_.socket().native_handle()), .certified = stream_.verified()}) {}

asio::awaitable<void> HttpConnection::run() {
  const auto self = shared_from_this();
  while (co_await serve_one()) {
  }
}

void HttpConnection::stop(bool now) {
  asio::post(executor_, [self = shared_from_this(), now] {
    self->is_stopping_ = true;
    if (self->websocket_) return self->websocket_->stop(now);
    self->link_.interrupt({ErrorCode::shutting_down, "the server is stopping"});
    if (now || self->is_idle_) self->stream_.close();
  });
}

asio::awaitable<bool> HttpConnection::serve_one() {
  is_idle_ = true;
  if (is_stopping_ || context_.is_draining) co_return false;
  if (!co_await reader_.wait()) co_return false;
  options_ = context_.options();
  reader_.set_options(options_);
  is_idle_ = false;
  HttpRequest request;
  Refusal why;
  if (!co_await reader_.read_head(request.head, why)) co_return co_await refuse(std::move(why), nullptr);
  request.agent = request.head.field("x-agent");
  request.token = bearer_token(request.head.field("authorization"));
  co_return co_await serve(request);
}

// All that the header tells is answered before the body is read, or asked for (RFC 9110, section 10.1.1).
asio::awaitable<bool> HttpConnection::serve(HttpRequest& request) {
  const auto& head = request.head;
  auto target = parse_target(head.target == "*" ? "/" : head.target);
  const auto match = target ? match_route(head.method, *target) : RouteMatch();
  auto other = answer_by_header(request, target, match);
  if (target) request.target = std::move(*target);
  if (!other && !reader_.has_whole_body()) other = co_await answer_stranger(request, match);
  if (other) {
    const bool is_past_body = !head.expects_continue && reader_.skip_body();
    co_return co_await finish(std::move(*other), &head, is_past_body && may_go_on(head));
  }
  if (match.route->is_upgrade && wants_websocket(head)) co_return co_await upgrade(request);

  if (!match.route->is_streamed) {
    Refusal why;
    const auto bytes_max = options_->body_bytes_max;
    if (!co_await reader_.read_body(request.body, bytes_max, why)) co_return co_await refuse(std::move(why), &head);
    const auto encoding = body_encoding(head);
    if (!encoding.empty() && !reader_.unpack_body(request.body, encoding, bytes_max, why))
      co_return co_await refuse(std::move(why), &head);
  }
  Answer made = co_await handle(*match.route, request, match.parameter);
  co_return co_await finish(std::move(made), &head, reader_.is_body_done() && may_go_on(head));
}

// Answers what could not be read, and ends the connection: nobody knows where the next request would begin.
asio::awaitable<bool> HttpConnection::refuse(Refusal why, const RequestHead* head) {
  if (why.status == 0) co_return false;  // nobody is there
  ++context_.faults;
  Answer made = error_answer(why.error);
  made.status = why.status;
  co_return co_await finish(std::move(made), head, false);
}

std::optional<Answer> HttpConnection::answer_by_header(const HttpRequest& request, const Result<Target>& target,
                                                       const RouteMatch& match) const {
  const auto& head = request.head;
  if (!target) return error_answer(target.error());
  if (!is_unix_ && head.authority && !is_own_host(*options_, *head.authority, own_address_)) {
    return with_status(421, ErrorCode::not_permitted,
                       fmt::format("this server is not known as {}", head.authority->host),
                       "if that is a name of its, put it into http.hosts");
  }
  const bool is_safe = head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS";
  const bool acts = !is_safe || (match.route && match.route->takes);
  if (const auto why = refuse_page(*options_, head, acts)) return error_answer(*why);
  if (std::ranges::find(kMethods, head.method) == std::end(kMethods)) {
    return with_status(501, ErrorCode::unknown_opcode, fmt::format("there is no method {} here", head.method),
                       "use GET, HEAD, POST, PUT or DELETE; GET /openapi.json says where");
  }
  if (head.target == "*") return preflight_answer(request, kMethodsServed);
  if (!match.route && match.allowed.empty()) {
    return error_answer({ErrorCode::not_found, fmt::format("there is nothing at {}", head.target.substr(0, 200)),
                         "GET /openapi.json lists all addresses"});
  }
  if (head.method == "OPTIONS") return preflight_answer(request, match.allowed);
  if (!match.route) {
    auto answer = with_status(405, ErrorCode::unknown_opcode,
                              fmt::format("{} is not for this address; it takes {}", head.method, match.allowed),
                              "GET /openapi.json says what each address takes");
    answer.headers.emplace_back("Allow", match.allowed);
    return answer;
  }
  if (!request.agent.empty() && !is_name(request.agent)) {
    return error_answer({ErrorCode::invalid_name, "X-Agent is not 1 to 255 bytes of UTF-8 without control characters"});
  }
  if (auto other = refuse_encoding(head, *match.route)) return other;
  const auto bytes_max = options_->body_bytes_max;
  if (!match.route->is_streamed && head.content_length.value_or(0) > bytes_max) {
    return error_answer({ErrorCode::content_too_large,
                         fmt::format("the request's body is longer than {} bytes", bytes_max),
                         "send fewer messages at once, and large contents to POST /api/content"});
  }
  if (head.count(kEventVersionField) > 0 && !match.route->takes_events) {
    return error_answer({ErrorCode::invalid_field,
                         "`ce-specversion` makes this a CloudEvent, which this address does not take",
                         "POST /api/events publishes it (docs/cloudevents.md)"});
  }
  return std::nullopt;
}

// Before a body is taken from somebody the server has to know the token.
asio::awaitable<std::optional<Answer>> HttpConnection::answer_stranger(const HttpRequest& request,
                                                                       const RouteMatch& match) {
  if (match.route->is_upgrade) co_return std::nullopt;
  link_.resume();
  auto known = co_await link_.greet(request.token, caller_of(request));
  if (!known) co_return error_answer(known.error());
  guest_.become_known();
  co_return std::nullopt;
}

Answer HttpConnection::preflight_answer(const HttpRequest& request, std::string_view allowed) const {
  Answer answer{.status = 204, .body = {}, .content_type = {}, .headers = {{"Allow", std::string(allowed)}}};
  if (!allowed_origin(*options_, request.head.field("origin")).empty()) {
    answer.headers.emplace_back("Access-Control-Allow-Methods", allowed);
    answer.headers.emplace_back(
        "Access-Control-Allow-Headers",
        "Authorization, Content-Type, Idempotency-Key, Range, X-Agent, traceparent, tracestate");
    answer.headers.emplace_back("Access-Control-Max-Age", "86400");
  }
  return answer;
}

asio::awaitable<Answer> HttpConnection::handle(const HttpRoute& route, const HttpRequest& request,
                                               std::string parameter) {
  if (auto good = check_query(route, request.target); !good) co_return error_answer(good.error());
  if (!route.is_upgrade && !route.is_open) {
    if (auto open = link_.open(request.token, caller_of(request)); !open) co_return error_answer(open.error());
  }
  link_.resume();
  answered_ = &request.head;
  const bool is_ready = !is_stopping_ && !context_.is_draining && context_.hub.is_ready();
  BodyStream* const body = route.is_streamed ? &reader_ : nullptr;
  Exchange exchange{request, std::move(parameter),    link_,          *options_, is_ready, body,
                    *this,   request.head.minor >= 1, route.operation};
  stream_.expires_never();
  if (route.may_wait) watch_client();
  Answer made = co_await route.handler(exchange);
  if (made.status == 400 && exchange.is_body_read) made = point_at_fault(exchange, route, std::move(made));
  if (link_.is_welcome()) guest_.become_known();
  if (is_watched_) {
    is_watched_ = false;
    beast::error_code ignored;
    stream_.socket().cancel(ignored);
  }
  co_return made;
}

// -- whether the client is still there

// While a handler waits. A client that sends its next request early is there; it can still be lost.
void HttpConnection::watch_client() {
  is_watched_ = true;
  stream_.socket().async_wait(ClientStream::socket_type::wait_read,
                              [self = shared_from_this()](beast::error_code error) {
                                if (error || !self->is_watched_) return;
                                const auto peer = self->stream_.look();
                                if (peer == Peer::gone) return self->client_is_gone();
                                self->watch_for_loss();
                                if (peer == Peer::half_closed) self->probe();
                              });
}

void HttpConnection::watch_for_loss() {
  stream_.socket().async_wait(ClientStream::socket_type::wait_error,
                              [self = shared_from_this()](beast::error_code error) {
                                if (error || !self->is_watched_) return;
                                if (self->stream_.look() == Peer::gone) self->client_is_gone();
                              });
}

void HttpConnection::client_is_gone() { link_.interrupt({ErrorCode::cancelled, "the client is gone"}); }

// A client that has closed its sending side may read on, or be gone altogether: its host tells when something is sent
// to it. So the bytes that every answer begins with, or those that every further chunk may, go out ahead. An answer
// that is being written is as good.
void HttpConnection::probe() {
  if (is_given_ || is_writing_ || !sent_ahead_.empty() || (is_streaming_ && left_)) return;
  const std::string_view ahead = is_streaming_ ? "0" : answered_->minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ";
  const auto sent = stream_.write_now(ahead);
  if (!sent) return client_is_gone();
  sent_ahead_ = ahead.substr(0, *sent);
}

// -- an answer in one piece

asio::awaitable<bool> HttpConnection::give(Answer answer) {
  is_given_ = true;
  const auto text = answer_text(*options_, answer, answered_, may_go_on(*answered_));
  const bool is_written = co_await write_all(text);
  const int socket = stream_.socket().native_handle();
  // (Of an assignment to the member g++ 12 has its undefined behaviour sanitizer look at a null `this`.)
  const bool is_lost =
      !is_written || stream_.look() == Peer::gone ||
      (stream_.look() == Peer::half_closed && !co_await wait_until_taken(executor_, socket, kTakenTimeout));
  is_lost_ = is_lost;
  co_return !is_lost;
}

// At once, if the socket takes it.
asio::awaitable<bool> HttpConnection::write_all(std::string_view text) {
  if (text.starts_with(sent_ahead_)) text.remove_prefix(sent_ahead_.size());
  sent_ahead_ = {};
  const auto sent = stream_.write_now(text);
  if (!sent) co_return false;
  text.remove_prefix(*sent);
  if (text.empty() && !stream_.has_unsent()) co_return true;
  is_writing_ = true;
  stream_.expires_after(options_->read_timeout);
  const auto [error, bytes] = co_await asio::async_write(stream_, asio::buffer(text), kAwait);
  stream_.expires_never();
  is_writing_ = false;
  co_return !error;
}

// -- an answer piece by piece; of unknown length, in chunks (RFC 9112, section 7.1)

asio::awaitable<bool> HttpConnection::begin(Answer head, std::optional<std::uint64_t> bytes) {
  const BodyEnd end{.length = bytes, .is_chunked = !bytes};
  left_ = answered_->method == "HEAD" ? std::optional<std::uint64_t>(0) : bytes;
  const auto text = head_text(*options_, head, answered_, end, may_go_on(*answered_));
  const bool good = co_await write_all(text);
  is_streaming_ = true;
  co_return good;
}

asio::awaitable<bool> HttpConnection::write(std::string_view piece) {
  if (piece.empty()) co_return true;  // an empty chunk would be the last
  if (!left_) {
    // Zeros may stand before its size.
    auto chunk = fmt::format("{}{:x}\r\n", sent_ahead_, piece.size());
    chunk.append(piece).append("\r\n");
    co_return co_await write_all(chunk);
  }
  if (!co_await write_all(piece)) co_return false;
  *left_ -= piece.size();
  co_return true;
}

// Writes the handler's answer, if it has not been given already, or ends the one that has begun. `head`: of the
// request, if it could be read.
asio::awaitable<bool> HttpConnection::finish(Answer made, const RequestHead* head, bool keep_alive) {
  bool good = true;
  if (std::exchange(is_streaming_, false)) {
    good = left_ ? *left_ == 0 : co_await write_all("0\r\n\r\n");
  } else if (std::exchange(is_given_, false)) {
    good = !is_lost_;
  } else {
    const auto text = answer_text(*options_, made, head, keep_alive);
    good = co_await write_all(text);
  }
  sent_ahead_ = {};
  if (good && !keep_alive) co_await drain();
  co_return good&& keep_alive;
}

// Closes without a reset: a client that still sends would lose the answer otherwise.
asio::awaitable<void> HttpConnection::drain() {
  stream_.end_sending();
  stream_.expires_after(2s);
  std::array<char, 16384> waste;
  for (std::size_t total = 0; total < kDrainBytesMax;) {
    const auto [error, bytes] = co_await stream_.async_read_some(asio::buffer(waste), kAwait);
    if (error) break;
    total += bytes;
  }
}

asio::awaitable<bool> HttpConnection::upgrade(HttpRequest& request) {
  std::string agent(request.target.parameter("agent"));
  if (agent.empty()) agent = request.agent;
  std::string wrong;
  if (!agent.empty() && !is_name(agent)) wrong = "the agent's name is not 1 to 255 bytes without control characters";
  if (request.head.has_body() || reader_.has_more()) wrong = "bytes came before the WebSocket handshake was done";
  if (!wrong.empty()) {
    Refusal why{.status = 400, .error = {ErrorCode::malformed, std::move(wrong)}};
    co_return co_await refuse(std::move(why), &request.head);
  }
  if (auto why = refuse_handshake(request.head)) {
    Answer made = error_answer(why->error);
    made.status = why->status;
    if (made.status == 426) {
      made.headers.emplace_back("Upgrade", "websocket");
      made.headers.emplace_back("Sec-WebSocket-Version", "13");
    }
    co_return co_await finish(std::move(made), &request.head, false);
  }
  auto events = event_channel(chosen_protocol(request.head), request.target);
  if (!events) co_return co_await finish(error_answer(events.error()), &request.head, false);
  link_.drop_link();  // the session has one of its own
  WebsocketUpgrade parts{.head = std::move(request.head),
                         .agent = std::move(agent),
                         .token = std::move(request.token),
                         .events = std::move(*events)};
  websocket_ = std::make_shared<WebsocketSession>(context_, std::move(stream_), guest_, std::move(parts));
  if (is_stopping_) websocket_->stop(false);
  co_await websocket_->run();
  co_return false;
}

}  // namespace folkmoot
