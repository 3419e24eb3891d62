#include "cli/patience.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "cli/stopping.hpp"
#include "client/address.hpp"

namespace folkmoot::cli {
namespace {

constexpr Milliseconds kLookAgain{50};
constexpr int kAnswerMs = 200;

bool is_of_this_machine(const Address& address) {
  if (!address.path.empty()) return true;
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

// What a connection that was begun has come to; 0 also if that is not known in time.
int outcome_of(int socket) {
  pollfd wait{.fd = socket, .events = POLLOUT, .revents = 0};
  if (::poll(&wait, 1, kAnswerMs) <= 0) return 0;
  int error = 0;
  socklen_t bytes = sizeof error;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : 0;
}

// Nothing listens, or the socket is not made yet. All else is for the connection itself to meet, and to say.
bool is_refused(int family, const sockaddr* address, socklen_t bytes) {
  const int socket = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return false;
  int error = ::connect(socket, address, bytes) == 0 ? 0 : errno;
  if (error == EINPROGRESS) error = outcome_of(socket);
  ::close(socket);
  return error == ECONNREFUSED || error == ENOENT;
}

bool is_refused(const Address& address) {
  if (!address.path.empty()) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, address.path.data(), std::min(address.path.size(), sizeof name.sun_path - 1));
    return is_refused(AF_UNIX, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found) != 0) return false;
  bool refused = found != nullptr;
  for (const auto* each = found; each != nullptr && refused; each = each->ai_next)
    refused = is_refused(each->ai_family, each->ai_addr, each->ai_addrlen);
  ::freeaddrinfo(found);
  return refused;
}

}  // namespace

bool may_be_about_to_listen(const std::string& address) {
  const auto known = parse_address(address);
  return known && is_of_this_machine(*known) && is_refused(*known);
}

bool wait_until_listening(const std::string& address, Milliseconds patience) {
  const auto ends = std::chrono::steady_clock::now() + patience;
  while (may_be_about_to_listen(address)) {
    if (std::chrono::steady_clock::now() >= ends || !rest(kLookAgain)) return false;
  }
  return true;
}

}  // namespace folkmoot::cli
