#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/assert.hpp"
#include "server/net.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kEventsMax = 256;
constexpr std::size_t kPartsMax = 4;
constexpr std::uint64_t kWakeToken = ~std::uint64_t{0};

static_assert(Net::kReadable == EPOLLIN && Net::kWritable == EPOLLOUT && Net::kBroken == (EPOLLERR | EPOLLHUP));

// Connections never get the last descriptors: a journal that cannot make its next segment refuses what is durable.
int sockets_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  const auto files = std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max());
  return static_cast<int>(files - std::min<rlim_t>(64, files / 8));
}

void control(int epoll, int operation, int socket, std::uint64_t token, std::uint32_t what) {
  epoll_event event{};
  event.events = what;
  event.data.u64 = token;
  FOLKMOOT_ASSERT(::epoll_ctl(epoll, operation, socket, &event) == 0);
}

std::ptrdiff_t outcome(ssize_t done) {
  if (done >= 0) return done;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Net::kNothing : Net::kFailed;
}

int poll_ms(std::int64_t ms) { return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max())); }

void set(int socket, int level, int option, int value) { ::setsockopt(socket, level, option, &value, sizeof value); }

}  // namespace

Result<std::unique_ptr<PosixNet>> PosixNet::make() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wakeup = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll < 0 || wakeup < 0) {
    const auto why = std::strerror(errno);
    ::close(epoll);
    ::close(wakeup);
    return failure(ErrorCode::io_error, fmt::format("making an epoll and an eventfd: {}", why));
  }
  return std::unique_ptr<PosixNet>(new PosixNet(epoll, wakeup));
}

PosixNet::PosixNet(int epoll, int wakeup) : epoll_(epoll), wakeup_(wakeup), sockets_max_(sockets_max()) {
  control(epoll_, EPOLL_CTL_ADD, wakeup_, kWakeToken, EPOLLIN | EPOLLET);  // each write wakes once; nobody reads it
}

PosixNet::~PosixNet() {
  ::close(wakeup_);
  ::close(epoll_);
}

std::span<const Net::Event> PosixNet::wait(std::int64_t most_ms) {
  std::array<epoll_event, kEventsMax> happened;
  const int count = ::epoll_wait(epoll_, happened.data(), static_cast<int>(happened.size()), poll_ms(most_ms));
  events_.clear();
  for (int i = 0; i < count; ++i) {
    const auto& event = happened[static_cast<std::size_t>(i)];
    if (event.data.u64 != kWakeToken) events_.push_back({event.data.u64, event.events});
  }
  return events_;
}

bool PosixNet::wait_for(std::span<const int> sockets, std::uint32_t what, std::int64_t most_ms) {
  static_assert(kReadable == POLLIN && kWritable == POLLOUT);
  std::vector<pollfd> waiting;
  for (const auto socket : sockets) waiting.push_back({.fd = socket, .events = static_cast<short>(what), .revents = 0});
  return ::poll(waiting.data(), waiting.size(), poll_ms(most_ms)) != 0;
}

void PosixNet::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wakeup_, &one, sizeof one);
}

void PosixNet::watch(int socket, std::uint64_t token, std::uint32_t what) {
  control(epoll_, EPOLL_CTL_ADD, socket, token, what);
}

void PosixNet::watch_again(int socket, std::uint64_t token, std::uint32_t what) {
  control(epoll_, EPOLL_CTL_MOD, socket, token, what);
}

void PosixNet::forget(int socket) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr); }

std::ptrdiff_t PosixNet::receive(int socket, std::span<std::uint8_t> into) {
  return outcome(::recv(socket, into.data(), into.size(), MSG_DONTWAIT));
}

std::ptrdiff_t PosixNet::send(int socket, std::span<const Bytes> parts) {
  if (parts.size() == 1) {
    return outcome(::send(socket, parts.front().data(), parts.front().size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  std::array<iovec, kPartsMax> pieces;
  FOLKMOOT_ASSERT(parts.size() <= pieces.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    pieces[i] = {const_cast<std::uint8_t*>(parts[i].data()), parts[i].size()};
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = parts.size();
  return outcome(::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

void PosixNet::end_sending(int socket) { ::shutdown(socket, SHUT_WR); }
void PosixNet::close(int socket) { ::close(socket); }

Net::Accepted PosixNet::accept(int listener) {
  if (!has_files_left()) return {.what = Accepted::What::no_files};
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int socket = ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  files_are_short_ = socket >= sockets_max_ || (socket < 0 && (errno == EMFILE || errno == ENFILE));
  if (files_are_short_) {
    if (socket >= 0) ::close(socket);
    return {.what = Accepted::What::no_files};
  }
  if (socket < 0) return {};
  if (address.ss_family != AF_UNIX) {
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    // A holder's lease lives as long as its connection: a host that vanished must be noticed.
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  return {.what = Accepted::What::taken, .socket = socket, .peer = peer_address(address)};
}

// Who cannot be taken stays with the system, to be taken later, and is not turned away.
bool PosixNet::has_files_left() {
  if (!files_are_short_) return true;
  const int next = ::dup(epoll_);
  if (next >= 0) ::close(next);
  return next >= 0 && next < sockets_max_;
}

PeerAddress PosixNet::peer(int socket) { return peer_address(socket); }

std::optional<std::int64_t> PosixNet::owed_ms(int socket) {
  int on_their_way = 0;  // bytes that the kernel has and the other host has not acknowledged
  if (::ioctl(socket, SIOCOUTQ, &on_their_way) != 0 || on_their_way == 0) return std::nullopt;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv);
}

}  // namespace folkmoot
