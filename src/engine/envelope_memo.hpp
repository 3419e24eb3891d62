// The envelope that was published last. A sender's messages often differ in nothing but their content, so an envelope
// that is byte for byte the one before is not read again, and the engine is told so (IncomingMessage::version).
#pragma once

#include <array>

#include "base/assert.hpp"
#include "engine/commands.hpp"

namespace folkmoot {

class EnvelopeMemo {
 public:
  /// The message in `body` if its envelope is the one kept, else null. Lives until the next call of any function.
  IncomingMessage* find(Bytes body) {
    // MessagePack tells its own end: the same bytes at the front are the same envelope, whatever follows.
    if (bytes_ == 0 || body.size() < bytes_ || std::memcmp(body.data(), copy_.data(), bytes_) != 0) return nullptr;
    if (message_.version == 0) read();
    message_.content = body.subspan(bytes_);
    return &message_;
  }

  /// Requires: read_routing() took `envelope` as a message whose recipient is optional.
  void keep(Bytes envelope) {
    bytes_ = envelope.size() <= copy_.size() ? envelope.size() : 0;
    message_.version = 0;
    if (bytes_ != 0) std::memcpy(copy_.data(), envelope.data(), bytes_);
  }

 private:
  // Only when it comes again: the views must point into the copy.
  void read() {
    message_ = {.routing = {}, .envelope = {copy_.data(), bytes_}, .content = {}, .version = ++versions_};
    const auto read = read_routing(message_.envelope, message_.routing, Recipient::optional);
    FOLKMOOT_ASSERT(read.has_value());
  }

  std::array<std::uint8_t, 512> copy_{};
  std::size_t bytes_ = 0;  // of what is kept; 0: nothing
  std::uint64_t versions_ = 0;
  IncomingMessage message_;
};

}  // namespace folkmoot
