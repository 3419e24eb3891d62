#include "server/frame_pool.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace folkmoot {

FramePool::FramePool(std::size_t bytes_max, std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {
  change(bytes_max);
}

void FramePool::change(std::size_t bytes_max) {
  bytes_max_ = std::max(bytes_max, frame_bytes_max_);
  of_address_max_ = std::max(bytes_max - bytes_max / 4, frame_bytes_max_);
  grant();
}

bool FramePool::ask(Asker asker, const PeerAddress& address, std::size_t bytes) {
  FOLKMOOT_ASSERT(bytes <= of_address_max_);
  const auto line = lines_.try_emplace(address).first;
  const auto [at, is_new] = places_.emplace(asker, Place{.line = line, .bytes = bytes});
  FOLKMOOT_ASSERT(is_new);
  auto& place = at->second;
  if (turns_.empty() && fits(place) && fits_address(place)) {
    use(place);
    return true;
  }
  wait(asker, place);
  grant();  // those before it may all wait for room of their own addresses
  if (!place.has_room) return false;
  std::erase(granted_, asker);
  return true;
}

void FramePool::use(Place& place) {
  place.has_room = true;
  place.line->second.used += place.bytes;
  used_ += place.bytes;
}

void FramePool::wait(Asker asker, Place& place) {
  auto& line = place.line->second;
  if (line.waiting.empty()) line.turn = turns_.insert(turns_.end(), &line);
  place.waiting = line.waiting.insert(line.waiting.end(), asker);
  ++waiting_;
}

void FramePool::end_wait(Place& place) {
  auto& line = place.line->second;
  line.waiting.erase(place.waiting);
  --waiting_;
  if (line.waiting.empty()) turns_.erase(line.turn);
}

void FramePool::give_back(Asker asker) {
  const auto found = places_.find(asker);
  if (found == places_.end()) return;
  auto place = found->second;
  places_.erase(found);
  auto& line = place.line->second;
  if (place.has_room) {
    line.used -= place.bytes;
    used_ -= place.bytes;
    std::erase(granted_, asker);
  } else {
    end_wait(place);
  }
  if (line.used == 0 && line.waiting.empty()) lines_.erase(place.line);
  grant();
}

// An address that has all the room it may have is passed over. One whose frame does not fit into what is left for all
// keeps its turn: nobody takes what comes free before it.
void FramePool::grant() {
  for (std::size_t passed = 0; passed < turns_.size();) {
    auto& line = *turns_.front();
    const auto asker = line.waiting.front();
    auto& place = places_.find(asker)->second;
    if (fits_address(place)) {
      if (!fits(place)) return;
      end_wait(place);
      use(place);
      granted_.push_back(asker);
      passed = 0;
    } else {
      ++passed;
    }
    if (!line.waiting.empty()) turns_.splice(turns_.end(), turns_, line.turn);
  }
}

}  // namespace folkmoot
