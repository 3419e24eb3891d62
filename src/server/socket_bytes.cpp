#include "server/socket_bytes.hpp"

#include <algorithm>

namespace folkmoot {
namespace {

constexpr std::size_t kSealedReadBytes = 64 * 1024;
constexpr std::size_t kSealedMore = 512;  // what records add to a few KiB
// What is encrypted before the socket is asked; a peer that takes less holds so much of memory twice.
constexpr std::size_t kSealStepBytes = 64 * 1024;
// Of what TLS answers to a peer that asks and does not take the answers: it is cut above.
constexpr std::size_t kTlsAnswersMax = 256 * 1024;

}  // namespace

std::ptrdiff_t SocketBytes::receive_secured(Connection& connection, std::span<std::uint8_t> into) {
  auto& tls = *connection.tls;
  Bytes fresh;
  if (!tls.has_input()) {
    if (tls.unsent().size() > kTlsAnswersMax) return Net::kFailed;
    if (!in_) in_ = std::make_unique_for_overwrite<std::uint8_t[]>(kSealedReadBytes);
    // Little more than there is room for: what is read and does not fit is kept.
    const auto most = std::min(kSealedReadBytes, into.size() + kSealedMore);
    const auto got = net_.receive(connection.socket, {in_.get(), most});
    if (got <= 0) return got;
    fresh = {in_.get(), static_cast<std::size_t>(got)};
  }
  const auto taken = tls.read(fresh, into);
  switch (taken.what) {
    case TlsSession::What::bytes:
      return static_cast<std::ptrdiff_t>(taken.count);
    case TlsSession::What::nothing:
      return Net::kNothing;
    case TlsSession::What::ended:
      return 0;
    case TlsSession::What::failed:
      break;
  }
  (void)flush(connection);  // the alert that says why
  return Net::kFailed;
}

bool SocketBytes::flush(Connection& connection) {
  auto& unsent = connection.tls->unsent();
  if (unsent.empty()) return true;
  const auto bytes = as_bytes(unsent);
  const auto sent = net_.send(connection.socket, {&bytes, 1});
  if (sent == Net::kNothing) return true;
  if (sent < 0) return false;
  unsent.erase(0, static_cast<std::size_t>(sent));
  if (unsent.empty()) std::string().swap(unsent);
  return true;
}

std::ptrdiff_t SocketBytes::send_secured(Connection& connection, std::span<const Bytes> parts) {
  auto& tls = *connection.tls;
  if (!flush(connection)) return Net::kFailed;
  if (tls.has_unsent()) return Net::kNothing;
  std::size_t done = 0;
  for (auto part : parts) {
    while (!part.empty()) {
      const auto step = part.first(std::min(part.size(), kSealStepBytes));
      out_.clear();
      if (!tls.write(step, out_)) return Net::kFailed;
      part = part.subspan(step.size());
      done += step.size();
      const auto bytes = as_bytes(out_);
      const auto sent = net_.send(connection.socket, {&bytes, 1});
      if (sent < 0 && sent != Net::kNothing) return Net::kFailed;
      const auto gone = static_cast<std::size_t>(std::max<std::ptrdiff_t>(sent, 0));
      if (gone == out_.size()) continue;
      tls.unsent().assign(out_, gone);
      return static_cast<std::ptrdiff_t>(done);
    }
  }
  return static_cast<std::ptrdiff_t>(done);
}

void SocketBytes::end_sending(Connection& connection) {
  if (connection.tls) {
    connection.tls->end();
    (void)flush(connection);
  }
  net_.end_sending(connection.socket);
}

}  // namespace folkmoot
