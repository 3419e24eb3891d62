// Reading: bytes of sockets and links into frames, frames into commands.
#include <spdlog/spdlog.h>

#include "server/command.hpp"
#include "server/commands.hpp"
#include "server/reactor.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kGatherStepBytes = 256 * 1024;

// A fatal alert `protocol_version` in a TLS 1.0 record (RFC 8446, section 6): clients report it as such.
constexpr std::string_view kTlsRefusal("\x15\x03\x01\x00\x02\x02\x46", 7);

// Who comes without TLS, and has to speak it.
const Error kPlainRefusal{ErrorCode::not_permitted, "this server is spoken to by TLS only",
                          "connect to tls://HOST:PORT in the place of HOST:PORT"};
constexpr std::string_view kHttpRefusal =
    "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 106\r\nConnection: close\r\n\r\n"
    R"({"code":"not_permitted","error":"this server is spoken to by TLS only","advice":"use https:// and wss://"})";

constexpr std::int64_t kRefusalMs = 1'000;  // for a client to take it

bool begins_hello(Bytes bytes) {
  return bytes.size() >= 5 && bytes[2] == 0 && bytes[3] == 0 && bytes[4] == static_cast<std::uint8_t>(Opcode::hello);
}

// A method, or the empty line that may stand before it (RFC 9112, section 2.2).
bool begins_http(Bytes bytes) {
  if (bytes.size() < 3 || bytes[2] == 0) return false;
  return (bytes[0] >= 'A' && bytes[0] <= 'Z') || (bytes[0] == '\r' && bytes[1] == '\n');
}

bool begins_tls(Bytes bytes) {
  return bytes.size() >= 3 && bytes[0] == 0x16 && bytes[1] == 0x03 && bytes[2] >= 1 && bytes[2] <= 4;
}

bool lacks_tls(const Connection& connection, const TlsOptions& options, Net& net) {
  if (connection.tls || connection.is_unix || !options.is_required()) return false;
  return options.plain != TlsOptions::Plain::loopback || !net.peer(connection.socket).is_loopback();
}

void end_with(std::string_view words, Connection& connection, Outbox& outbox, Deadlines& deadlines, std::int64_t now) {
  std::memcpy(outbox.room(connection, words.size()), words.data(), words.size());
  connection.state = Connection::State::ending;
  deadlines.set(connection, now + kRefusalMs);
}

}  // namespace

void Reactor::on_readable(Connection& connection) {
  const auto ended = [&](std::ptrdiff_t got) {
    if (got > 0) return false;
    if (got != Net::kNothing) close_connection(connection);
    return true;
  };
  if (connection.state ==
      Connection::State::ending) {  // its last words are on the way; what it still says is not heard
    ended(net_->receive(connection.socket, read_buffer_));
    return;
  }
  if (connection.in && connection.in->is_gathered_apart()) {
    // Its length was checked when its beginning was seen.
    auto& in = connection.in->bytes;
    const auto held = in.size(), whole = connection.in->frame_bytes();
    std::ptrdiff_t got = 0;
    in.resize_and_overwrite(std::min(whole, held + kGatherStepBytes), [&](char* bytes, std::size_t size) {
      got = sockets_.receive(connection, {reinterpret_cast<std::uint8_t*>(bytes) + held, size - held});
      return held + static_cast<std::size_t>(std::max<std::ptrdiff_t>(got, 0));
    });
    if (ended(got) || in.size() < whole) return;
    return take_kept(connection, partial_frames_.take(connection));
  }
  const auto held = connection.begun().size();
  if (held != 0) std::memcpy(read_buffer_.data(), connection.in->bytes.data(), held);
  const auto most = std::min(read_buffer_.size() - held, partial_frames_.read_bytes_max(connection));
  const auto got = sockets_.receive(connection, read_buffer_.subspan(held, most));
  if (ended(got)) return;
  take_kept(connection, as_text({read_buffer_.data(), held + static_cast<std::size_t>(got)}));
}

