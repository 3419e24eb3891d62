// The body of a request as it comes in from the connection.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <vector>

#include "gateway/http/exchange.hpp"

namespace folkmoot {

class HttpBodyStream final : public BodyStream {
 public:
  /// `parser` has read the header. All but `parser` must outlive it.
  HttpBodyStream(Stream& stream, beast::flat_buffer& buffer, std::chrono::milliseconds timeout,
                 beast::http::request_parser<beast::http::string_body>&& parser);

  std::optional<std::uint64_t> body_bytes() const override { return body_bytes_; }
  asio::awaitable<Result<std::string_view>> read(std::size_t most) override;

  bool is_read() const { return parser_.is_done(); }

 private:
  Stream& stream_;
  beast::flat_buffer& buffer_;
  const std::chrono::milliseconds timeout_;
  beast::http::request_parser<beast::http::buffer_body> parser_;
  std::optional<std::uint64_t> body_bytes_;
  std::vector<char> part_;
};

}  // namespace folkmoot
