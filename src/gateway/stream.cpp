#include "gateway/stream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace folkmoot {
namespace {

// Of what TLS answers to a client that asks and does not take the answers: it is cut above.
constexpr std::size_t kTlsAnswersMax = 256 * 1024;

std::optional<std::size_t> send_now(int socket, std::string_view bytes) {
  const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
  return static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
}

}  // namespace

bool has_hung_up(int socket) {
  pollfd look{.fd = socket, .events = 0, .revents = 0};
  return ::poll(&look, 1, 0) < 0 || (look.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

ClientStream::ClientStream(PlainStream plain, std::unique_ptr<TlsSession> tls) : plain_(std::move(plain)) {
  if (!tls) return;
  tls_ = std::make_unique<Secured>();
  tls_->session = std::move(tls);
}

Peer ClientStream::look() {
  const int socket = plain_.socket().native_handle();
  if (has_hung_up(socket)) return Peer::gone;
  if (tls_) {
    // The end within TLS comes before that of the socket, and hides it.
    if (!tls_->session->has_input()) {
      std::array<std::uint8_t, 2048> fresh;
      const auto got = ::recv(socket, fresh.data(), fresh.size(), MSG_DONTWAIT);
      if (got == 0) return Peer::half_closed;
      if (got < 0) return errno == EAGAIN || errno == EINTR ? Peer::here : Peer::gone;
      tls_->session->take_in({fresh.data(), static_cast<std::size_t>(got)});
    }
    return tls_->session->has_ended() ? Peer::half_closed : Peer::here;
  }
  char byte = 0;
  const auto got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0) return Peer::half_closed;
  if (got < 0 && errno != EAGAIN && errno != EINTR) return Peer::gone;
  return Peer::here;
}

std::optional<std::size_t> ClientStream::write_now(std::string_view text) {
  const int socket = plain_.socket().native_handle();
  if (!tls_) return send_now(socket, text);
  if (tls_->is_writing || has_unsent()) return 0;
  std::size_t done = 0;
  while (done < text.size() && !has_unsent()) {
    done += encrypt(text.substr(done), kStepBytes);
    if (!flush()) return std::nullopt;
  }
  return done;
}

bool ClientStream::flush() {
  auto& unsent = tls_->session->unsent();
  if (tls_->is_broken) return false;
  if (tls_->is_writing || unsent.empty()) return true;
  const auto sent = send_now(plain_.socket().native_handle(), unsent);
  if (!sent) return false;
  unsent.erase(0, *sent);
  if (unsent.empty()) std::string().swap(unsent);
  return true;
}

std::size_t ClientStream::encrypt(std::string_view text, std::size_t most) {
  const auto part = text.substr(0, most);
  if (!tls_->session->write(as_bytes(part), tls_->session->unsent())) tls_->is_broken = true;
  return part.size();
}

ClientStream::Outcome ClientStream::decrypt(std::size_t fresh, asio::mutable_buffer into) {
  auto& session = *tls_->session;
  if (session.unsent().size() > kTlsAnswersMax) return {asio::error::connection_aborted, 0, true};
  if (fresh > 0 && session.has_input()) {  // look() has been there meanwhile
    session.take_in({tls_->in.data(), fresh});
    fresh = 0;
  }
  const auto taken = session.read({tls_->in.data(), fresh}, {static_cast<std::uint8_t*>(into.data()), into.size()});
  (void)flush();
  switch (taken.what) {
    case TlsSession::What::bytes:
      return {{}, taken.count, true};
    case TlsSession::What::nothing:
      return {{}, 0, into.size() == 0};
    case TlsSession::What::ended:
      return {asio::error::eof, 0, true};
    case TlsSession::What::failed:
      break;
  }
  return {asio::error::connection_aborted, 0, true};
}

void ClientStream::end_sending() {
  beast::error_code ignored;
  if (tls_) {
    tls_->session->end();
    (void)flush();
  }
  plain_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

void teardown(beast::role_type role, ClientStream& stream, beast::error_code& error) {
  stream.end_sending();
  beast::websocket::teardown(role, stream.socket(), error);
}

}  // namespace folkmoot