// Carries out what is whole of `bytes`, which begin with what was kept, and keeps the rest.
void Reactor::take_kept(Connection& connection, std::string_view bytes) {
  const auto id = connection.id;
  std::size_t used = 0;
  const bool reads_on = take_bytes(connection, as_bytes(bytes), used);
  if (find(id) != &connection) return;
  // Ended, or given to another door: what was not used goes unheard.
  if (!reads_on) return partial_frames_.drop(connection);
  partial_frames_.keep(connection, bytes.substr(used), used == 0, now_);
  if (!connection.in) return;
  deadlines_.look_at(connection, partial_frames_.deadline(connection));
  if (!connection.is_read()) update_interest(connection);
}

// Carries out all whole frames. False when the connection is not to be read on.
bool Reactor::take_bytes(Connection& connection, Bytes bytes, std::size_t& used) {
  const auto whole = bytes.size();
  connection.heard_at = now_;
  if (connection.state == Connection::State::fresh) {
    if (!sniff(connection, bytes)) return false;
    if (connection.state == Connection::State::fresh) return true;  // too little to tell
  }
  outbox_.take_holds_readers();
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
    if (router_ && connection.state == Connection::State::greeting && belongs_elsewhere(connection, before, **frame))
      return false;
    if (!carry_out(*this, connection, **frame)) return false;
    if (connection.is_held) [[unlikely]] {
      if (std::exchange(connection.takes_again, false)) bytes = before;
      break;
    }
  }
  used = whole - bytes.size();
  outbox_.send_fan_out();
  if (outbox_.take_holds_readers() || journal_.staged_bytes() > options_.staged_bytes_max) {
    connection.is_paused = true;
    paused_.push_back(connection.id);
    update_interest(connection);
  }
  return true;
}

// True if the socket has been given to the shard where its agent is at home.
bool Reactor::belongs_elsewhere(Connection& connection, Bytes bytes, const Frame& frame) {
  if (connection.socket < 0 || connection.is_home || frame.header.opcode != Opcode::hello) return false;
  const auto home = router_->home_of(text_under(frame.body, 1));
  if (home == router_->own()) return false;
  give_to(shards_->reactors[home.value]->postbox(), connection, bytes);
  return true;
}

// In this order: a link may be about a content that was posted.
void Reactor::take_posted() {
  auto mail = postbox_.take();
  if (mail.options) [[unlikely]]
    change(*mail.options);
  for (const auto& hash : mail.contents) {
    // Held anew: the engine may have let go of it since this was posted.
    if (const auto size = effects_.stored_elsewhere(hash)) engine_.contents().stored({hash, *size});
  }
  for (const auto& [agent, is_there] : mail.presence)
    is_there ? engine_.registry().came(agent) : engine_.registry().went(agent);
  for (const auto& [agent, load] : mail.loads) (void)engine_.registry().note_load(agent, load);
  for (const auto& task : mail.tasks) task();
  for (const auto id : mail.rooms) read_on(id);
  for (auto& arrival : mail.arrivals) arrive(arrival, true);
  for (auto& arrival : mail.secured) arrive(arrival, false);
  for (const auto& [id, shard] : mail.remotes) {
    if (id == 0) {
      router_->shard_links().on_ready(shard);
    } else if (auto* const connection = find(id)) {
      router_->on_remote(*connection, shard);
    }
  }
  for (const auto& link : mail.links) take_link(*link);
}

