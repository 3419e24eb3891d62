#include "server/listen.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace folkmoot {
namespace {

constexpr int kBacklog = 4096;

// `option`: by which another address is given.
Error cannot_listen(const std::string& where, std::string_view option) {
  const int cause = errno;
  if (cause == EADDRINUSE) {
    return {ErrorCode::in_use, fmt::format("cannot listen on {}: {}", where, std::strerror(cause)),
            fmt::format("another program listens there (`ss -lntpx` says which): stop it, or give another with {}",
                        option)};
  }
  auto error = system_error(ErrorCode::io_error, fmt::format("cannot listen on {}", where), cause);
  if (cause == EACCES || cause == EPERM)
    error.advice = fmt::format("this user may not listen there: give another address with {}", option);
  return error;
}

}  // namespace

// Nobody is asked what a name stands for: `127.example.org` may be anybody's, and another one tomorrow.
bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (host.empty() || ::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  if (found->ai_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr.s_addr) >> 24 == 127;
  if (found->ai_family != AF_INET6) return false;
  const auto& address = reinterpret_cast<const sockaddr_in6*>(found->ai_addr)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

Result<TcpListener> listen_tcp(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    return failure(ErrorCode::io_error, fmt::format("cannot listen on {}: {}", host, ::gai_strerror(code)),
                   "give an address of this machine, such as 127.0.0.1:7470");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::unexpected(system_error(ErrorCode::io_error, "cannot make a socket", errno));
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::bind(socket, found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket, kBacklog) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    auto error = cannot_listen(fmt::format("{}:{}", host, port), "--listen");
    ::close(socket);
    return std::unexpected(std::move(error));
  }
  const auto taken = bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                                 : reinterpret_cast<sockaddr_in&>(bound).sin_port;
  return TcpListener{socket, ntohs(taken)};
}

Result<int> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return failure(
        ErrorCode::out_of_range,
        fmt::format("the socket path {} has {} bytes; {} are the most", path, path.size(), sizeof address.sun_path - 1),
        "give another with --unix-socket, or a shorter data folder");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::unexpected(system_error(ErrorCode::io_error, "cannot make a socket", errno));
  // In the data folder the lock says that it is ours to replace; elsewhere, that nobody answers on it.
  if (struct stat info{}; ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool answers = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    if (!answers) ::unlink(path.c_str());
  }
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket, kBacklog) != 0) {
    auto error = cannot_listen(path, "--unix-socket");
    ::close(socket);
    return std::unexpected(std::move(error));
  }
  ::chmod(path.c_str(), 0600);
  return socket;
}

}  // namespace folkmoot
