#include "server/frame_room.hpp"

#include <algorithm>

namespace folkmoot {

FrameRoom::FrameRoom(std::size_t bytes_max, std::size_t frame_bytes_max)
    : long_bytes_(std::min(std::max(bytes_max / 16, frame_bytes_max / 4), frame_bytes_max)),
      ordinary_(bytes_max / 2, long_bytes_),
      long_(bytes_max / 2, frame_bytes_max) {}

void FrameRoom::change(std::size_t bytes_max) {
  std::vector<FramePool::Asker> granted;
  {
    const std::lock_guard guard(lock_);
    for (auto* const pool : {&ordinary_, &long_}) {
      pool->change(bytes_max / 2);
      for (auto& asker : pool->take_granted()) granted.push_back(asker);
    }
  }
  for (const auto& [whose, which] : granted) whose->on_room(which);
}

bool FrameRoom::ask(RoomOwner& owner, SessionId id, const PeerAddress& address, std::size_t frame_bytes) {
  const std::lock_guard guard(lock_);
  return pool(frame_bytes).ask({&owner, id}, address, frame_bytes);
}

void FrameRoom::give_back(RoomOwner& owner, SessionId id, std::size_t frame_bytes) {
  std::vector<FramePool::Asker> granted;
  {
    const std::lock_guard guard(lock_);
    auto& from = pool(frame_bytes);
    from.give_back({&owner, id});
    granted = from.take_granted();
  }
  for (const auto& [whose, which] : granted) whose->on_room(which);
}

std::size_t FrameRoom::used_bytes() {
  const std::lock_guard guard(lock_);
  return ordinary_.used_bytes() + long_.used_bytes();
}

}  // namespace folkmoot
