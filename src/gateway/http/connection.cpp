#include "gateway/http/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "base/utf8.hpp"
#include "gateway/http/peer.hpp"

namespace folkmoot {
namespace {

namespace http = beast::http;
using namespace std::chrono_literals;

constexpr std::size_t kBufferBytesMax = 1024 * 1024;
constexpr std::size_t kDrainBytesMax = 16 * 1024 * 1024;
constexpr auto kTakenTimeout = 5s;  // for a client that has closed its side to take its answer

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string bearer_token(std::string_view authorization) {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() <= kBearer.size()) return {};
  return lower(authorization.substr(0, kBearer.size())) == kBearer ? std::string(authorization.substr(kBearer.size()))
                                                                   : std::string();
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// What a page of `origin` may do: the value of Access-Control-Allow-Origin; empty: nothing.
std::string allowed_origin(const GatewayOptions& options, std::string_view origin) {
  for (const auto& allowed : options.cors_origins) {
    if (allowed == "*") return "*";
    if (!origin.empty() && allowed == origin) return allowed;
  }
  return {};
}

// Browsers let pages of any origin open a WebSocket or send a plain POST, so the server must tell them apart.
bool may_come_from(const GatewayOptions& options, std::string_view origin, std::string_view host) {
  if (origin.empty() || !allowed_origin(options, origin).empty()) return true;
  const auto scheme_end = origin.find("://");
  return scheme_end != std::string_view::npos && origin.substr(scheme_end + 3) == host;
}

HttpRequest request_of(const http::request<http::string_body>& raw) {
  return {.method = std::string(view(raw.method_string())),
          .target = {},
          .agent = std::string(view(raw["X-Agent"])),
          .token = bearer_token(view(raw[http::field::authorization])),
          .accept = lower(view(raw[http::field::accept])),
          .range = std::string(view(raw[http::field::range])),
          .body = {}};
}

// The fields of an answer's header but for its length.
template <class Body>
void dress(http::response<Body>& response, const Answer& made, const GatewayOptions& options,
           std::string_view from_origin) {
  if (made.status == 499) response.reason("Client Closed Request");
  response.set(http::field::server, options.software);
  if (!made.content_type.empty()) response.set(http::field::content_type, made.content_type);
  response.set(http::field::cache_control, "no-store");
  for (const auto& [field, value] : made.headers) response.set(field, value);
  const auto origin = allowed_origin(options, from_origin);
  if (!origin.empty()) {
    response.set(http::field::access_control_allow_origin, origin);
    if (origin != "*") response.set(http::field::vary, "Origin");
  }
}

// Status line and fields (RFC 9112, section 2.1).
std::string head_text(const http::response_header<>& head) {
  std::string text;
  text.reserve(512);
  text.append(head.version() == 10 ? "HTTP/1.0 " : "HTTP/1.1 ").append(std::to_string(head.result_int())).append(" ");
  text.append(view(head.reason().empty() ? http::obsolete_reason(head.result()) : head.reason())).append("\r\n");
  for (const auto& field : head) {
    text.append(view(field.name_string())).append(": ").append(view(field.value())).append("\r\n");
  }
  return text.append("\r\n");
}

}  // namespace

HttpConnection::HttpConnection(const Context& context, Stream stream, std::string_view first)
    : context_(context),
      stream_(std::move(stream)),
      executor_(stream_.get_executor()),
      buffer_(std::max(kBufferBytesMax, first.size())),
      link_(context, executor_) {
  const auto room = buffer_.prepare(first.size());
  std::copy(first.begin(), first.end(), static_cast<char*>(room.data()));
  buffer_.commit(first.size());
}

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

// False once the connection is over.
asio::awaitable<bool> HttpConnection::serve_one() {
  is_idle_ = true;
  if (is_stopping_ || context_.is_draining) co_return false;
  if (buffer_.size() == 0) {
    stream_.expires_after(context_.options.idle_timeout);
    const auto [error, bytes] = co_await stream_.async_read_some(buffer_.prepare(4096), kAwait);
    if (error) co_return false;
    buffer_.commit(bytes);
  }
  is_idle_ = false;

  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(context_.options.header_bytes_max));
  parser.body_limit(boost::none);
  if (!co_await read_head(parser)) co_return false;
  auto target = parse_target(view(parser.get().target()));
  const auto match = target ? match_route(view(parser.get().method_string()), *target) : RouteMatch();
  if (match.route && match.route->is_streamed) co_return co_await serve_streamed(parser, std::move(*target), match);
  if (!co_await read_body(parser)) co_return false;
  RawRequest raw = parser.release();
  HttpRequest request = request_of(raw);
  request.body = std::move(raw.body());
  raw.body().clear();
  if (!target) co_return co_await finish(error_answer(target.error()), raw, raw.keep_alive());
  request.target = std::move(*target);

