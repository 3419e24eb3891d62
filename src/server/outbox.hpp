// What goes out of a reactor: bytes into the buffers of connections, and from there into sockets and links as far as
// they take them; and who takes too little. It calls nobody back: what follows for those that read and publish, and who
// is closed, is the reactor's to see.
//
//   above pending_bytes_high  congested: the engine holds its mail, and whoever publishes the events it gets waits
//   above pending_bytes_max   overrun: cut at the end of the turn
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "server/connections.hpp"
#include "server/deadlines.hpp"
#include "server/fan_out.hpp"
#include "server/options.hpp"
#include "server/socket_bytes.hpp"

namespace folkmoot {

class Outbox {
 public:
  /// Of Connection::answer_bytes, above any bound: nothing is answered any more.
  static constexpr std::size_t kNoAnswerMore = std::size_t{1} << 62;

  /// From here on a copy into the buffer costs more than a write of its own.
  static constexpr std::size_t kOwnWriteBytes = 16 * 1024;

  /// All must outlive it; `now` is the time of the turn.
  Outbox(const ServerOptions& options, const Connections& connections, Deadlines& deadlines, SocketBytes& sockets,
         const std::int64_t& now)
      : options_(options), connections_(connections), deadlines_(deadlines), sockets_(sockets), now_(now) {}

  // -- into buffers
  /// Where so many bytes go; valid until the next call for the connection. They go out with each_dirty().
  std::uint8_t* room(Connection& connection, std::size_t bytes) {
    if (connection.in_fan_out) [[unlikely]]
      send_fan_out();
    unsent_bytes_ += bytes;
    list_dirty(connection);
    return connection.out.extend(pool_, bytes);
  }
  /// It has something to say at the end of this turn.
  void list_dirty(Connection& connection) {
    if (!connection.is_dirty) add_dirty(connection);
  }
  /// Room for a frame's body behind its header.
  std::uint8_t* extend(Connection& connection, Opcode opcode, std::uint8_t flags, RequestNumber request,
                       std::size_t body_bytes, std::uint16_t retry_after_s = 0) {
    auto* const at = room(connection, kFrameHeaderBytes + body_bytes);
    store(at, FrameHeader{static_cast<std::uint32_t>(8 + body_bytes), opcode, flags, retry_after_s, request.value});
    return at + kFrameHeaderBytes;
  }
  /// Whether so much goes past the buffer, as nothing waits before it.
  bool sends_at_once(const Connection& connection, std::size_t bytes) const {
    return bytes >= kOwnWriteBytes && connection.socket >= 0 && connection.out.empty() && !connection.in_fan_out;
  }
  /// Writes past the buffer; what the socket does not take waits in it. An error shows again, and ends the connection,
  /// when that is written. Requires: sends_at_once().
  void send_or_keep(Connection& connection, std::span<const Bytes> parts);
  /// The same event for several subscribers: gathered, until anything else is put where it goes, or send_fan_out().
  void fan_out(std::span<const EventTarget> targets, const MessageParts& message);
  /// What has gathered goes to its subscribers' connections.
  void send_fan_out();

  // -- out of them
  /// Put into buffers since the last each_dirty().
  std::size_t unsent_bytes() const { return unsent_bytes_; }
  /// Calls `each` for those that something was put into the buffers of, unless they wait until they are writable. It
  /// may close connections, and put something into the buffers of others, which then have their turn too.
  template <class Each>
  void each_dirty(Each each) {
    unsent_bytes_ = 0;
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
      if (auto* const connection = connections_.find(dirty_[i])) {
        connection->is_dirty = false;
        if (!connection->wants_write) each(*connection);
      }
    }
    dirty_.clear();
  }
  /// As much as the peer takes. False: the connection is to be closed, as it has broken, or a link has its last words.
  bool write(Connection& connection);
  /// What waits goes nowhere.
  void clear(Connection& connection) { connection.out.clear(pool_); }
  /// Bytes are on their way: its host is looked for in a while, by the one deadline it has, unless that is in use.
  void watch_later(Connection& connection);

  // -- who does not take it
  bool is_behind(const Connection& connection) const { return connection.unsent() > options_.pending_bytes_high; }
  /// True if so much may not wait for it: then it is in take_overrun() at the end of this turn, as the engine is in the
  /// middle of its list of subscribers, and until then nothing is answered any more. Not so a shard link: it waits for
  /// its subscribers, who are cut there.
  bool is_overrun(Connection& connection, std::size_t pending) {
    return pending > options_.pending_bytes_max && overrun(connection);
  }
  /// Whether it was overrun in this turn, at whose end it is cut.
  static bool is_cut(const Connection& connection) { return connection.answer_bytes >= kNoAnswerMore; }
  static Error too_slow() { return {ErrorCode::slow_consumer, "too much was waiting for this connection"}; }
  bool has_overrun() const { return !overrun_.empty(); }
  std::vector<SessionId> take_overrun() { return std::exchange(overrun_, {}); }
  /// False if so much makes it congested: deliveries to it are held by the engine from here on; events, by holding
  /// whoever publishes them.
  bool hold_if_behind(Connection& connection, std::size_t pending, bool is_event) {
    return pending <= options_.pending_bytes_high || hold(connection, is_event);
  }
  /// After a write: whether it was congested, and has taken enough to go on.
  bool has_drained(Connection& connection) const {
    connection.answer_bytes = std::min(connection.answer_bytes, connection.unsent());
    return connection.is_congested && connection.unsent() <= options_.pending_bytes_high / 2;
  }
  /// Takes back what hold_if_behind() counted; if nobody is congested then, the caller sees to who was not read from.
  /// True: it was the last client that events waited for.
  bool no_more_congested(Connection& connection);
  /// Events wait for somebody, and so whoever publishes.
  bool has_congested() const { return congested_ > 0; }
  std::size_t congested() const { return congested_; }
  /// A client is so far behind that no event more may come from other shards. (Of shard links that are behind nothing
  /// follows: two shards would wait for each other.)
  bool has_congested_client() const { return congested_clients_ > 0; }
  /// Whether an event has come for somebody congested since the last call.
  bool take_holds_readers() { return std::exchange(holds_readers_, false); }

  // -- memory of buffers that is not in use
  bool has_spare() const { return !pool_.empty(); }
  void trim() { pool_.trim(); }

 private:
  // Of list_dirty(), for one that is not in the list; apart, as it is once a turn and that is on every message's way.
  void add_dirty(Connection& connection);
  // Of is_overrun(), for one that has so much.
  bool overrun(Connection& connection);
  // Of hold_if_behind(), for one that is; false.
  bool hold(Connection& connection, bool is_event);

  const ServerOptions& options_;
  const Connections& connections_;
  Deadlines& deadlines_;
  SocketBytes& sockets_;
  const std::int64_t& now_;
  BufferPool pool_;
  FanOut fan_out_;
  std::vector<SessionId> dirty_;
  std::vector<SessionId> overrun_;     // with more unsent than pending_bytes_max
  std::size_t congested_ = 0;          // subscribers that events wait for
  std::size_t congested_clients_ = 0;  // of these: clients
  std::size_t unsent_bytes_ = 0;
  bool holds_readers_ = false;
};

}  // namespace folkmoot
