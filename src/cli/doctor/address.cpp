// Is the address free? And if it is not, who listens there?
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>

#include "cli/doctor/findings.hpp"
#include "server/listen.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kAddress = "address";
constexpr std::size_t kAnswerBytesMax = 4096;

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Nothing is waited for longer than two seconds.
void bound_its_time(int socket) {
  const timeval two{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &two, sizeof two);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &two, sizeof two);
}

// What answers a probe's question there; empty if nobody does.
std::string ask(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  const Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return {};
  bound_its_time(socket.get());
  if (::connect(socket.get(), found->ai_addr, found->ai_addrlen) != 0) return {};
  const auto request =
      fmt::format("GET /health/ready HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", port);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return {};
  std::string answer;
  char block[1024];
  while (answer.size() < kAnswerBytesMax) {
    const auto got = ::recv(socket.get(), block, sizeof block, 0);
    if (got <= 0) break;
    answer.append(block, static_cast<std::size_t>(got));
  }
  return answer;
}

}  // namespace

void examine_address(const ServerConfig& config, Findings& findings) {
  const auto& server = config.server;
  const auto where = fmt::format("{}:{}", server.host, server.port);
  const auto listener = listen_tcp(server.host, server.port);
  if (listener) {
    ::close(listener->socket);
    findings.good(kAddress,
                  server.port == 0 ? fmt::format("{} takes a free port", where) : fmt::format("{} is free", where));
    return;
  }
  if (listener.error().code != ErrorCode::in_use)
    return findings.problem(kAddress, listener.error().text, listener.error().advice);
  const auto answer = ask(server.host, server.port);
  if (answer.find(R"({"status":"ok"})") != std::string::npos) {
    findings.good(kAddress, fmt::format("a server is on {}, and ready", where));
  } else if (answer.find("not_ready") != std::string::npos) {
    findings.warn(kAddress, fmt::format("the server on {} refuses durable messages", where),
                  "its log and `folkmoot stats` say why: most often the disk is full, or it is being stopped");
  } else {
    findings.problem(
        kAddress, fmt::format("another program is on {}", where),
        fmt::format("`ss -ltnp 'sport = :{}'` says which: stop it, or take another port with --listen", server.port));
  }
}

}  // namespace folkmoot::cli
