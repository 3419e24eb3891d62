// The room for frames that have come in part, of all shards: frames of ordinary messages and long ones have a pool
// each, half of it all, so that whoever fills one leaves the other. Any thread.
#pragma once

#include <mutex>

#include "server/frame_pool.hpp"

namespace folkmoot {

class FrameRoom {
 public:
  FrameRoom(std::size_t bytes_max, std::size_t frame_bytes_max);

  /// So much room from now on; which frames are long stays as it is. What has room keeps it.
  void change(std::size_t bytes_max);

  /// True: there is room for it. False: it waits, and `owner` is told when there is. What is asked for twice is asked
  /// for with the same number of bytes. Requires: the connection neither has room nor waits.
  bool ask(RoomOwner& owner, SessionId id, const PeerAddress& address, std::size_t frame_bytes);
  /// Gives its room back, or its place in the line. `frame_bytes`: as asked for. It may still be told of room
  /// meanwhile.
  void give_back(RoomOwner& owner, SessionId id, std::size_t frame_bytes);

  std::size_t used_bytes();

 private:
  FramePool& pool(std::size_t frame_bytes) { return frame_bytes > long_bytes_ ? long_ : ordinary_; }

  const std::size_t long_bytes_;  // frames above this are long
  std::mutex lock_;
  FramePool ordinary_;  // guarded by lock_
  FramePool long_;      // guarded by lock_
};

}  // namespace folkmoot
