#include "gateway/websocket/session.hpp"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <chrono>

#include "base/base64.hpp"
#include "gateway/json_answers.hpp"
#include "gateway/limits.hpp"
#include "message/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {
namespace {

namespace websocket = beast::websocket;

constexpr std::size_t kAnswersMax = 64;
constexpr std::size_t kWriteBytesMax = 1024 * 1024;  // of binary frames put into one message
constexpr std::size_t kNoLimit = std::size_t{1} << 31;
constexpr std::size_t kFirstReadBytes = 2 * 1024;  // what a connection holds that has nothing to say
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kKeptBytes = 64 * 1024;  // of the memory for messages, between them
constexpr std::size_t kOwedMax = 64 * 1024;    // answers that a close waits for
constexpr std::size_t kKeyBytes = 16, kKeyTextBytes = 24;

websocket::close_reason close_reason(const std::optional<Error>& error) {
  if (!error) return websocket::close_code::normal;
  switch (error->code) {
    case ErrorCode::shutting_down:
    case ErrorCode::connection_lost:
      return websocket::close_code::going_away;
    case ErrorCode::frame_too_large:
      return websocket::close_code::too_big;
    case ErrorCode::malformed:
      return websocket::close_code::protocol_error;
    case ErrorCode::busy:
      return websocket::close_code::try_again_later;
    default:
      return {websocket::close_code::policy_error, name(error->code)};
  }
}

websocket::permessage_deflate compression() {
  websocket::permessage_deflate deflate;
  deflate.server_enable = true;
  deflate.server_max_window_bits = kWindowBits;
  deflate.client_max_window_bits = kWindowBits;
  deflate.compLevel = kCompressionLevel;
  deflate.memLevel = kCompressionMemory;
  deflate.msg_size_threshold = kCompressedBytesMin;
  return deflate;
}

websocket::stream_base::timeout timeouts(const GatewayOptions& options, std::chrono::milliseconds handshake) {
  return {.handshake_timeout = handshake, .idle_timeout = options.idle_timeout, .keep_alive_pings = true};
}

// In the ids of its events: another for each.
std::string session_name() {
  static std::atomic<std::uint64_t> count = 0;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("{:x}-{}", std::chrono::duration_cast<std::chrono::microseconds>(now).count(), ++count);
}

std::unique_ptr<TextSide> make_text_side(const WebsocketUpgrade& upgrade) {
  if (upgrade.events) return std::make_unique<EventSession>(*upgrade.events, session_name());
  return std::make_unique<TextSession>(upgrade.agent, upgrade.token);
}

}  // namespace

std::optional<Refusal> refuse_handshake(const RequestHead& head) {
  const auto refusal = [](int status, std::string text) {
    return Refusal{.status = status, .error = {ErrorCode::malformed, std::move(text)}};
  };
  if (head.count("sec-websocket-version") != 1 || head.field("sec-websocket-version") != "13") {
    return refusal(426, "Sec-WebSocket-Version is not said once as 13, the version that is spoken here");
  }
  const auto text = head.field("sec-websocket-key");
  const auto key = decode_base64(text);
  if (head.count("sec-websocket-key") != 1 || text.size() != kKeyTextBytes || !key || key->size() != kKeyBytes) {
    return refusal(400, "Sec-WebSocket-Key is not said once as 16 bytes in base64");
  }
  return std::nullopt;
}

WebsocketSession::WebsocketSession(const Context& context, ClientStream stream, Guest& guest, WebsocketUpgrade upgrade)
    : context_(context),
      options_(context.options()),
      guest_(guest),
      origin_{.address = peer_address(stream.socket().native_handle()), .certified = stream.verified()},
      socket_(std::move(stream)),
      upgrade_(std::move(upgrade)),
      wakeup_(std::make_shared<Wakeup>(socket_.get_executor())),
      text_(make_text_side(upgrade_)),
      deadline_(socket_.get_executor()) {
  beast::get_lowest_layer(socket_).expires_never();  // the WebSocket layer has its own time-outs
  socket_.set_option(timeouts(*options_, options_->read_timeout));
  socket_.set_option(websocket::stream_base::decorator(
      [software = options_->software, protocol = chosen_protocol(upgrade_.head)](websocket::response_type& answer) {
        answer.set(beast::http::field::server, software);
        if (!protocol.empty()) answer.set(beast::http::field::sec_websocket_protocol, protocol);
      }));
  socket_.set_option(compression());
  socket_.auto_fragment(false);
  socket_.read_message_max(0);  // read_message() has the bounds
}

