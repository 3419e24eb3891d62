#include "gateway/http/body_stream.hpp"

#include <fmt/format.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

namespace folkmoot {

namespace http = beast::http;

HttpBodyStream::HttpBodyStream(Stream& stream, beast::flat_buffer& buffer, std::chrono::milliseconds timeout,
                               http::request_parser<http::string_body>&& parser, std::function<void(Head&, const Answer&)> dress)
    : stream_(stream), buffer_(buffer), timeout_(timeout), parser_(std::move(parser)), dress_(std::move(dress)) {
  if (const auto length = parser_.content_length()) body_bytes_ = *length;
  const auto range = parser_.get()[http::field::range];
  range_.assign(range.data(), range.size());
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
    if (error.category() == http::make_error_code(http::error::bad_method).category() && error != http::error::partial_message &&
        error != http::error::end_of_stream) {
      co_return failure(ErrorCode::malformed, fmt::format("the body is broken: {}", error.message()));
    }
    co_return failure(ErrorCode::connection_lost, "the client is gone");
  }
  if (body.size == most) co_return failure(ErrorCode::malformed, "the body has ended");
  co_return std::string_view(part_.data(), most - body.size);
}

asio::awaitable<bool> HttpBodyStream::begin_answer(Answer head, std::uint64_t bytes) {
  has_answered_ = true;
  Head response(static_cast<http::status>(head.status), parser_.get().version());
  dress_(response, head);
  response.content_length(bytes);
  response.keep_alive(parser_.get().keep_alive() && keeps_connection());
  http::response_serializer<http::empty_body> serializer(response);
  stream_.expires_after(timeout_);
  const auto [error, written] = co_await http::async_write_header(stream_, serializer, kAwait);
  if (error) keeps_ = false;
  co_return !error;
}

asio::awaitable<bool> HttpBodyStream::write(std::string_view bytes) {
  stream_.expires_after(timeout_);
  const auto [error, written] = co_await asio::async_write(stream_, asio::buffer(bytes), kAwait);
  if (error) keeps_ = false;
  co_return !error;
}

}  // namespace folkmoot
