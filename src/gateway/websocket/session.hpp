// A WebSocket after its handshake (docs/protocol.md, section 11): two coroutines on one strand.
//
//   reader: client's message -> frames -> link; waits while the link's inbox is full, so TCP slows the client down
//   writer: link -> frames -> client's messages; takes from the link when all before it is written, so that a slow
//   reader is
//           the server's to hold or cut, and this session keeps no queue of its own
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <unordered_set>

#include "gateway/http/head.hpp"
#include "gateway/json_frames.hpp"
#include "gateway/wakeup.hpp"
#include "gateway/websocket/event_channel.hpp"

namespace folkmoot {

struct WebsocketUpgrade {
  RequestHead head;
  std::string agent;
  std::string token;
  std::optional<EventChannel> events{};  // of a sub-protocol of CloudEvents, and nothing else
};

/// What is wrong with a handshake (RFC 6455, section 4.2.1), with the status that it is refused with. Requires: the
/// request asks for a WebSocket.
std::optional<Refusal> refuse_handshake(const RequestHead& head);

class WebsocketSession : public std::enable_shared_from_this<WebsocketSession> {
 public:
  /// `guest` is the connection's, and outlives it.
  WebsocketSession(const Context& context, ClientStream stream, Guest& guest, WebsocketUpgrade upgrade);
  ~WebsocketSession();

  /// Until the client or the server has ended it.
  asio::awaitable<void> run();
  /// Says goodbye and closes; `now`: without waiting for the client. On the strand only.
  void stop(bool now);

 private:
  using Websocket = beast::websocket::stream<ClientStream>;

  void connect();
  asio::awaitable<void> greet();
  asio::awaitable<void> read_messages();
  asio::awaitable<bool> read_message(beast::flat_buffer& buffer);
  asio::awaitable<void> write_messages();
  asio::awaitable<bool> write(std::string_view message, bool is_text);
  asio::awaitable<bool> write_taken(std::string_view taken);
  bool take_text(std::string_view message, std::string& frames, bool& is_hello);
  bool take_binary(std::string_view message, bool& is_hello);
  void end(Error why);
  void end_after_answers(Error why);
  bool waits_for_answers() const;
  void expect_answers(Bytes frames);
  void note_answer(const FrameHeader& header);
  void expect_by(Clock::time_point deadline, std::string otherwise);
  void become_known();

  const Context& context_;
  const std::shared_ptr<const GatewayOptions> options_;  // as they were when it began
  Guest& guest_;
  const LinkOrigin origin_;  // the client
  Websocket socket_;
  const WebsocketUpgrade upgrade_;
  const std::shared_ptr<Wakeup> wakeup_;
  std::shared_ptr<Link> link_;
  const std::unique_ptr<TextSide> text_;
  std::deque<std::string> answers_;  // to text that was refused here; read_messages() waits while it is long
  std::string unsent_;               // CANCELs for the server: at most one for each operation in flight
  std::optional<Error> ended_;       // why, once it is over for the reader
  std::optional<Clock::time_point> answers_until_;  // ... and that what was asked before is answered first, until then
  std::unordered_multiset<std::uint32_t> owed_;     // numbers of binary frames that are not answered yet
  asio::steady_timer deadline_;                     // for being welcome, then for a message that has begun
  bool is_in_message_ = false;
  bool last_was_text_ = false;
  bool is_greeted_ = false;  // a HELLO has gone to the server, and was welcome if the door said it
  bool has_asked_ = false;   // the client has sent a message
  bool is_lost_ = false;     // the client is gone, or has closed
  bool is_parting_ = false;  // GOODBYE has been said: nothing but the close comes after it
  bool is_written_ = false;  // the writer has ended
};

}  // namespace folkmoot
