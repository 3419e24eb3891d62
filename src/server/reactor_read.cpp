// Reading: bytes of sockets and links into frames, frames into commands.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/command.hpp"
#include "server/commands.hpp"
#include "server/reactor.hpp"
#include "server/switch.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kGatheredApartBytes = 64 * 1024;  // beginnings of frames above this are read in place
constexpr std::size_t kGatherStepBytes = 256 * 1024;

// A fatal alert `protocol_version` in a TLS 1.0 record (RFC 8446, section 6): clients report it as such.
constexpr std::uint8_t kTlsRefusal[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46};

}  // namespace

void Reactor::on_readable(Connection& connection) {
  if (connection.state ==
      Connection::State::ending) {  // its last words are on the way; what it still says is not heard
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
  const auto held = connection.begun().size();
  if (held < kGatheredApartBytes) {
    if (held != 0) std::memcpy(read_buffer_.data(), connection.in->data(), held);
    const auto got = ::recv(connection.socket, read_buffer_.data() + held, read_buffer_.size() - held, MSG_DONTWAIT);
    if (ended(got)) return;
    const Bytes bytes{read_buffer_.data(), held + static_cast<std::size_t>(got)};
    const auto id = connection.id;
    if (!take_bytes(connection, bytes, used)) {
      // Ended, or given to another door: what was not used goes unheard.
      if (auto* same = find(id)) same->in.reset();
      return;
    }
    connection.keep(as_text(bytes.subspan(used)));
    return;
  }
  // A large frame is being gathered; its length was checked when its beginning was seen.
  auto& in = *connection.in;
  const auto whole = std::size_t{4} + load<std::uint32_t>(in.data());
  in.resize(std::min(whole, held + kGatherStepBytes));
  const auto got = ::recv(connection.socket, in.data() + held, in.size() - held, MSG_DONTWAIT);
  in.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (ended(got) || in.size() < whole) return;
  const auto gathered = connection.take_begun();
  const auto id = connection.id;
  if (take_bytes(connection, as_bytes(gathered), used) && find(id) == &connection)
    connection.keep(std::string_view(gathered).substr(used));
}

// Carries out all whole frames. False when the connection is not to be read on.
bool Reactor::take_bytes(Connection& connection, Bytes bytes, std::size_t& used) {
  const auto whole = bytes.size();
  connection.heard_at = now_;
  if (connection.state == Connection::State::fresh) {
    if (!sniff(connection, bytes)) return false;
    if (connection.state == Connection::State::fresh) return true;  // too little to tell
  }
  hold_readers_ = false;
  for (;;) {
    // What another shard has put into an envelope may not make its frame too large.
    const auto most = options_.frame_bytes_max + (connection.link ? kStampBytesMax : 0);
    const auto limit = connection.state == Connection::State::open ? most : kHelloBytesMax;
    const auto before = bytes;
    const auto frame = cut_frame(bytes, limit);
    if (!frame) {
      say_goodbye(connection, frame.error());
      return false;
    }
    if (!*frame) break;
    if (switch_ && connection.state == Connection::State::greeting && belongs_elsewhere(connection, before, **frame))
      return false;
    if (!carry_out(*this, connection, **frame)) return false;
    if (connection.is_held) [[unlikely]] {
      if (std::exchange(connection.takes_again, false)) bytes = before;
      break;
    }
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

// True if the socket has been given to the shard where its agent is at home.
bool Reactor::belongs_elsewhere(Connection& connection, Bytes bytes, const Frame& frame) {
  if (connection.socket < 0 || connection.is_home || frame.header.opcode != Opcode::hello) return false;
  const auto home = switch_->home_of(text_under(frame.body, 1));
  if (home == switch_->own()) return false;
  give_to(*shards_->reactors[home], connection, bytes);
  return true;
}

// Under the lock; then the thread is woken, if it sleeps.
template <class Post>
void Reactor::wake(Post post) {
  bool wakes = false;
  {
    const std::lock_guard guard(links_lock_);
    post();
    wakes = std::exchange(sleeps_, false);
  }
  const std::uint64_t one = 1;
  if (wakes) [[maybe_unused]]
    const auto written = ::write(links_event_, &one, sizeof one);
}

void Reactor::take_over(int socket, std::string first, bool is_unix) {
  wake([&] { posted_.arrivals.push_back({socket, is_unix, std::move(first)}); });
}

void Reactor::post_remote(SessionId connection, std::uint32_t shard) {
  wake([&] { posted_.remotes.emplace_back(connection, shard); });
}

void Reactor::post_content(const ContentHash& hash) {
  wake([&] { posted_.contents.push_back(hash); });
}

void Reactor::take_posted(Posted posted) {
  for (const auto& hash : posted.contents) {
    // Held anew: the engine may have let go of it since this was posted.
    if (const auto size = stored_elsewhere(hash)) engine_.content_stored({hash, *size});
  }
  for (const auto& arrival : posted.arrivals) arrive(arrival.socket, arrival.first, arrival.is_unix);
  for (const auto& [id, shard] : posted.remotes) {
    if (id == 0) {
      switch_->trunks().on_ready(shard);
    } else if (auto* const connection = find(id)) {
      switch_->on_remote(*connection, shard);
    }
  }
}

void Reactor::arrive(int socket, const std::string& first, bool is_unix) {
  if (open_connections_ >= options_.connections_max) {
    ::close(socket);
    return;
  }
  auto& connection = add_connection(socket, nullptr);
  connection.is_unix = is_unix;
  connection.is_home = true;
  connection.state = Connection::State::greeting;
  listen_to(connection);
  connection.is_held = true;
  connection.keep(first);
  go_on(connection.id);
}

void Reactor::hold(Connection& connection) {
  connection.is_held = true;
  update_interest(connection);
}

// What was read before it was held comes first.
void Reactor::go_on(SessionId id) {
  auto* const connection = find(id);
  if (connection == nullptr || !std::exchange(connection->is_held, false)) return;
  if (connection->link) return connection->link->wake();
  const auto rest = connection->take_begun();
  std::size_t used = 0;
  const bool reads_on = connection->state == Connection::State::ending || take_bytes(*connection, as_bytes(rest), used);
  if (find(id) != connection) return;
  if (reads_on) connection->keep(std::string_view(rest).substr(used));
  update_interest(*connection);
}

// Tells by the first bytes what a client speaks. False when the connection is not (any more) the reactor's to read.
bool Reactor::sniff(Connection& connection, Bytes bytes) {
  if (bytes.size() >= 5 && bytes[2] == 0 && bytes[3] == 0 && bytes[4] == static_cast<std::uint8_t>(Opcode::hello)) {
    connection.state = Connection::State::greeting;
    return true;
  }
  // HTTP: a method, or the empty line that may stand before it (RFC 9112, section 2.2).
  const bool is_line = bytes.size() >= 3 && bytes[0] == '\r' && bytes[1] == '\n';
  if (bytes.size() >= 3 && ((bytes[0] >= 'A' && bytes[0] <= 'Z') || is_line) && bytes[2] != 0) {
    if (http_door_ == nullptr) return close_connection(connection), false;
    return give_to(*http_door_, connection, bytes), false;
  }
  if (bytes.size() >= 3 && bytes[0] == 0x16 && bytes[1] == 0x03 && bytes[2] >= 1 && bytes[2] <= 4) {
    spdlog::info("a client tried TLS, which this server does not speak; it was refused");
    connection.out.append(pool_, {kTlsRefusal, sizeof kTlsRefusal});
    connection.state = Connection::State::ending;
    set_deadline(connection, now_ + 1'000);
    flush(connection);
    return false;
  }
  if (bytes.size() >= 5) return close_connection(connection), false;
  return true;
}

void Reactor::give_to(Door& door, Connection& connection, Bytes first) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.socket, nullptr);
  const int socket = std::exchange(connection.socket, -1);
  const bool is_unix = connection.is_unix;
  close_connection(connection);
  door.take_over(socket, std::string(as_text(first)), is_unix);
}

std::shared_ptr<Link> Reactor::connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) {
  const auto wake_for = [this](Link& link) {
    wake([&] {
      if (!std::exchange(link.is_listed, true)) links_waiting_.push_back(link.shared_from_this());
    });
  };
  {
    const std::lock_guard guard(links_lock_);
    if (links_closed_) return nullptr;
  }
  return std::make_shared<Link>(kind, inbox_bytes_max, std::move(on_ready), wake_for);
}

// True if no link wants attention: from here on, one that does wakes this thread.
bool Reactor::falls_asleep() {
  const std::lock_guard guard(links_lock_);
  return sleeps_ = links_waiting_.empty() && posted_.empty();
}

void Reactor::read_links() {
  std::vector<std::shared_ptr<Link>> waiting;
  Posted posted;
  {
    const std::lock_guard guard(links_lock_);
    sleeps_ = false;
    if (links_waiting_.empty() && posted_.empty()) return;
    waiting.swap(links_waiting_);
    std::swap(posted, posted_);
    for (const auto& link : waiting) link->is_listed = false;
  }
  if (!posted.empty()) take_posted(std::move(posted));
  for (const auto& link : waiting) {
    auto* connection = link->session != 0 ? find(link->session) : nullptr;
    if (connection == nullptr) {
      if (link->session != 0) continue;  // ended by the reactor before
      connection = &add_connection(-1, link);
      connection->door = link->kind;
      connection->state = Connection::State::greeting;
      link->session = connection->id;
      set_deadline(*connection, now_ + options_.hello_timeout_ms);
    }
    read_link(*connection);
  }
}

void Reactor::read_link(Connection& connection) {
  // Its outbox may have been taken since.
  connection.link->pending = connection.link->outbox_bytes();
  check_pending(connection);
  if (connection.is_paused || connection.is_held) return;
  bool closed = false;
  auto bytes = connection.link->take_inbox(closed);
  if (connection.in) {
    connection.in->append(bytes);
    bytes = connection.take_begun();
  }
  std::size_t used = 0;
  const auto id = connection.id;
  const bool reads_on = connection.state != Connection::State::ending && take_bytes(connection, as_bytes(bytes), used);
  if (find(id) != &connection) return;
  if (closed) return close_connection(connection);
  if (!reads_on || used == bytes.size()) return;
  if (used > 0) bytes.erase(0, used);
  connection.in = std::make_unique<std::string>(std::move(bytes));  // the beginning of a frame
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
