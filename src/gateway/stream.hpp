// A client's connection: a TCP or a Unix socket with time-outs, with TLS on it or without. Asio and Beast read from it
// and write to it as they do with any stream; the time-outs are those of the socket, whatever TLS does there.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/tls_session.hpp"

namespace folkmoot {

namespace asio = boost::asio;
namespace beast = boost::beast;

using PlainStream = beast::basic_stream<asio::generic::stream_protocol>;

/// What is known of the other end: a client that has closed its sending side may still read, and is answered; one that
/// is gone is not.
enum class Peer : std::uint8_t {
  here,
  half_closed,  // it sends nothing more; over TCP it may be gone altogether, which shows when something is sent to it
  gone,
};

/// A reset, or a Unix socket whose other end is closed.
bool has_hung_up(int socket);

/// On the strand of its socket only. One read and one write at a time.
class ClientStream {
 public:
  using executor_type = PlainStream::executor_type;
  using socket_type = PlainStream::socket_type;
  using next_layer_type = PlainStream;

  /// `tls`: null for a plain one; its handshake is done.
  ClientStream(PlainStream plain, std::unique_ptr<TlsSession> tls);

  executor_type get_executor() { return plain_.get_executor(); }
  PlainStream& next_layer() { return plain_; }
  const PlainStream& next_layer() const { return plain_; }
  socket_type& socket() { return plain_.socket(); }
  template <class Duration>
  void expires_after(Duration time) {
    plain_.expires_after(time);
  }
  void expires_at(std::chrono::steady_clock::time_point time) { plain_.expires_at(time); }
  void expires_never() { plain_.expires_never(); }
  void close() { plain_.close(); }

  /// Who its certificate says the client is.
  VerifiedPeer verified() const { return tls_ ? tls_->session->verified() : VerifiedPeer(); }
  /// Looks without waiting and without taking anything from whoever reads.
  Peer look();
  /// How much of it the socket has taken, without waiting; nothing: the connection has broken. No write may be under
  /// way. What TLS made of it may be unsent still: then a write has to follow, be it of nothing.
  std::optional<std::size_t> write_now(std::string_view text);
  bool has_unsent() const { return tls_ && tls_->session->has_unsent(); }
  /// The client sees the end of what was sent.
  void end_sending();

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (!tls_) return plain_.async_read_some(buffers, std::forward<Token>(token));
    return asio::async_compose<Token, void(beast::error_code, std::size_t)>(ReadStep{*this, first_of(buffers)}, token,
                                                                            plain_);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (!tls_) return plain_.async_write_some(buffers, std::forward<Token>(token));
    return asio::async_compose<Token, void(beast::error_code, std::size_t)>(WriteStep{*this, take_in(buffers)}, token,
                                                                            plain_);
  }

 private:
  // What is read while nothing comes is what an idle connection holds.
  struct Secured {
    std::unique_ptr<TlsSession> session;
    std::string writing{};  // on its way
    bool is_writing = false;
    bool is_broken = false;  // for writing
    std::array<std::uint8_t, 2048> in;
  };
  struct Outcome {
    beast::error_code error;
    std::size_t count = 0;
    bool is_over = false;
  };

  template <class Buffers>
  static asio::mutable_buffer first_of(const Buffers& buffers) {
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at) {
      const asio::mutable_buffer each(*at);
      if (each.size() > 0) return each;
    }
    return {};
  }
  // Encrypts as much as goes in one step.
  template <class Buffers>
  std::size_t take_in(const Buffers& buffers) {
    std::size_t taken = 0;
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at) {
      const asio::const_buffer each(*at);
      taken += encrypt({static_cast<const char*>(each.data()), each.size()}, kStepBytes - taken);
      if (taken == kStepBytes) break;
    }
    return taken;
  }
  std::size_t encrypt(std::string_view text, std::size_t most);
  Outcome decrypt(std::size_t fresh, asio::mutable_buffer into);
  // What the session has to say goes out, if nothing is on its way.
  bool flush();

  struct ReadStep {
    ClientStream& stream;
    asio::mutable_buffer into;
    Outcome outcome{};
    bool has_begun = false;

    template <class Self>
    void operator()(Self& self, beast::error_code error = {}, std::size_t got = 0) {
      if (outcome.is_over) return self.complete(outcome.error, outcome.count);
      if (error) return self.complete(error, 0);
      const bool is_first = !std::exchange(has_begun, true);
      outcome = stream.decrypt(got, into);
      if (outcome.is_over && !is_first) return self.complete(outcome.error, outcome.count);
      if (outcome.is_over)
        return asio::post(stream.get_executor(), std::move(self));  // never from inside its beginning
      stream.plain_.async_read_some(asio::buffer(stream.tls_->in), std::move(self));
    }
  };
  struct WriteStep {
    ClientStream& stream;
    std::size_t count;
    bool has_begun = false;
    bool is_over = false;

    template <class Self>
    void operator()(Self& self, beast::error_code error = {}, std::size_t sent = 0) {
      auto& tls = *stream.tls_;
      const bool is_first = !std::exchange(has_begun, true);
      if (!is_over) {
        if (is_first) tls.is_writing = true;
        tls.writing.erase(0, sent);
        if (tls.is_broken && !error) error = asio::error::connection_aborted;
        if (!error && tls.writing.empty()) tls.writing.swap(tls.session->unsent());
        if (!error && !tls.writing.empty())
          return stream.plain_.async_write_some(asio::buffer(tls.writing), std::move(self));
        tls.is_writing = false;
        std::string().swap(tls.writing);
        is_over = true;
        failed = error;
        if (is_first) return asio::post(stream.get_executor(), std::move(self));
      }
      self.complete(failed, failed ? 0 : count);
    }
    beast::error_code failed{};
  };

  static constexpr std::size_t kStepBytes = 64 * 1024;

  PlainStream plain_;
  std::unique_ptr<Secured> tls_;
};

// How a WebSocket ends its connection, for Beast.
template <class Handler>
void async_teardown(beast::role_type role, ClientStream& stream, Handler&& handler) {
  stream.end_sending();
  using beast::websocket::async_teardown;
  async_teardown(role, stream.socket(), std::forward<Handler>(handler));
}
void teardown(beast::role_type role, ClientStream& stream, beast::error_code& error);

}  // namespace folkmoot
