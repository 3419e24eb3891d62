// One HTTP/1.1 connection: a loop of request, handler, answer on a strand of its own. Becomes a WebSocket when a
// request asks for it.
#pragma once

#include "gateway/http/request_reader.hpp"
#include "gateway/http/routes.hpp"
#include "gateway/websocket/session.hpp"

namespace folkmoot {

class HttpConnection : public std::enable_shared_from_this<HttpConnection>, private AnswerStream {
 public:
  /// `first` are bytes that were read from the socket already.
  HttpConnection(const Context& context, ClientStream stream, Guest guest, std::string_view first);

  asio::awaitable<void> run();

  asio::any_io_executor executor() { return executor_; }

  /// Ends it after the request that is being answered; `now`: at once. Any thread.
  void stop(bool now);

 private:
  // Each is false once the connection is over.
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> serve(HttpRequest& request);
  asio::awaitable<bool> refuse(Refusal why, const RequestHead* head);
  asio::awaitable<bool> upgrade(HttpRequest& request);

  // Each is an answer, if the request is not to be carried out.
  std::optional<Answer> answer_by_header(const HttpRequest& request, const Result<Target>& target,
                                         const RouteMatch& match) const;
  asio::awaitable<std::optional<Answer>> answer_stranger(const HttpRequest& request, const RouteMatch& match);
  Answer preflight_answer(const HttpRequest& request, std::string_view allowed) const;

  asio::awaitable<Answer> handle(const HttpRoute& route, const HttpRequest& request, std::string parameter);
  bool may_go_on(const RequestHead& head) const { return head.keep_alive && !is_stopping_ && !context_.is_draining; }

  asio::awaitable<bool> give(Answer answer) override;
  asio::awaitable<bool> begin(Answer head, std::optional<std::uint64_t> bytes) override;
  asio::awaitable<bool> write(std::string_view piece) override;
  asio::awaitable<bool> finish(Answer made, const RequestHead* head, bool keep_alive);
  asio::awaitable<bool> write_all(std::string_view text);
  asio::awaitable<void> drain();

  void watch_client();
  void watch_for_loss();
  void probe();
  void client_is_gone();

  const Context& context_;
  Guest guest_;
  ClientStream stream_;
  const asio::any_io_executor executor_;  // the strand; stream_ may have gone to a WebSocket
  const std::string own_address_;
  const bool is_unix_;                             // pages cannot reach it
  std::shared_ptr<const GatewayOptions> options_;  // as they were when the request began
  RequestReader reader_;
  LinkCaller link_;
  std::shared_ptr<WebsocketSession> websocket_;
  bool is_idle_ = true;  // between requests
  bool is_stopping_ = false;
  const RequestHead* answered_ = nullptr;  // by the handler that runs
  bool is_streaming_ = false;              // its answer has begun
  bool is_given_ = false;                  // its answer has been written
  bool is_lost_ = false;                   // ... in vain
  // Bytes of it that were promised and not written yet; nothing: it goes out in chunks.
  std::optional<std::uint64_t> left_;
  bool is_watched_ = false;      // a handler runs that wants to know when the client goes away
  bool is_writing_ = false;      // some of an answer is on its way
  std::string_view sent_ahead_;  // of what is written next, by probe()
};

}  // namespace folkmoot