  if (!may_come_from(context_.options, view(raw[http::field::origin]), view(raw[http::field::host]))) {
    co_return co_await refuse(
        403, ErrorCode::not_permitted,
        fmt::format("pages of {} may not use this server; see http.cors_origins", view(raw[http::field::origin])));
  }
  if (match.route && match.route->is_upgrade && beast::websocket::is_upgrade(raw)) {
    if (buffer_.size() != 0)
      co_return co_await refuse(400, ErrorCode::malformed, "bytes came before the WebSocket handshake was done");
    co_await upgrade(std::move(raw), std::move(request));
    co_return false;
  }
  Answer made = co_await answer(raw, request, match);
  co_return co_await finish(std::move(made), raw, may_go_on(raw));
}

// A request whose body is of any size.
asio::awaitable<bool> HttpConnection::serve_streamed(Parser& parser, Target target, const RouteMatch& match) {
  RawRequest raw(static_cast<const http::request_header<>&>(parser.get()));
  HttpRequest request = request_of(raw);
  request.target = std::move(target);
  const auto origin = view(raw[http::field::origin]);
  if (!may_come_from(context_.options, origin, view(raw[http::field::host]))) {
    co_return co_await refuse(403, ErrorCode::not_permitted,
                              fmt::format("pages of {} may not use this server; see http.cors_origins", origin));
  }
  HttpBodyStream body(stream_, buffer_, context_.options.read_timeout, std::move(parser));
  Answer made = co_await answer(raw, request, match, &body);
  co_return co_await finish(std::move(made), raw, body.is_read() && may_go_on(raw));
}

// Parses what has come already; most requests come in one piece, and need no more than this.
beast::error_code HttpConnection::parse_buffered(Parser& parser) {
  beast::error_code error;
  buffer_.consume(parser.put(buffer_.data(), error));
  return error == http::error::need_more ? beast::error_code() : error;
}

