#include "gateway/http/request_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/write.hpp>

#include "gateway/limits.hpp"
#include "message/compression.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kHeadReadBytes = 4 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;
constexpr std::size_t kKeptBytes = 16 * 1024;          // of the buffer's memory, between requests
constexpr std::uint64_t kPacedMsMax = 31'536'000'000;  // a year: what a body is waited for at most
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Refusal gone() { return {.status = 0, .error = {ErrorCode::connection_lost, "the client is gone"}}; }

Error too_much() {
  return {ErrorCode::busy, "too many bytes of requests are on their way, from here or in all (http.unfinished_bytes)"};
}

Refusal too_long(std::size_t bytes_max) {
  return {.status = 413,
          .error = {ErrorCode::content_too_large, fmt::format("the request's body is longer than {} bytes", bytes_max),
                    "send fewer messages at once, and large contents to POST /api/content"}};
}

}  // namespace

RequestReader::RequestReader(ClientStream& stream, std::shared_ptr<const GatewayOptions> options, Guest& guest,
                             std::string_view first)
    : stream_(stream), options_(std::move(options)), guest_(guest) {
  const auto room = buffer_.prepare(first.size());
  std::copy(first.begin(), first.end(), static_cast<char*>(room.data()));
  buffer_.commit(first.size());
}

asio::awaitable<beast::error_code> RequestReader::read_more(std::size_t bytes, Clock::time_point deadline) {
  stream_.expires_at(deadline);
  if (std::exchange(must_say_continue_, false) && buffer_.size() == 0) {
    const auto [error, sent] = co_await asio::async_write(stream_, asio::buffer(kContinue), kAwait);
    if (error) co_return error;
  }
  const auto [error, got] = co_await stream_.async_read_some(buffer_.prepare(bytes), kAwait);
  stream_.expires_never();
  if (!error) buffer_.commit(got);
  co_return error;
}

asio::awaitable<bool> RequestReader::wait() {
  must_say_continue_ = false;
  guest_.hold(0);
  if (buffer_.size() > 0) co_return true;
  if (buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
  const auto idle = guest_.is_stranger() ? options_->hello_timeout : options_->idle_timeout;
  const auto error = co_await read_more(kHeadReadBytes, Clock::now() + idle);
  co_return !error;
}

asio::awaitable<bool> RequestReader::read_head(RequestHead& head, Refusal& why) {
  const auto deadline = Clock::now() + options_->hello_timeout;
  std::size_t looked = 0, empty_lines = 0;
  for (;;) {
    // Empty lines may come before a request (RFC 9112, section 2.2).
    while (looked == 0 && buffered().starts_with("\r\n") && empty_lines++ < kEmptyLinesMax) buffer_.consume(2);
    const auto found = find_head_end(buffered(), looked);
    if (!found) co_return why = found.error(), false;
    if (*found > options_->header_bytes_max || (*found == 0 && buffer_.size() >= options_->header_bytes_max)) {
      const bool is_target = !buffered().substr(0, options_->header_bytes_max).contains("\r\n");
      why.status = is_target ? 414 : 431;
      why.error = {ErrorCode::malformed, fmt::format("the request's {} is longer than {} bytes",
                                                     is_target ? "target" : "header", options_->header_bytes_max)};
      co_return false;
    }
    if (*found > 0) {
      auto parsed = parse_head(buffered().substr(0, *found));
      buffer_.consume(*found);
      if (!parsed) co_return why = parsed.error(), false;
      head = std::move(*parsed);
      body_ = BodyDecoder(head);
      content_length_ = head.content_length;
      must_say_continue_ = head.expects_continue;
      given_ = 0;
      waited_for_ = {};
      co_return true;
    }
    if (co_await read_more(kHeadReadBytes, deadline)) {
      why = gone();  // or too slow: the time-out has closed the socket
      co_return false;
    }
  }
}

bool RequestReader::has_whole_body() const {
  return body_.is_done() || (content_length_ && *content_length_ <= buffer_.size());
}

Result<void> RequestReader::decode(std::string& into, std::size_t most) {
  auto rest = buffered();
  const auto before = rest.size();
  auto done = body_.take(rest, into, most);
  buffer_.consume(before - rest.size());
  return done;
}

bool RequestReader::skip_body() {
  std::string waste;
  return decode(waste, buffer_.size()).has_value() && body_.is_done();
}

asio::awaitable<bool> RequestReader::read_body(std::string& body, std::size_t bytes_max, Refusal& why) {
  const auto deadline = Clock::now() + options_->read_timeout;
  for (;;) {
    if (const auto done = decode(body, bytes_max + 1 - body.size()); !done) {
      why = {.status = 400, .error = done.error()};
      co_return false;
    }
    if (body.size() > bytes_max) {
      why = too_long(bytes_max);
      co_return false;
    }
    if (body_.is_done()) co_return true;
    if (!guest_.hold(body.capacity() + kBodyReadBytes)) {
      why = {.status = 503, .error = too_much()};
      co_return false;
    }
    if (co_await read_more(kBodyReadBytes, deadline)) {
      why = gone();
      co_return false;
    }
  }
}

// The most that it may become is held before it is unpacked: a few bytes may stand for all of it.
bool RequestReader::unpack_body(std::string& body, std::string_view encoding, std::size_t bytes_max, Refusal& why) {
  if (!guest_.hold(bytes_max)) {
    why = {.status = 503, .error = too_much()};
    return false;
  }
  auto plain = decompress(encoding, as_bytes(body), bytes_max);
  if (!plain) {
    if (plain.error().code == ErrorCode::content_too_large) {
      why = too_long(bytes_max);
    } else {
      why = {.status = 400, .error = std::move(plain.error())};
    }
    return false;
  }
  body = std::move(*plain);
  return guest_.hold(body.capacity());
}

asio::awaitable<Result<std::string_view>> RequestReader::read(std::size_t most) {
  part_.clear();
  if (!guest_.hold(most + kBodyReadBytes)) co_return std::unexpected(too_much());
  for (;;) {
    if (auto done = decode(part_, most - part_.size()); !done) co_return std::unexpected(done.error());
    if (part_.size() == most || (body_.is_done() && !part_.empty())) break;
    if (body_.is_done()) co_return failure(ErrorCode::malformed, "the body has ended");
    const auto began = Clock::now();
    const auto error = co_await read_more(kBodyReadBytes, began + patience());
    waited_for_ += Clock::now() - began;
    if (error == beast::error::timeout) co_return failure(ErrorCode::timed_out, "the body did not come in time");
    if (error) co_return failure(ErrorCode::connection_lost, "the client is gone");
  }
  given_ += part_.size();
  co_return std::string_view(part_);
}

// How long to wait for more of a body of any size: not for ever, though it comes byte by byte.
std::chrono::nanoseconds RequestReader::patience() const {
  const std::chrono::nanoseconds most = options_->read_timeout;
  const auto paced_ms =
      std::min<std::uint64_t>((given_ + part_.size()) * 1'000 / options_->content_pace_bytes, kPacedMsMax);
  const std::chrono::nanoseconds earned = std::chrono::milliseconds(static_cast<std::int64_t>(paced_ms));
  return std::clamp<std::chrono::nanoseconds>(most + earned - waited_for_, std::chrono::nanoseconds(0), most);
}

}  // namespace folkmoot