void Reactor::arrive(Arrival& arrival, bool is_home) {
  if (connections_.size() >= options_.connections_max) return net_->close(arrival.socket);
  auto& connection = connections_.add(arrival.socket, nullptr);
  const auto id = connection.id;
  connection.is_unix = arrival.is_unix;
  connection.tls = std::move(arrival.tls);
  connection.is_home = is_home;
  if (is_home) connection.state = Connection::State::greeting;
  listen_to(connection);
  if (const auto leaves = newcomers_.enter(id, net_->peer(arrival.socket))) displace(*leaves);
  if (is_home) take_kept(connection, arrival.first);
  if (find(id) == &connection) sockets_.hear_again(connection);
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
  if (connection->state != Connection::State::ending) take_kept(*connection, partial_frames_.take(*connection));
  if (find(id) != connection) return;
  partial_frames_.restart(*connection, now_);
  update_interest(*connection);
}

// There is room for a frame that waited for it.
void Reactor::read_on(SessionId id) {
  auto* const connection = find(id);
  if (connection == nullptr || !partial_frames_.on_room(*connection, now_)) return;
  deadlines_.look_at(*connection, partial_frames_.deadline(*connection));
  update_interest(*connection);
}

// Tells by the first bytes what a client speaks. False when the connection is not (any more) the reactor's to read.
bool Reactor::sniff(Connection& connection, Bytes bytes) {
  const bool is_hello = begins_hello(bytes), is_http = begins_http(bytes);
  if ((is_hello || is_http) && lacks_tls(connection, options_.tls, *net_)) {
    if (plain_line_.is_due(now_)) spdlog::info("a client came without TLS, which tls.mode requires; it was refused");
    is_http ? end_with(kHttpRefusal, connection, outbox_, deadlines_, now_) : say_goodbye(connection, kPlainRefusal);
    return false;
  }
  if (is_hello) {
    connection.state = Connection::State::greeting;
    return true;
  }
  if (is_http) {
    if (doors_.http == nullptr) return close_connection(connection), false;
    return give_to(*doors_.http, connection, bytes), false;
  }
  if (begins_tls(bytes) && !connection.tls) {
    if (doors_.tls != nullptr && options_.tls.is_on()) return give_to(*doors_.tls, connection, bytes), false;
    if (tls_line_.is_due(now_)) spdlog::info("a client tried TLS, which this server does not speak; it was refused");
    end_with(kTlsRefusal, connection, outbox_, deadlines_, now_);
    return false;
  }
  if (bytes.size() >= 5) return close_connection(connection), false;
  return true;
}

void Reactor::give_to(Door& door, Connection& connection, Bytes first) {
  net_->forget(connection.socket);
  const int socket = std::exchange(connection.socket, -1);
  Arrival arrival{.socket = socket,
                  .is_unix = connection.is_unix,
                  .first = std::string(as_text(first)),
                  .tls = std::move(connection.tls)};
  close_connection(connection);
  door.take_over(std::move(arrival));
}

void Reactor::take_link(Link& link) {
  auto* connection = link.session != 0 ? find(link.session) : nullptr;
  if (connection == nullptr) {
    if (link.session != 0) return;  // ended by the reactor before
    connection = &connections_.add(-1, link.shared_from_this());
    connection->door = link.kind;
    connection->state = Connection::State::greeting;
    link.session = connection->id;
    deadlines_.set(*connection, now_ + options_.login.timeout_ms);
  }
  read_link(*connection);
}

void Reactor::read_link(Connection& connection) {
  // Its outbox may have been taken since.
  connection.link->pending = connection.link->outbox_bytes();
  check_pending(connection);
  if (!connection.is_read()) return;
  bool closed = false;
  auto bytes = partial_frames_.take(connection) + connection.link->take_inbox(closed);
  const auto id = connection.id;
  if (connection.state != Connection::State::ending) take_kept(connection, bytes);
  if (closed && find(id) == &connection) close_connection(connection);
}

void Reactor::resume_readers() {
  for (const auto id : std::exchange(paused_, {})) {
    auto* const connection = find(id);
    if (connection == nullptr) continue;
    connection->is_paused = false;
    partial_frames_.restart(*connection, now_);
    update_interest(*connection);
    if (connection->link) connection->link->wake();
  }
}

}  // namespace folkmoot
