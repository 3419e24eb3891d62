// A connection as the reactor holds it: a socket, or a link to a door on another thread; 152 bytes of memory while it
// is idle, and TLS on top of that for one that speaks it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/effects.hpp"
#include "server/byte_buffer.hpp"
#include "server/credentials.hpp"
#include "server/link.hpp"
#include "server/remote_sessions.hpp"

namespace folkmoot {

/// Frames up to this are read together with what comes behind them; longer ones, once their beginning is there, apart.
constexpr std::size_t kGatheredApartBytes = 64 * 1024;

/// The beginning of a frame that is not whole yet; or what had been read of a connection when it was held.
struct Beginning {
  /// For the whole frame (frame_room.hpp).
  enum class Room : std::uint8_t { none, waits, has };

  std::string bytes;
  std::int64_t since = 0;   // when its first byte came, or it got room
  std::size_t asked = 0;    // how much room, if any
  std::size_t counted = 0;  // by PartialFrames
  Room room = Room::none;

  /// Its frame is read into it, and nothing behind that.
  bool is_gathered_apart() const { return room == Room::has && frame_bytes() > kGatheredApartBytes; }
  /// Of the whole frame; 0 while that is not known.
  std::size_t frame_bytes() const {
    return bytes.size() < 4 ? 0
                            : std::size_t{4} + load<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(bytes.data()));
  }
};

struct Connection {
  enum class State : std::uint8_t {
    fresh,     // nothing read yet: may turn out to speak HTTP
    greeting,  // native, HELLO not seen
    open,
    ending,  // no session any more; what is left in `out` is written, then it is closed
  };

  SessionId id = 0;
  int socket = -1;  // -1: a link
  State state = State::fresh;
  DoorKind door = DoorKind::native;
  bool is_unix = false;
  bool is_home = false;         // came from another shard, as its agent belongs here
  bool wants_write = false;     // EPOLLOUT is on
  bool is_dirty = false;        // listed for flush
  bool is_paused = false;       // not read from, for now
  bool is_held = false;         // likewise, until another shard has answered or taken what is for it
  bool takes_again = false;     // ... and the frame that it is held for comes again then
  bool is_congested = false;    // above pending_bytes_high
  bool events_held = false;     // ... with events, whoever publishes them waits
  bool engine_held = false;     // the engine was told to wait
  bool in_fan_out = false;      // gets the events of Outbox::fan_out_, which go out before anything else
  bool is_heard_again = false;  // listed, as its TLS holds more than was read
  bool by_token = false;        // has shown the server's token
  bool owes_ack = false;        // bytes were on their way when its host was looked for last
  std::uint32_t interest = 0;   // what it is watched for
  // When its time is over, Unix ms: for HELLO; once open, for taking the events it holds up, or else until its host is
  // looked for; for its last words. 0: it has all the time it likes.
  std::int64_t deadline = 0;
  std::int64_t due = 0;          // when the reactor looks at the deadline, which is not later; 0: not at all
  std::int64_t opened_at = 0;    // Unix ms
  std::int64_t heard_at = 0;     // likewise: when it last said anything
  std::size_t answer_bytes = 0;  // of what waits, so much at most are answers
  std::shared_ptr<Link> link;
  std::unique_ptr<RemoteSessions> remote_sessions;  // of a client, if the server has several shards
  std::unique_ptr<Credentials> who;                 // null: nothing is asked of it (credentials.hpp)
  std::string provenance;                           // pack(Provenance) of what it sends; empty: nobody was asked
  std::unique_ptr<Beginning> in;                    // null: nothing; PartialFrames alone writes it
  std::unique_ptr<TlsSession> tls;                  // null: what is said goes over the network as it is
  ByteBuffer out;

  /// Bytes that the peer has not taken, as far as this side knows.
  std::size_t unsent() const { return out.size() + (link ? link->pending : 0) + (tls ? tls->unsent().size() : 0); }
  /// Whether its socket has something to take.
  bool has_unsent() const { return !out.empty() || (tls && tls->has_unsent()); }

  std::string_view begun() const { return in ? std::string_view(in->bytes) : std::string_view(); }
  /// Whether bytes that come are read.
  bool is_read() const { return !is_paused && !is_held && !(in && in->room == Beginning::Room::waits); }
};

}  // namespace folkmoot
