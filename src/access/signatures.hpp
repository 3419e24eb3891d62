// What the server asks of messages beside who may send them: that their senders have signed them, with keys that its
// administrator knows, and lately (docs/security.md, "Signatures"). Read from a file of known keys; constant then.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/error.hpp"
#include "folkmoot/known_keys.hpp"

namespace folkmoot::access {

constexpr std::int64_t kSignerAheadMs = 60'000;            // by how much a signer's clock may be before ours
constexpr std::size_t kSignedEventsMax = 256 * 1024;       // remembered at a time
constexpr std::size_t kSignedContentBytesMax = 64u << 20;  // of a compressed one, as it comes out

class Signatures {
 public:
  struct Demands {
    bool required = false;
    std::int64_t age_ms = 0;  // how long ago a message may have been signed
    std::int64_t since = 0;   // events that were signed before it may have been heard before: Unix milliseconds
  };
  Signatures(KnownKeys known, Demands demands) : known_(std::move(known)), demands_(demands) {}

  /// Whether an account's message may be carried out. Errors: not_permitted (a sender who is blocked, no signature),
  /// unauthorized (a wrong one, an old one, an event that was sent before), busy.
  Result<void> check(Message message, std::int64_t now) const;

 private:
  Result<void> check_signed(Message& message, std::int64_t now) const;
  Result<void> note_event(const Message& message, std::int64_t signed_at, std::int64_t now) const;

  KnownKeys known_;
  Demands demands_;
  mutable std::mutex lock_;
  mutable std::unordered_map<std::string, std::int64_t> events_;  // guarded by lock_: until when each is remembered
};

}  // namespace folkmoot::access
