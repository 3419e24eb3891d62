// A connection as the reactor holds it: a socket, or a link to a door on another thread; about 200 bytes while it is idle.
#pragma once

#include <memory>
#include <string>

#include "engine/effects.hpp"
#include "server/byte_buffer.hpp"
#include "server/link.hpp"
#include "server/relays.hpp"

namespace folkmoot {

struct Connection {
  enum class State : std::uint8_t {
    fresh,     // nothing read yet: may turn out to speak HTTP
    greeting,  // native, HELLO not seen
    open,
    ending,    // no session any more; what is left in `out` is written, then it is closed
  };

  SessionId id = 0;
  int socket = -1;                // -1: a link
  State state = State::fresh;
  DoorKind door = DoorKind::native;
  bool is_unix = false;
  bool is_home = false;           // came from another shard, as its agent belongs here
  bool wants_write = false;       // EPOLLOUT is on
  bool is_dirty = false;          // listed for flush
  bool is_paused = false;         // not read from, for now
  bool is_held = false;           // likewise, until another shard has answered or taken what is for it
  bool takes_again = false;       // ... and the frame that it is held for comes again then
  bool is_congested = false;      // above pending_bytes_high
  bool events_held = false;       // ... with events, whoever publishes them waits
  bool engine_held = false;       // the engine was told to wait
  bool in_fan_out = false;        // gets the events of Reactor::fan_out_, which go out before anything else
  std::uint32_t interest = 0;     // epoll events registered
  std::int64_t congested_since = 0;
  std::int64_t watched_until = 0;  // when it is looked at next whether its host is still there
  std::int64_t ends_at = 0;        // when one that is ending is closed at the latest
  bool owes_ack = false;           // bytes were on their way when that was looked at last
  std::size_t answer_bytes = 0;   // of what waits, so much at most are answers
  std::size_t link_pending = 0;   // bytes the link's door has not taken yet
  std::shared_ptr<Link> link;
  std::unique_ptr<Relays> relays; // of a client, if the server has several shards
  std::string in;                 // the beginning of a frame that is not whole yet
  ByteBuffer out;
};

}  // namespace folkmoot
