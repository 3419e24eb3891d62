// A run of events for the same subscribers, encoded once and sent to each: what a subscriber costs is its share of a
// write, not a copy of every event. Begun and ended while the frames of one connection are carried out.
#pragma once

#include <vector>

#include "engine/effects.hpp"
#include "server/byte_buffer.hpp"

namespace folkmoot {

class FanOut {
 public:
  bool empty() const { return frames_.empty(); }
  std::size_t bytes() const { return frames_.size(); }
  const std::vector<EventTarget>& targets() const { return targets_; }
  bool is_for(std::span<const EventTarget> targets) const {
    return !empty() && targets.size() == targets_.size() &&
           std::memcmp(targets.data(), targets_.data(), targets.size_bytes()) == 0;
  }

  void begin(std::span<const EventTarget> targets) {
    targets_.assign(targets.begin(), targets.end());
    request_ = targets_.front().request;
  }

  void add(BufferPool& pool, const MessageParts& message) {
    auto* at = frames_.extend(pool, kFrameHeaderBytes + message.bytes());
    store(at, FrameHeader{static_cast<std::uint32_t>(8 + message.bytes()), Opcode::deliver, 0, 0, request_.value});
    at += kFrameHeaderBytes;
    std::memcpy(at, message.head.data(), message.head.size());
    if (!message.rest.empty()) std::memcpy(at + message.head.size(), message.rest.data(), message.rest.size());
  }

  /// The frames as a subscription of this number gets them; until the next call.
  Bytes frames_for(RequestNumber request) {
    if (request != request_) renumber(request);
    return frames_.bytes();
  }

  void clear(BufferPool& pool) {
    frames_.clear(pool);
    targets_.clear();
  }

 private:
  void renumber(RequestNumber request) {
    request_ = request;
    auto* at = frames_.data();
    for (auto* const end = at + frames_.size(); at != end;) {
      auto header = load<FrameHeader>(at);
      header.request = request.value;
      store(at, header);
      at += 4 + std::size_t{header.length};
    }
  }

  std::vector<EventTarget> targets_;
  ByteBuffer frames_;
  RequestNumber request_ = 0;  // in the frames as they stand
};

}  // namespace folkmoot
