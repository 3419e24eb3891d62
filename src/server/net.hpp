// The network as a reactor sees it: sockets by number, and what has happened on them. PosixNet is the operating
// system's; a run without sockets brings its own. One thread, but for wake().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "server/peer.hpp"

namespace folkmoot {

class Net {
 public:
  virtual ~Net() = default;

  // -- what happens. A socket that is watched for nothing is told about when it has broken, and about nothing else.
  static constexpr std::uint32_t kReadable = 1, kWritable = 4, kBroken = 24;
  struct Event {
    std::uint64_t token = 0;
    std::uint32_t what = 0;
  };
  /// Waits until something has happened, wake() was called or the time is over (-1: never); what has happened, at most
  /// 256 things, and again the next time as long as it is so. The events live until the next call.
  virtual std::span<const Event> wait(std::int64_t most_ms) = 0;
  /// Waits for nothing else: until one of these sockets is so (or has broken), or the time is over. False: it is over.
  virtual bool wait_for(std::span<const int> sockets, std::uint32_t what, std::int64_t most_ms) = 0;
  /// Any thread: ends the wait that runs, or the next one. No event tells of it.
  virtual void wake() = 0;
  /// Also a file descriptor that something on this machine makes readable.
  virtual void watch(int socket, std::uint64_t token, std::uint32_t what) = 0;
  virtual void watch_again(int socket, std::uint64_t token, std::uint32_t what) = 0;
  virtual void forget(int socket) = 0;

  // -- bytes
  /// In the place of a count: nothing now, perhaps later; the connection has broken.
  static constexpr std::ptrdiff_t kNothing = -1, kFailed = -2;
  /// How many bytes were read; 0: the peer has ended.
  virtual std::ptrdiff_t receive(int socket, std::span<std::uint8_t> into) = 0;
  /// How many bytes of the parts, one after the other, the socket has taken. At most four parts.
  virtual std::ptrdiff_t send(int socket, std::span<const Bytes> parts) = 0;
  /// The peer is to see the end of what was sent.
  virtual void end_sending(int socket) = 0;
  virtual void close(int socket) = 0;

  // -- connections
  struct Accepted {
    enum class What { taken, nothing, no_files } what = What::nothing;
    int socket = -1;
    PeerAddress peer{};
  };
  /// The next who has connected. `no_files`: there is one, and no file descriptor for it beyond those that are kept for
  /// the disk; it stays.
  virtual Accepted accept(int listener) = 0;
  virtual PeerAddress peer(int socket) = 0;
  /// For how long nothing was heard of the peer's host, if bytes are on their way to it.
  virtual std::optional<std::int64_t> owed_ms(int socket) = 0;
};

/// epoll, and sockets of the operating system.
class PosixNet final : public Net {
 public:
  /// Errors: io_error.
  static Result<std::unique_ptr<PosixNet>> make();
  ~PosixNet() override;

  std::span<const Event> wait(std::int64_t most_ms) override;
  bool wait_for(std::span<const int> sockets, std::uint32_t what, std::int64_t most_ms) override;
  void wake() override;
  void watch(int socket, std::uint64_t token, std::uint32_t what) override;
  void watch_again(int socket, std::uint64_t token, std::uint32_t what) override;
  void forget(int socket) override;
  std::ptrdiff_t receive(int socket, std::span<std::uint8_t> into) override;
  std::ptrdiff_t send(int socket, std::span<const Bytes> parts) override;
  void end_sending(int socket) override;
  void close(int socket) override;
  Accepted accept(int listener) override;
  PeerAddress peer(int socket) override;
  std::optional<std::int64_t> owed_ms(int socket) override;

 private:
  PosixNet(int epoll, int wakeup);
  bool has_files_left();

  const int epoll_;
  const int wakeup_;
  const int sockets_max_;         // descriptors from here on are kept for the journal and contents
  bool files_are_short_ = false;  // they were, when a connection was taken last
  std::vector<Event> events_;
};

}  // namespace folkmoot
