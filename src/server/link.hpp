// A link: a connection into the reactor from another thread of the same process. Doors on other threads (HTTP,
// WebSocket), and other shards, speak native frames over it, exactly as a socket would carry them, so that no rule of
// messaging lives in a door.
//
//   door thread                         reactor thread
//   send(frames)  --- inbox (bounded) --->  read as if from a socket
//   take()        <-- outbox (bounded) ---  written as if to a socket; on_ready is called when there is something to
//   take
//
// The door says HELLO first, as every connection does. Both boxes are guarded by the link's own lock; nothing else is
// shared.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/ids.hpp"
#include "server/peer.hpp"
#include "transport/tls_session.hpp"

namespace folkmoot {

constexpr std::size_t kLinkInboxBytesMax = 16 * 1024 * 1024;

/// remote: a client of another shard; shard: another shard itself, or this one (shards.hpp); webhook: an agent whose
/// mail the server posts to its endpoint.
enum class DoorKind : std::uint8_t { native, http, websocket, remote, shard, webhook };
constexpr std::size_t kDoorKinds = 6;

/// Whose frames are the server's own: they show nothing, and are not judged.
constexpr bool is_own(DoorKind door) { return door >= DoorKind::remote; }

constexpr std::string_view kDoorWords[kDoorKinds] = {"native", "http", "websocket", "remote", "shard", "webhook"};
constexpr std::string_view name(DoorKind door) { return kDoorWords[static_cast<std::size_t>(door)]; }

/// Of a remote session: the client's connection, as its own shard knows it. Of a door's: the client, as the door does.
struct LinkOrigin {
  std::string connection{};
  DoorKind door = DoorKind::native;
  PeerAddress address{};
  VerifiedPeer certified{};
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  /// `on_ready` runs on the reactor's thread whenever take() may have something new, the inbox has been emptied, or the
  /// link was closed by the reactor: it must not block and not call back into the link, only post to the door's own
  /// thread. `wake` makes the reactor look at this link; any thread.
  Link(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready, std::function<void(Link&)> wake);

  // -- the door's side, any one thread at a time
  /// Hands bytes of frames over. False, and nothing taken, while the inbox holds `inbox_bytes_max` or more (wait for
  /// on_ready), or after the link was closed.
  bool send(std::string_view bytes);
  /// All frames that arrived since the last call; whole frames only.
  std::string take();
  /// The same into `frames`, whose memory is used for those that come next: for links that always have some.
  void take_into(std::string& frames);
  /// Ends the connection: the reactor forgets the session. May be called twice.
  void close();
  /// True once the reactor has ended the connection; take() may still have its last words (GOODBYE).
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // -- the reactor's side
  std::string take_inbox(bool& door_closed);
  /// Hands frames over; returns the bytes the door has not taken yet. The door's next take() wakes the reactor.
  std::size_t put_outbox(std::string_view frames);
  std::size_t outbox_bytes() const;
  void end_by_reactor();
  /// Makes the reactor look at this link again.
  void wake() { wake_(*this); }
  const DoorKind kind;
  LinkOrigin origin{};      // set by its maker before anything is sent
  SessionId session = 0;    // the reactor's mark: its connection, once it has one
  std::size_t pending = 0;  // likewise: bytes that the door had not taken when it looked last
  bool is_listed = false;   // reactor's own mark: guarded by the reactor's wake list lock

 private:
  const std::size_t inbox_bytes_max_;
  const std::function<void()> on_ready_;
  const std::function<void(Link&)> wake_;
  mutable std::mutex lock_;
  std::string inbox_;          // guarded by lock_
  std::string outbox_;         // guarded by lock_
  bool door_closed_ = false;   // guarded by lock_
  bool want_drained_ = false;  // guarded by lock_: the reactor waits for the outbox to be taken
  std::atomic<bool> closed_ = false;
};

/// What a server offers to doors on other threads.
class Hub {
 public:
  virtual ~Hub() = default;
  /// A new link, any thread. Null once the server is stopping.
  virtual std::shared_ptr<Link> connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) = 0;
  /// Whether the server takes whatever is sent to it, durable messages too. Any thread.
  virtual bool is_ready() const = 0;
};

/// A connected socket (non-blocking) on its way from one thread to another.
struct Arrival {
  int socket = -1;
  bool is_unix = false;
  std::string first{};                // what was read of it already; of one with TLS, what the peer said
  std::unique_ptr<TlsSession> tls{};  // null: plain
};

/// Whoever serves connected sockets on threads of its own.
class Door {
 public:
  virtual ~Door() = default;
  /// Owns the socket from here on. Any thread; never blocks.
  virtual void take_over(Arrival arrival) = 0;
  /// Connections that ended there by a fault of what was said on them. Any thread.
  virtual std::uint64_t faults() const { return 0; }
};

}  // namespace folkmoot
