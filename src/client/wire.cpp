#include "client/wire.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace folkmoot::detail {
namespace {

namespace asio = boost::asio;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Enough for a few hundred small frames at a time; it grows for a larger frame and shrinks again.
constexpr std::size_t kReadBytes = 64 * 1024;
// What a write buffer may keep between writes.
constexpr std::size_t kKeptBytes = 1024 * 1024;

Error lost(std::string_view doing, const boost::system::error_code& reason) {
  return {ErrorCode::connection_lost, fmt::format("{}: {}", doing, reason.message())};
}

Error not_reached(const Address& address, std::string_view shown, const boost::system::error_code& reason) {
  auto error = lost(fmt::format("connecting to {}", shown), reason);
  const bool is_socket = !address.path.empty();
  if (reason == asio::error::connection_refused) {
    error.advice = "nothing listens there: is the server running, and at that address?";
  } else if (is_socket && reason == boost::system::errc::no_such_file_or_directory) {
    error.advice = "there is no such socket: is the server running, and is its data folder there?";
  } else if (is_socket && reason == boost::system::errc::permission_denied) {
    error.advice = "that socket is for the server's own user: become that user, or go to its port (HOST:PORT)";
  } else if (is_socket) {
    error.advice = "that is no socket of a server: look at the path";
  } else {
    error.advice = "that machine does not answer: is it up, and does a firewall let this port through?";
  }
  return error;
}

}  // namespace

asio::awaitable<Result<void>> Wire::connect(Address address) {
  const auto self = shared_from_this();
  std::vector<asio::generic::stream_protocol::endpoint> endpoints;
  std::string shown = address.path;
  if (!address.path.empty()) {
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(address.path));
  } else {
    shown = fmt::format("{}:{}", address.host, address.port);
    boost::system::error_code not_numeric;
    const auto ip = asio::ip::make_address(address.host, not_numeric);
    if (!not_numeric) {
      endpoints.emplace_back(asio::ip::tcp::endpoint(ip, static_cast<std::uint16_t>(std::stoul(address.port))));
    } else {
      asio::ip::tcp::resolver resolver(strand_);
      auto [error, found] = co_await resolver.async_resolve(address.host, address.port, kAwait);
      if (error) {
        auto unknown = lost(fmt::format("looking up {}", address.host), error);
        unknown.advice = "no machine is known by that name: look how it is written";
        co_return std::unexpected(std::move(unknown));
      }
      for (const auto& entry : found) endpoints.emplace_back(entry.endpoint());
    }
  }

  boost::system::error_code last = asio::error::host_not_found;
  for (const auto& endpoint : endpoints) {
    if (closed_) break;
    socket_ = asio::generic::stream_protocol::socket(strand_);
    if (socket_.open(endpoint.protocol(), last); last) continue;
    // A program that this process starts must not keep the connection, and with it the leases, alive after us.
    ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);
    auto [error] = co_await socket_.async_connect(endpoint, kAwait);
    last = closed_ ? asio::error::timed_out : error;
    if (last) continue;
    boost::system::error_code ignored;  // a Unix socket has no such option
    if (address.path.empty()) socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    co_return Result<void>{};
  }
  co_return std::unexpected(not_reached(address, shown, last));
}

asio::awaitable<Error> Wire::read(std::function<Result<void>(const Frame&)> on_frame) {
  const auto self = shared_from_this();
  std::size_t held = 0;
  in_.resize(kReadBytes);
  for (;;) {
    auto [error, got] = co_await socket_.async_read_some(asio::buffer(in_.data() + held, in_.size() - held), kAwait);
    if (error == asio::error::eof)
      co_return Error{ErrorCode::connection_lost, "the server closed the connection",
                      "its log says why, if it is a folkmoot server"};
    if (error) co_return lost("reading from the server", error);
    held += got;
    last_heard_ = std::chrono::steady_clock::now();

    Bytes left(in_.data(), held);
    for (;;) {
      auto frame = cut_frame(left, frame_bytes_max_);
      if (!frame) co_return frame.error();
      if (!*frame) break;
      if (auto done = on_frame(**frame); !done) co_return done.error();
      if (closed_) co_return Error{ErrorCode::connection_lost, "the connection was closed"};
    }

    // What is left moves to the front; room is made for the frame it begins.
    const auto length = left.size() >= 4 ? std::size_t{4} + load<std::uint32_t>(left.data()) : 0;
    if (!left.empty()) std::memmove(in_.data(), left.data(), left.size());
    held = left.size();
    if (length > in_.size()) {
      in_.resize(length);
    } else if (in_.size() > kReadBytes && length <= kReadBytes && held <= kReadBytes) {
      in_.resize(kReadBytes);
      in_.shrink_to_fit();
    }
  }
}

void Wire::flush() {
  if (closed_ || !writing_.empty() || out_.empty()) return;
  std::swap(out_, writing_);
  asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](auto error, std::size_t) {
    self->writing_.clear();
    if (self->writing_.capacity() > kKeptBytes) self->writing_.shrink_to_fit();
    if (self->closed_) return;
    // After a failed write the reader finds out as well, and says why; it is woken in case it does not.
    if (error) return self->close();
    if (self->on_written_) self->on_written_();
    self->flush();
  });
}

void Wire::close() {
  if (std::exchange(closed_, true)) return;
  on_written_ = nullptr;
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  socket_.close(ignored);
}

}  // namespace folkmoot::detail