asio::awaitable<bool> HttpConnection::read_head(Parser& parser) {
  auto error = parse_buffered(parser);
  if (!error && !parser.is_header_done()) {
    stream_.expires_after(context_.options.read_timeout);
    std::tie(error, std::ignore) = co_await http::async_read_header(stream_, buffer_, parser, kAwait);
  }
  if (!error && http::token_list(parser.get()[http::field::expect]).exists("100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
    std::tie(error, std::ignore) = co_await http::async_write(stream_, go_on, kAwait);
  }
  if (error) co_return co_await refuse_unread(error);
  co_return true;
}

asio::awaitable<bool> HttpConnection::read_body(Parser& parser) {
  // Whether a body may be long was not known before its header was read.
  const auto length = parser.content_length();
  if (length && *length > context_.options.body_bytes_max) co_return co_await refuse_unread(http::error::body_limit);
  parser.body_limit(context_.options.body_bytes_max);
  auto error = parser.is_done() || buffer_.size() == 0 ? beast::error_code() : parse_buffered(parser);
  if (!error && !parser.is_done()) {
    stream_.expires_after(context_.options.read_timeout);
    std::tie(error, std::ignore) = co_await http::async_read(stream_, buffer_, parser, kAwait);
  }
  if (error) co_return co_await refuse_unread(error);
  co_return true;
}

asio::awaitable<bool> HttpConnection::refuse_unread(beast::error_code error) {
  const auto& options = context_.options;
  if (error == http::error::header_limit) {
    co_return co_await refuse(431, ErrorCode::malformed,
                              fmt::format("the request's header is longer than {} bytes", options.header_bytes_max));
  }
  if (error == http::error::body_limit) {
    co_return co_await refuse(413, ErrorCode::content_too_large,
                              fmt::format("the request's body is longer than {} bytes", options.body_bytes_max));
  }
  const bool is_syntax = error.category() == http::make_error_code(http::error::bad_method).category();
  if (is_syntax && error != http::error::end_of_stream && error != http::error::partial_message) {
    co_return co_await refuse(400, ErrorCode::malformed, fmt::format("this is not HTTP/1.1: {}", error.message()));
  }
  co_return false;  // gone, or too slow
}

// Answers what could not be read or may not go on, and ends the connection.
// (Its arguments are not one Error: g++ 12 destroys a braced temporary inside co_await twice.)
asio::awaitable<bool> HttpConnection::refuse(int status, ErrorCode code, std::string text) {
  Answer made = error_answer({code, std::move(text)});
  made.status = status;
  const RawRequest none{http::verb::get, "/", 11};
  co_return co_await finish(std::move(made), none, false);
}

asio::awaitable<Answer> HttpConnection::answer(const RawRequest& raw, const HttpRequest& request,
                                               const RouteMatch& match, BodyStream* body) {
  if (request.method == "OPTIONS" && !match.allowed.empty()) {
    Answer made{.status = 204, .body = {}, .content_type = {}, .headers = {{"Allow", match.allowed}}};
    if (!allowed_origin(context_.options, view(raw[http::field::origin])).empty()) {
      made.headers.emplace_back("Access-Control-Allow-Methods", match.allowed);
      made.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type, Range, X-Agent");
      made.headers.emplace_back("Access-Control-Max-Age", "86400");
    }
    co_return made;
  }
  if (!match.route) {
    if (match.allowed.empty()) {
      co_return error_answer(
          {ErrorCode::not_found, fmt::format("there is nothing at {}", view(raw.target()).substr(0, 200))});
    }
    Answer made = error_answer({ErrorCode::unknown_opcode,
                                fmt::format("{} is not for this address; it takes {}", request.method, match.allowed)});
    made.status = 405;
    made.headers.emplace_back("Allow", match.allowed);
    co_return made;
  }
  if (!request.agent.empty() && !is_name(request.agent)) {
    co_return error_answer(
        {ErrorCode::invalid_name, "X-Agent is not 1 to 255 bytes of UTF-8 without control characters"});
  }
  co_return co_await handle(*match.route, raw, request, match.parameter, body);
}

asio::awaitable<Answer> HttpConnection::handle(const HttpRoute& route, const RawRequest& raw,
                                               const HttpRequest& request, std::string parameter, BodyStream* body) {
  if (auto good = check_query(route, request.target); !good) co_return error_answer(good.error());
  if (!route.is_upgrade) {
    // Who takes messages without saying who it is, is the one they are for.
    const std::string_view agent = request.agent.empty() ? request.target.parameter("agent") : request.agent;
    if (auto open = link_.open(request.token, agent); !open) co_return error_answer(open.error());
  }
  link_.resume();
  answered_ = &raw;
  Exchange exchange{request, std::move(parameter), link_,          context_.options, body,
                    *this,   raw.version() >= 11,  route.operation};
  stream_.expires_never();
  if (route.may_wait) watch_client();
  Answer made = co_await route.handler(exchange);
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
  stream_.socket().async_wait(Stream::socket_type::wait_read, [self = shared_from_this()](beast::error_code error) {
    if (error || !self->is_watched_) return;
    const auto peer = look_at_peer(self->stream_.socket().native_handle());
    if (peer == Peer::gone) return self->client_is_gone();
    self->watch_for_loss();
    if (peer == Peer::half_closed) self->probe();
  });
}

void HttpConnection::watch_for_loss() {
  stream_.socket().async_wait(Stream::socket_type::wait_error, [self = shared_from_this()](beast::error_code error) {
    if (error || !self->is_watched_) return;
    if (look_at_peer(self->stream_.socket().native_handle()) == Peer::gone) self->client_is_gone();
  });
}

void HttpConnection::client_is_gone() { link_.interrupt({ErrorCode::cancelled, "the client is gone"}); }

// A client that has closed its sending side may read on, or be gone altogether: its host tells when something is sent
// to it. So the bytes that every answer begins with, or those that every further chunk may, go out ahead. An answer
// that is being written is as good.
void HttpConnection::probe() {
  if (is_given_ || is_writing_ || !sent_ahead_.empty() || (is_streaming_ && left_)) return;
  const std::string_view ahead = is_streaming_ ? "0" : answered_->version() == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  const auto sent = ::send(stream_.socket().native_handle(), ahead.data(), ahead.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return client_is_gone();
  sent_ahead_ = ahead.substr(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
}

// -- an answer in one piece

asio::awaitable<bool> HttpConnection::write(const Answer& made, const RawRequest& raw, bool keep_alive) {
  http::response<http::empty_body> response(static_cast<http::status>(made.status), raw.version());
  dress(response, made, context_.options, view(raw[http::field::origin]));
  const auto body = raw.method() == http::verb::head ? std::string_view() : std::string_view(made.body);
  response.keep_alive(keep_alive);
  if (made.status != 204) response.content_length(body.size());
  // In one piece, past Beast's serializer, which takes most of the time of a short answer.
  std::string text = head_text(response);
  text += body;
  co_return co_await write_all(text);
}

asio::awaitable<bool> HttpConnection::give(Answer answer) {
  is_given_ = true;
  const bool is_written = co_await write(answer, *answered_, may_go_on(*answered_));
  const int socket = stream_.socket().native_handle();
  is_lost_ =
      !is_written || look_at_peer(socket) == Peer::gone ||
      (look_at_peer(socket) == Peer::half_closed && !co_await wait_until_taken(executor_, socket, kTakenTimeout));
  co_return !is_lost_;
}

// At once, if the socket takes it.
asio::awaitable<bool> HttpConnection::write_all(std::string_view text) {
  if (text.starts_with(sent_ahead_)) text.remove_prefix(sent_ahead_.size());
  sent_ahead_ = {};
  const auto sent = ::send(stream_.socket().native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) co_return false;
  text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  if (text.empty()) co_return true;
  is_writing_ = true;
  stream_.expires_after(context_.options.read_timeout);
  const auto [error, bytes] = co_await asio::async_write(stream_, asio::buffer(text), kAwait);
  stream_.expires_never();
  is_writing_ = false;
  co_return !error;
}

// -- an answer piece by piece; of unknown length, in chunks (RFC 9112, section 7.1)

asio::awaitable<bool> HttpConnection::begin(Answer head, std::optional<std::uint64_t> bytes) {
  http::response<http::empty_body> response(static_cast<http::status>(head.status), answered_->version());
  dress(response, head, context_.options, view((*answered_)[http::field::origin]));
  response.keep_alive(may_go_on(*answered_));
  left_ = bytes;
  if (bytes) {
    response.content_length(*bytes);
    if (answered_->method() == http::verb::head) left_ = 0;
  } else {
    response.chunked(true);
  }
  const auto text = head_text(response);
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

// Writes the handler's answer, if it has not been given already, or ends the one that has begun. False once the
// connection is over.
asio::awaitable<bool> HttpConnection::finish(Answer made, const RawRequest& raw, bool keep_alive) {
  bool good = true;
  if (std::exchange(is_streaming_, false)) {
    good = left_ ? *left_ == 0 : co_await write_all("0\r\n\r\n");
  } else if (std::exchange(is_given_, false)) {
    good = !is_lost_;
  } else {
    good = co_await write(made, raw, keep_alive);
  }
  sent_ahead_ = {};
  if (good && !keep_alive) co_await drain();
  co_return good&& keep_alive;
}

// Closes without a reset: a client that still sends would lose the answer otherwise.
asio::awaitable<void> HttpConnection::drain() {
  beast::error_code ignored;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream_.expires_after(2s);
  std::array<char, 16384> waste;
  for (std::size_t total = 0; total < kDrainBytesMax;) {
    const auto [error, bytes] = co_await stream_.async_read_some(asio::buffer(waste), kAwait);
    if (error) break;
    total += bytes;
  }
}

asio::awaitable<void> HttpConnection::upgrade(RawRequest raw, HttpRequest request) {
  std::string agent(request.target.parameter("agent"));
  if (agent.empty()) agent = request.agent;
  if (!agent.empty() && !is_name(agent)) {
    co_await refuse(400, ErrorCode::invalid_name, "the agent's name is not 1 to 255 bytes without control characters");
    co_return;
  }
  WebsocketUpgrade parts{.request = std::move(raw), .agent = std::move(agent), .token = std::move(request.token)};
  websocket_ = std::make_shared<WebsocketSession>(context_, std::move(stream_), std::move(parts));
  if (is_stopping_) websocket_->stop(false);
  co_await websocket_->run();
}

}  // namespace folkmoot