WebsocketSession::~WebsocketSession() {
  if (link_) link_->close();
}

asio::awaitable<void> WebsocketSession::run() {
  auto self = shared_from_this();
  beast::http::request<beast::http::empty_body> request(beast::http::verb::get, upgrade_.head.target, 11);
  for (const auto& [name, value] : upgrade_.head.fields) request.insert(name, value);
  const auto [error] = co_await socket_.async_accept(request, kAwait);
  if (error) co_return;
  co_await greet();
  if (upgrade_.events && !is_greeted_) {
    // A HELLO cannot be said by an event.
    end({ErrorCode::unauthorized, "the upgrade has not shown the server's token"});
  } else if (upgrade_.events) {
    unsent_ = static_cast<EventSession&>(*text_).begin();
  }
  if (context_.is_draining) end({ErrorCode::shutting_down, "the server is stopping"});
  if (guest_.is_stranger()) expect_by(Clock::now() + options_->hello_timeout, "nobody has said who this is in time");
  asio::co_spawn(socket_.get_executor(), [self] { return self->write_messages(); }, asio::detached);
  co_await read_messages();
  wakeup_->notify();
  while (!is_written_) co_await wakeup_->wait();
  if (link_) link_->close();
}

void WebsocketSession::connect() {
  if (link_) link_->close();
  link_ = context_.hub.connect(DoorKind::websocket, kLinkInboxBytesMax,
                               notifier(context_, socket_.get_executor(), wakeup_));
  if (!link_) return end({ErrorCode::shutting_down, "the server is stopping"});
  link_->origin = origin_;
}

// Says HELLO as the upgrade does: who has the token need not say it, and is there as soon as it is connected. Whoever
// is not welcome so says it over a new link.
asio::awaitable<void> WebsocketSession::greet() {
  connect();
  if (!link_) co_return;
  std::string hello;
  append_hello(hello, kTextRequestMin, {.agent = upgrade_.agent, .token = upgrade_.token, .software = "websocket"});
  link_->send(hello);
  const auto deadline = Clock::now() + kAnswerTimeout;
  for (bool is_answered = false; !is_answered && !ended_ && Clock::now() < deadline;) {
    const bool was_closed = link_->closed();
    const auto taken = link_->take();
    auto rest = as_bytes(taken);
    const auto frame = cut_frame(rest, kNoLimit);
    is_answered = was_closed || (frame && *frame);
    if (is_answered) is_greeted_ = frame && *frame && (*frame)->header.opcode == Opcode::welcome;
    if (!is_answered) co_await wakeup_->wait(deadline);
  }
  if (is_greeted_) co_return become_known();
  connect();
}

void WebsocketSession::stop(bool now) {
  end({ErrorCode::shutting_down, "the server is stopping"});
  if (now) beast::get_lowest_layer(socket_).close();
}

// No more from the client; the writer says why and closes.
void WebsocketSession::end(Error why) {
  if (!ended_) ended_ = std::move(why);
  wakeup_->notify();
}

// ... but not before what was asked until now has been answered, as far as that is soon.
void WebsocketSession::end_after_answers(Error why) {
  if (!ended_) {
    answers_until_ = Clock::now() + kAnswersTimeout;
    ++context_.faults;
  }
  end(std::move(why));
}

bool WebsocketSession::waits_for_answers() const {
  return answers_until_ && Clock::now() < *answers_until_ && (!owed_.empty() || text_->owes_answers());
}

void WebsocketSession::expect_answers(Bytes frames) {
  while (owed_.size() < kOwedMax) {
    const auto frame = cut_frame(frames, kNoLimit);
    if (!frame || !*frame) break;
    const auto& header = (*frame)->header;
    if (is_answered_soon(header.opcode, (header.flags & kFlagQuiet) != 0)) owed_.insert(header.request);
  }
}

