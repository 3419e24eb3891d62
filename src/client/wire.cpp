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

asio::awaitable<Result<void>> Wire::connect(Address address, ClientTls tls) {
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
    if (address.is_tls) co_return co_await secure(address, tls);
    co_return Result<void>{};
  }
  co_return std::unexpected(not_reached(address, shown, last));
}

asio::awaitable<Result<void>> Wire::secure(const Address& address, const ClientTls& tls) {
  auto context =
      TlsContext::client({.ca = tls.ca, .certificate = tls.certificate, .key = tls.key, .insecure = tls.insecure});
  if (!context) co_return std::unexpected(context.error());
  tls_ = TlsSession::connect(**context, address.host);
  if (!tls_) co_return failure(ErrorCode::connection_lost, "there is no memory for TLS");
  fresh_.resize(kReadBytes);
  for (std::size_t got = 0;;) {
    const auto step = tls_->handshake({fresh_.data(), got});
    const bool is_first = got == 0;
    if (tls_->has_unsent()) {
      const auto [error, sent] = co_await asio::async_write(socket_, asio::buffer(tls_->unsent()), kAwait);
      tls_->unsent().clear();
      if (error && step != TlsSession::Step::failed) co_return std::unexpected(lost("the TLS handshake", error));
    }
    if (step == TlsSession::Step::failed) co_return std::unexpected(tls_->error());
    if (step == TlsSession::Step::done) co_return Result<void>{};
    const auto [error, count] = co_await socket_.async_read_some(asio::buffer(fresh_), kAwait);
    if (error) {
      auto why = lost("the TLS handshake", closed_ ? asio::error::timed_out : error);
      why.advice = is_first ? "does that server speak TLS? Without, its address is HOST:PORT"
                            : "its log says why, if it is a folkmoot server";
      co_return std::unexpected(std::move(why));
    }
    got = count;
  }
}

asio::awaitable<Result<std::size_t>> Wire::receive(std::span<std::uint8_t> into) {
  for (;;) {
    std::size_t got = 0;
    if (!tls_ || !tls_->has_input()) {
      const auto to = tls_ ? asio::buffer(fresh_) : asio::buffer(into.data(), into.size());
      const auto [error, count] = co_await socket_.async_read_some(to, kAwait);
      if (error == asio::error::eof)
        co_return failure(ErrorCode::connection_lost, "the server closed the connection",
                          "its log says why, if it is a folkmoot server");
      if (error) co_return std::unexpected(lost("reading from the server", error));
      got = count;
    }
    if (!tls_) co_return got;
    const auto taken = tls_->read({fresh_.data(), got}, into);
    flush_tls();
    if (taken.what == TlsSession::What::bytes) co_return taken.count;
    if (taken.what == TlsSession::What::failed) co_return std::unexpected(tls_->error());
    if (taken.what == TlsSession::What::ended)
      co_return failure(ErrorCode::connection_lost, "the server closed the connection",
                        "its log says why, if it is a folkmoot server");
  }
}

void Wire::flush_tls() {
  if (tls_->has_unsent()) flush();
}

asio::awaitable<Error> Wire::read(std::function<Result<void>(const Frame&)> on_frame) {
  const auto self = shared_from_this();
  std::size_t held = 0;
  in_.resize(kReadBytes);
  for (;;) {
    const auto got = co_await receive({in_.data() + held, in_.size() - held});
    if (!got) co_return got.error();
    held += *got;
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
  if (closed_ || is_writing_ || (out_.empty() && !(tls_ && tls_->has_unsent()))) return;
  is_writing_ = true;
  std::swap(out_, writing_);
  if (tls_) {
    sealed_.swap(tls_->unsent());
    if (!tls_->write(as_bytes(writing_), sealed_)) return close();
  }
  asio::async_write(socket_, asio::buffer(tls_ ? sealed_ : writing_),
                    [self = shared_from_this()](auto error, std::size_t) {
                      self->is_writing_ = false;
                      for (auto* const done : {&self->writing_, &self->sealed_}) {
                        done->clear();
                        if (done->capacity() > kKeptBytes) done->shrink_to_fit();
                      }
                      if (self->closed_) return;
                      // After a failed write the reader finds out as well, and says why; it is woken in case it does
                      // not.
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
