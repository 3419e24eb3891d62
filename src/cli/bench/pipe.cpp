#include "cli/bench/pipe.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/address.hpp"
#include "client/codec.hpp"
#include "folkmoot/failure.hpp"
#include "message/limits.hpp"

namespace folkmoot::bench {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kIdleReadBytes = 4 * 1024;  // until something comes: ten thousand idle connections are many

[[noreturn]] void lost(std::string_view doing) {
  throw Failure({ErrorCode::connection_lost, fmt::format("{}: {}", doing, std::strerror(errno))});
}

int connect_unix(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) lost("connecting to " + path);
  return fd;
}

int connect_tcp(const Address& address) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found) != 0 || found == nullptr)
    lost("looking up " + address.host);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  if (!connected) lost(fmt::format("connecting to {}:{}", address.host, address.port));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Pipe::Pipe(const std::string& address, const ClientTls& tls, const std::string& agent, const std::string& token) {
  const auto where = value(parse_address(address));
  fd_ = where.path.empty() ? connect_tcp(where) : connect_unix(where.path);
  if (where.is_tls) secure(where.host, tls);
  ClientOptions options;
  options.agent = agent;
  options.token = token;
  options.software = "folkmoot bench";
  write(codec::hello(options));
  bool welcome = false;
  while (!welcome) read([&](const Frame& frame) { welcome |= frame.header.opcode == Opcode::welcome; });
}

Pipe::Pipe(Pipe&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      fresh_(std::move(other.fresh_)),
      in_(std::move(other.in_)),
      held_(other.held_) {}

Pipe::~Pipe() {
  if (fd_ >= 0) ::close(fd_);
}

void Pipe::secure(const std::string& host, const ClientTls& tls) {
  const auto context = value(
      TlsContext::client({.ca = tls.ca, .certificate = tls.certificate, .key = tls.key, .insecure = tls.insecure}));
  tls_ = TlsSession::connect(*context, host);
  fresh_.resize(kIdleReadBytes);
  for (std::size_t got = 0;;) {
    const auto step = tls_->handshake({fresh_.data(), got});
    send(std::exchange(tls_->unsent(), {}));
    if (step == TlsSession::Step::failed) throw Failure(tls_->error());
    if (step == TlsSession::Step::done) break;
    got = receive(fresh_);
  }
  fresh_.resize(kReadBytes / 4);
}

void Pipe::write(std::string_view frames) {
  if (!tls_) return send(frames);
  sealed_.swap(tls_->unsent());
  if (!tls_->write(as_bytes(frames), sealed_)) throw Failure(tls_->error());
  send(sealed_);
  sealed_.clear();
}

// What came over the network: at least a byte, but for an interruption.
std::size_t Pipe::receive(std::span<std::uint8_t> into) {
  const auto got = ::recv(fd_, into.data(), into.size(), 0);
  if (got < 0 && errno == EINTR) return 0;
  if (got == 0) errno = ECONNRESET;
  if (got <= 0) lost("reading from the server");
  return static_cast<std::size_t>(got);
}

void Pipe::send(std::string_view frames) {
  while (!frames.empty()) {
    const auto wrote = ::send(fd_, frames.data(), frames.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) lost("writing to the server");
    frames.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void Pipe::read(const std::function<void(const Frame&)>& on_frame) {
  if (in_.empty()) in_.resize(kIdleReadBytes);
  const std::span<std::uint8_t> room(in_.data() + held_, in_.size() - held_);
  if (!tls_) {
    held_ += receive(room);
  } else {
    const auto fresh = tls_->has_input() ? std::size_t{0} : receive(fresh_);
    const auto taken = tls_->read({fresh_.data(), fresh}, room);
    if (taken.what == TlsSession::What::failed) throw Failure(tls_->error());
    held_ += taken.count;
  }
  Bytes left(in_.data(), held_);
  for (;;) {
    const auto frame = value(cut_frame(left, kFrameBytesDefault + kHelloBytesMax));
    if (!frame) break;
    if (frame->header.opcode == Opcode::error || frame->header.opcode == Opcode::goodbye)
      throw Failure(value(read_error(*frame)));
    on_frame(*frame);
  }
  if (!left.empty()) std::memmove(in_.data(), left.data(), left.size());
  const bool was_full = held_ == in_.size();
  held_ = left.size();
  if (was_full) in_.resize(std::max(in_.size() < kReadBytes ? kReadBytes : in_.size(), held_ * 2));
  if (tls_ && tls_->has_input()) read(on_frame);  // who waits for the socket would not hear of it
}

void Pipe::call(const std::string& frame) {
  write(frame);
  const auto request = load<FrameHeader>(frame.data()).request;
  bool answered = false;
  while (!answered) read([&](const Frame& got) { answered |= got.header.request == request; });
}

}  // namespace folkmoot::bench