void WebsocketSession::note_answer(const FrameHeader& header) {
  if (header.opcode == Opcode::deliver || header.opcode == Opcode::lagged) return;
  if (const auto found = owed_.find(header.request); found != owed_.end()) owed_.erase(found);
}

// -- what a client may cost

void WebsocketSession::expect_by(Clock::time_point deadline, std::string otherwise) {
  deadline_.expires_at(deadline);
  deadline_.async_wait([weak = weak_from_this(), otherwise = std::move(otherwise)](beast::error_code error) mutable {
    const auto self = weak.lock();
    if (!error && self) self->end_after_answers({ErrorCode::timed_out, std::move(otherwise)});
  });
}

void WebsocketSession::become_known() {
  if (!guest_.is_stranger()) return;
  guest_.become_known();
  deadline_.cancel();
  if (is_in_message_) expect_by(Clock::now() + options_->read_timeout, "a message did not come whole in time");
}

// A whole message. False: there is none, and it is over.
asio::awaitable<bool> WebsocketSession::read_message(beast::flat_buffer& buffer) {
  auto wanted = kFirstReadBytes;
  do {
    const auto [error, bytes] = co_await socket_.async_read_some(buffer, wanted, kAwait);
    if (error) is_lost_ = true;
    if (error || ended_) co_return false;
    wanted = kReadBytes;
    const auto most = guest_.is_stranger() ? kHelloBytesMax : options_->frame_bytes_max;
    if (buffer.size() > most) {
      end_after_answers({ErrorCode::frame_too_large, fmt::format("a message is longer than {} bytes", most)});
      co_return false;
    }
    if (!guest_.hold(buffer.capacity())) {
      end_after_answers({ErrorCode::busy, "too many bytes of messages are on their way (http.unfinished_bytes)"});
      co_return false;
    }
    if (!socket_.is_message_done() && !std::exchange(is_in_message_, true) && !guest_.is_stranger()) {
      expect_by(Clock::now() + options_->read_timeout, "a message did not come whole in time");
    }
  } while (!socket_.is_message_done());
  if (std::exchange(is_in_message_, false) && !guest_.is_stranger()) deadline_.cancel();
  co_return true;
}

asio::awaitable<void> WebsocketSession::read_messages() {
  beast::flat_buffer buffer;
  while (!ended_ && co_await read_message(buffer)) {
    const auto bytes = buffer.size();
    const std::string_view message{static_cast<const char*>(buffer.data().data()), bytes};
    std::string made;
    bool is_hello = false;
    last_was_text_ = socket_.got_text();
    if (last_was_text_ ? !take_text(message, made, is_hello) : !take_binary(message, is_hello)) {
      buffer.consume(bytes);
      while (answers_.size() >= kAnswersMax && !ended_ && !is_written_) co_await wakeup_->wait();
      continue;
    }
    std::string frames;
    if (is_hello && is_greeted_ && !has_asked_) {
      connect();  // it says itself who it is
      if (!link_) co_return;
    } else if (!is_greeted_ && !is_hello) {
      append_hello(frames, kTextRequestMin,
                   {.agent = upgrade_.agent, .token = upgrade_.token, .software = "websocket"});
    }
    is_greeted_ = has_asked_ = true;
    frames.append(last_was_text_ ? std::string_view(made) : message);
    if (!last_was_text_) expect_answers(as_bytes(message));
    buffer.consume(bytes);
    if (buffer.capacity() > kKeptBytes) buffer.shrink_to_fit();
    while (!link_->send(frames)) {
      if (link_->closed() || ended_ || is_written_) co_return;
      co_await wakeup_->wait();
    }
    guest_.hold(buffer.capacity());
  }
}

// False: nothing goes to the server; the client has been answered.
bool WebsocketSession::take_text(std::string_view message, std::string& frames, bool& is_hello) {
  auto asked = text_->ask(message);
  is_hello = asked.is_hello;
  frames = std::move(asked.frames);
  if (!asked.answer.empty()) {
    answers_.push_back(std::move(asked.answer));
    wakeup_->notify();
  }
  return !frames.empty();
}

