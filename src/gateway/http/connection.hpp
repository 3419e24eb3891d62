// One HTTP/1.1 connection: a loop of request, handler, answer on a strand of its own. Requests that arrive before the
// answer to the one before wait in the buffer. Becomes a WebSocket when a request asks for it.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "gateway/http/body_stream.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/websocket/session.hpp"

namespace folkmoot {

class HttpConnection : public std::enable_shared_from_this<HttpConnection>, private AnswerStream {
 public:
  /// `first` are bytes that were read from the socket already.
  HttpConnection(const Context& context, Stream stream, std::string_view first);

  asio::awaitable<void> run();

  asio::any_io_executor executor() { return executor_; }

  /// Ends it after the request that is being answered; `now`: at once. Any thread.
  void stop(bool now);

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;
  using RawRequest = beast::http::request<beast::http::string_body>;

  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> serve_streamed(Parser& parser, Target target, const RouteMatch& match);
  beast::error_code parse_buffered(Parser& parser);
  asio::awaitable<bool> read_head(Parser& parser);
  asio::awaitable<bool> read_body(Parser& parser);
  asio::awaitable<bool> refuse_unread(beast::error_code error);
  asio::awaitable<bool> refuse(int status, ErrorCode code, std::string text);
  asio::awaitable<Answer> answer(const RawRequest& raw, const HttpRequest& request, const RouteMatch& match,
                                 BodyStream* body = nullptr);
  asio::awaitable<Answer> handle(const HttpRoute& route, const RawRequest& raw, const HttpRequest& request,
                                 std::string parameter, BodyStream* body);
  bool may_go_on(const RawRequest& raw) const { return raw.keep_alive() && !is_stopping_ && !context_.is_draining; }
  asio::awaitable<bool> write(const Answer& answer, const RawRequest& raw, bool keep_alive);
  asio::awaitable<bool> give(Answer answer) override;
  asio::awaitable<bool> begin(Answer head, std::optional<std::uint64_t> bytes) override;
  asio::awaitable<bool> write(std::string_view piece) override;
  asio::awaitable<bool> finish(Answer made, const RawRequest& raw, bool keep_alive);
  asio::awaitable<bool> write_all(std::string_view text);
  asio::awaitable<void> upgrade(RawRequest raw, HttpRequest request);
  asio::awaitable<void> drain();
  void watch_client();
  void watch_for_loss();
  void probe();
  void client_is_gone();

  const Context& context_;
  Stream stream_;
  const asio::any_io_executor executor_;  // the strand; stream_ may have gone to a WebSocket
  beast::flat_buffer buffer_;
  LinkCaller link_;
  std::shared_ptr<WebsocketSession> websocket_;
  bool is_idle_ = true;  // between requests
  bool is_stopping_ = false;
  const RawRequest* answered_ = nullptr;  // by the handler that runs
  bool is_streaming_ = false;             // its answer has begun
  bool is_given_ = false;                 // its answer has been written
  bool is_lost_ = false;                  // ... in vain
  // Bytes of it that were promised and not written yet; nothing: it goes out in chunks.
  std::optional<std::uint64_t> left_;
  bool is_watched_ = false;      // a handler runs that wants to know when the client goes away
  bool is_writing_ = false;      // some of an answer is on its way
  std::string_view sent_ahead_;  // of what is written next, by probe()
};

}  // namespace folkmoot
