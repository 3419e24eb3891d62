// The body of a request or an answer that is too large to be held: read and written part by part.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <vector>

#include "gateway/http/exchange.hpp"

namespace folkmoot {

class HttpBodyStream final : public BodyStream {
 public:
  using Head = beast::http::response<beast::http::empty_body>;

  /// `parser` has read the header. `dress` fills the fields of an answer's header in. All but `parser` must outlive it.
  HttpBodyStream(Stream& stream, beast::flat_buffer& buffer, std::chrono::milliseconds timeout,
                 beast::http::request_parser<beast::http::string_body>&& parser, std::function<void(Head&, const Answer&)> dress);

  std::optional<std::uint64_t> body_bytes() const override { return body_bytes_; }
  std::string_view range() const override { return range_; }
  asio::awaitable<Result<std::string_view>> read(std::size_t most) override;
  asio::awaitable<bool> begin_answer(Answer head, std::uint64_t bytes) override;
  asio::awaitable<bool> write(std::string_view bytes) override;
  void end_connection() override { keeps_ = false; }
  void keep_connection() override { keeps_ = true; }

  bool has_answered() const { return has_answered_; }
  /// Also false while some of the request's body was not read.
  bool keeps_connection() const { return keeps_ && parser_.is_done(); }

 private:
  Stream& stream_;
  beast::flat_buffer& buffer_;
  const std::chrono::milliseconds timeout_;
  beast::http::request_parser<beast::http::buffer_body> parser_;
  const std::function<void(Head&, const Answer&)> dress_;
  std::optional<std::uint64_t> body_bytes_;
  std::string range_;
  std::vector<char> part_;
  bool keeps_ = true;
  bool has_answered_ = false;
};

}  // namespace folkmoot