// Only the framing is looked at; the rest is the server's to judge.
bool WebsocketSession::take_binary(std::string_view message, bool& is_hello) {
  auto rest = as_bytes(message);
  bool is_first = true;
  if (upgrade_.events) return end_after_answers({ErrorCode::malformed, "CloudEvents in JSON come as text"}), false;
  while (!rest.empty()) {
    const auto frame = cut_frame(rest, options_->frame_bytes_max);
    if (!frame) return end_after_answers(frame.error()), false;
    if (!*frame) return end_after_answers({ErrorCode::malformed, "a binary message ends inside a frame"}), false;
    if ((*frame)->header.request >= kTextRequestMin) {
      return end_after_answers({ErrorCode::malformed, "request numbers of binary messages are below 2147483648"}),
             false;
    }
    if (is_first) is_hello = (*frame)->header.opcode == Opcode::hello;
    is_first = false;
  }
  return !is_first;
}

asio::awaitable<void> WebsocketSession::write_messages() {
  auto self = shared_from_this();
  for (bool good = true; good;) {
    while (good && !answers_.empty()) {
      const auto answer = std::move(answers_.front());
      answers_.pop_front();
      wakeup_->notify();
      good = co_await write(answer, true);
    }
    if (!good || is_lost_ || is_parting_) break;
    // While the server's inbox is full they wait here: it says so when it has been emptied.
    if (!unsent_.empty() && link_ && link_->send(unsent_)) unsent_.clear();
    const bool was_closed = !link_ || link_->closed();
    const auto taken = link_ ? link_->take() : std::string{};
    if (!taken.empty()) {
      good = co_await write_taken(taken);
      continue;
    }
    if (!was_closed && waits_for_answers()) {
      co_await wakeup_->wait(*answers_until_);
      continue;
    }
    if (ended_ && !was_closed) {
      // Our own reason to end, in the form that the client speaks.
      std::string goodbye;
      append_error(goodbye, Opcode::goodbye, 0, *ended_);
      co_await write_taken(goodbye);
    }
    if (ended_ || was_closed) break;
    co_await wakeup_->wait();
  }
  if (!is_lost_) {
    if (!ended_) ended_ = Error{ErrorCode::connection_lost, "the server ended the connection"};
    socket_.set_option(timeouts(*options_, kCloseTimeout));
    co_await socket_.async_close(close_reason(ended_), kAwait);
  }
  is_written_ = true;
  wakeup_->notify();
}

// Runs of frames for the binary side go out as one message, as they lie in `taken`.
asio::awaitable<bool> WebsocketSession::write_taken(std::string_view taken) {
  auto rest = as_bytes(taken);
  std::size_t from = 0, at = 0;
  bool good = true;
  while (good && !rest.empty()) {
    const auto frame = cut_frame(rest, kNoLimit);
    if (!frame || !*frame) co_return false;
    const auto end = taken.size() - rest.size();
    const bool is_goodbye = (*frame)->header.opcode == Opcode::goodbye;
    if ((*frame)->header.opcode == Opcode::welcome) become_known();
    note_answer((*frame)->header);
    auto told = text_->tell(**frame);
    if (is_goodbye) {
      const bool as_text = last_was_text_ || upgrade_.events;
      told = {.is_mine = as_text, .text = as_text ? text_->goodbye(**frame) : std::string{}};
      const auto why = read_error(**frame);
      if (!ended_ && why) ended_ = *why;
      is_parting_ = true;
    }
    if (told.is_mine || end - from > kWriteBytesMax) {
      if (at > from) good = co_await write(taken.substr(from, at - from), false);
      from = told.is_mine ? end : at;
      unsent_.append(told.frames);
      if (good && !told.text.empty()) good = co_await write(told.text, true);
      if (good && !told.more.empty()) good = co_await write(told.more, true);
      if (told.end) this->end(std::move(*told.end));
    }
    at = end;
    if (is_parting_) break;
  }
  if (good && at > from) good = co_await write(taken.substr(from, at - from), false);
  co_return good;
}

asio::awaitable<bool> WebsocketSession::write(std::string_view message, bool is_text) {
  socket_.text(is_text);
  const auto [error, bytes] = co_await socket_.async_write(asio::buffer(message.data(), message.size()), kAwait);
  co_return !error;
}

}  // namespace folkmoot
