#include "gateway/http/body_stream.hpp"

#include <fmt/format.h>

#include <boost/beast/http/read.hpp>

namespace folkmoot {

namespace http = beast::http;

HttpBodyStream::HttpBodyStream(Stream& stream, beast::flat_buffer& buffer, std::chrono::milliseconds timeout,
                               http::request_parser<http::string_body>&& parser)
    : stream_(stream), buffer_(buffer), timeout_(timeout), parser_(std::move(parser)) {
  if (const auto length = parser_.content_length()) body_bytes_ = *length;
}

asio::awaitable<Result<std::string_view>> HttpBodyStream::read(std::size_t most) {
  part_.resize(most);
  auto& body = parser_.get().body();
  body.data = part_.data();
  body.size = most;
  while (body.size > 0 && !parser_.is_done()) {
    stream_.expires_after(timeout_);
    const auto [error, bytes] = co_await http::async_read_some(stream_, buffer_, parser_, kAwait);
    if (!error || error == http::error::need_buffer) continue;
    if (error == beast::error::timeout) co_return failure(ErrorCode::timed_out, "the body did not come in time");
    if (error.category() == http::make_error_code(http::error::bad_method).category() &&
        error != http::error::partial_message && error != http::error::end_of_stream) {
      co_return failure(ErrorCode::malformed, fmt::format("the body is broken: {}", error.message()));
    }
    co_return failure(ErrorCode::connection_lost, "the client is gone");
  }
  if (body.size == most) co_return failure(ErrorCode::malformed, "the body has ended");
  co_return std::string_view(part_.data(), most - body.size);
}

}  // namespace folkmoot
