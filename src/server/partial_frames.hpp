// Frames that have come in part, of one shard's connections: what is kept of them, how much of that there may be, and
// how long one may take. A connection that has said HELLO
//
//   keeps up to 4 KiB of a frame whatever happens; a longer frame needs room before more of it is read (frame_room.hpp)
//   ends when a frame does not come whole in its time, which does not run while the server itself does not read
//
// A read brings more than was asked for, so that some is kept before room is known to be lacking: of that, too, there
// is only so much, then reads become short.
#pragma once

#include "server/connection.hpp"
#include "server/frame_room.hpp"
#include "server/net.hpp"
#include "server/options.hpp"

namespace folkmoot {

class PartialFrames {
 public:
  static constexpr std::size_t kFreeBytes = 4 * 1024;
  static constexpr std::size_t kPaceBytes = 64 * 1024;  // that a frame is given a second more for

  /// `owner` is told of room; `net` knows whose a socket is. All must outlive it.
  PartialFrames(const ServerOptions& options, FrameRoom& room, RoomOwner& owner, Net& net);

  /// From now on as they say.
  void change(const ServerOptions& options);
  /// What is left over after a read, or had been read when the connection was held: `bytes` take the place of what was
  /// kept. `goes_on`: they begin with the frame that was kept before. Afterwards `in->room` says whether it may be read
  /// on.
  void keep(Connection& connection, std::string_view bytes, bool goes_on, std::int64_t now);
  /// What was kept; its room is held until drop() or keep().
  std::string take(Connection& connection);
  /// Nothing is kept any more.
  void drop(Connection& connection);
  /// The owner was told that the connection has room: it may be read on. False if it does not wait any more.
  bool on_room(Connection& connection, std::int64_t now);
  /// The server has not read for a while: the time of what is kept begins anew.
  void restart(Connection& connection, std::int64_t now) const {
    if (connection.in) connection.in->since = now;
  }

  /// How much a read may bring, beside what is kept.
  std::size_t read_bytes_max(const Connection& connection) const;
  /// When the frame must be whole; 0: nothing is kept, or its time does not run.
  std::int64_t deadline(const Connection& connection) const;
  /// The time that a frame of so many bytes has, from its first byte on.
  std::int64_t time_of(std::size_t frame_bytes) const;

  struct Counters {
    std::size_t room_bytes = 0;  // of frames that have room
    std::size_t kept_bytes = 0;  // of sockets, without room
    std::size_t waiting = 0;     // for room
  };
  const Counters& counters() const { return counters_; }

 private:
  void ask(Connection& connection, std::size_t frame_bytes);
  // Its room, or its place in the line. Requires: something of a frame is kept (`in`).
  void give_back(Connection& connection);
  // It has room: memory for all of it is taken now.
  void use(Beginning& beginning);
  void count(const Connection& connection);

  std::int64_t timeout_ms_ = 0;
  const std::size_t frame_bytes_max_;
  std::size_t kept_bytes_max_ = 0;  // above this, reads are short
  FrameRoom& room_;
  RoomOwner& owner_;
  Net& net_;
  Counters counters_;
};

}  // namespace folkmoot
