// Reading: bytes of sockets and links into frames, frames into commands.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/commands.hpp"
#include "server/reactor.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kGatheredApartBytes = 64 * 1024;  // beginnings of frames above this are read in place
constexpr std::size_t kGatherStepBytes = 256 * 1024;

// A fatal alert `protocol_version` in a TLS 1.0 record (RFC 8446, section 6): clients report it as such.
constexpr std::uint8_t kTlsRefusal[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46};

}  // namespace

void Reactor::on_readable(Connection& connection) {
  if (connection.state == Connection::State::ending) {  // its last words are on the way; what it still says is not heard
    const auto got = ::recv(connection.socket, read_buffer_.data(), read_buffer_.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close_connection(connection);
    return;
  }
  const auto ended = [&](ssize_t got) {
    if (got > 0) return false;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) close_connection(connection);
    return true;
  };
  std::size_t used = 0;
  if (connection.in.size() < kGatheredApartBytes) {
    const auto held = connection.in.size();
    std::memcpy(read_buffer_.data(), connection.in.data(), held);
    const auto got = ::recv(connection.socket, read_buffer_.data() + held, read_buffer_.size() - held, MSG_DONTWAIT);
    if (ended(got)) return;
    const Bytes bytes{read_buffer_.data(), held + static_cast<std::size_t>(got)};
    const auto id = connection.id;
    if (!take_bytes(connection, bytes, used)) {
      // Ended, or given to another door: what was not used goes unheard.
      if (auto* same = find(id)) same->in.clear();
      return;
    }
    const auto left = as_text(bytes.subspan(used));
    if (left.empty() && connection.in.capacity() > 512) {
      connection.in = std::string();
    } else {
      connection.in.assign(left);
    }
    return;
  }
  // A large frame is being gathered; its length was checked when its beginning was seen.
  auto& in = connection.in;
  const auto held = in.size();
  const auto whole = std::size_t{4} + load<std::uint32_t>(in.data());
  in.resize(std::min(whole, held + kGatherStepBytes));
  const auto got = ::recv(connection.socket, in.data() + held, in.size() - held, MSG_DONTWAIT);
  in.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (ended(got) || in.size() < whole) return;
  const auto gathered = std::exchange(in, std::string());
  take_bytes(connection, as_bytes(gathered), used);
}

// Carries out all whole frames. False when the connection is not to be read on.
bool Reactor::take_bytes(Connection& connection, Bytes bytes, std::size_t& used) {
  const auto whole = bytes.size();
  if (connection.state == Connection::State::fresh) {
    if (!sniff(connection, bytes)) return false;
    if (connection.state == Connection::State::fresh) return true;  // too little to tell
  }
  hold_readers_ = false;
  for (;;) {
    const auto limit = connection.state == Connection::State::open ? options_.frame_bytes_max : kHelloBytesMax;
    const auto frame = cut_frame(bytes, limit);
    if (!frame) {
      say_goodbye(connection, frame.error());
      return false;
    }
    if (!*frame) break;
    if (!carry_out(*this, connection, **frame)) return false;
  }
  used = whole - bytes.size();
  send_fan_out();
  if (hold_readers_ || journal_.staged_bytes() > options_.staged_bytes_max) {
    connection.is_paused = true;
    paused_.push_back(connection.id);
    update_interest(connection);
  }
  return true;
}

// Tells by the first bytes what a client speaks. False when the connection is not (any more) the reactor's to read.
bool Reactor::sniff(Connection& connection, Bytes bytes) {
  if (bytes.size() >= 5 && bytes[2] == 0 && bytes[3] == 0 && bytes[4] == static_cast<std::uint8_t>(Opcode::hello)) {
    connection.state = Connection::State::greeting;
    return true;
  }
  if (bytes.size() >= 3 && bytes[0] >= 'A' && bytes[0] <= 'Z' && bytes[2] != 0) {
    if (http_door_ == nullptr) return close_connection(connection), false;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.socket, nullptr);
    const int socket = std::exchange(connection.socket, -1);
    const bool is_unix = connection.is_unix;
    const std::string first(as_text(bytes));
    close_connection(connection);
    http_door_->take_over(socket, first, is_unix);
    return false;
  }
  if (bytes.size() >= 3 && bytes[0] == 0x16 && bytes[1] == 0x03 && bytes[2] >= 1 && bytes[2] <= 4) {
    spdlog::info("a client tried TLS, which this server does not speak; it was refused");
    connection.out.append(pool_, {kTlsRefusal, sizeof kTlsRefusal});
    connection.state = Connection::State::ending;
    deadlines_.push({now_ + 1'000, connection.id});
    flush(connection);
    return false;
  }
  if (bytes.size() >= 5) return close_connection(connection), false;
  return true;
}

std::shared_ptr<Link> Reactor::connect(std::string_view door, std::function<void()> on_ready) {
  const auto wake = [this](Link& link) {
    bool first = false;
    {
      const std::lock_guard guard(links_lock_);
      if (link.is_listed) return;
      link.is_listed = true;
      first = links_waiting_.empty();
      links_waiting_.push_back(link.shared_from_this());
    }
    const std::uint64_t one = 1;
    if (first) [[maybe_unused]] const auto written = ::write(links_event_, &one, sizeof one);
  };
  {
    const std::lock_guard guard(links_lock_);
    if (links_closed_) return nullptr;
  }
  auto link = std::make_shared<Link>(std::move(on_ready), wake);
  link->is_websocket = door == "websocket";
  return link;
}

void Reactor::read_links() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(links_event_, &count, sizeof count);
  std::vector<std::shared_ptr<Link>> waiting;
  {
    const std::lock_guard guard(links_lock_);
    waiting.swap(links_waiting_);
    for (const auto& link : waiting) link->is_listed = false;
  }
  for (const auto& link : waiting) {
    auto* connection = link->session != 0 ? find(link->session) : nullptr;
    if (connection == nullptr) {
      if (link->session != 0) continue;  // ended by the reactor before
      connection = &add_connection(-1, link);
      connection->door = link->is_websocket ? DoorKind::websocket : DoorKind::http;
      connection->state = Connection::State::greeting;
      link->session = connection->id;
      deadlines_.push({now_ + options_.hello_timeout_ms, connection->id});
    }
    read_link(*connection);
  }
}

void Reactor::read_link(Connection& connection) {
  // Its outbox may have been taken since.
  connection.link_pending = connection.link->outbox_bytes();
  check_pending(connection);
  if (connection.is_paused) return;
  bool closed = false;
  const auto frames = connection.link->take_inbox(closed);
  std::size_t used = 0;
  const auto id = connection.id;
  if (connection.state != Connection::State::ending) take_bytes(connection, as_bytes(frames), used);
  if (closed && find(id) == &connection) close_connection(connection);
}

void Reactor::resume_readers() {
  for (const auto id : std::exchange(paused_, {})) {
    auto* const connection = find(id);
    if (connection == nullptr) continue;
    connection->is_paused = false;
    update_interest(*connection);
    if (connection->link) connection->link->wake();
  }
}

}  // namespace folkmoot
