#include "access/nonces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/sha256.hpp"
#include "base/utf8.hpp"

namespace folkmoot::access {

std::size_t Nonces::DigestHash::operator()(const Digest& digest) const {
  std::size_t out = 0;
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

// Half of a SHA-256: nobody finds two senders' numbers that are taken for one.
Nonces::Digest Nonces::digest_of(std::string_view sender, std::string_view nonce) {
  Sha256 hash;
  const auto bytes = static_cast<std::uint8_t>(sender.size());  // a name has at most 255
  hash.add({&bytes, 1});
  hash.add(as_bytes(sender));
  hash.add(as_bytes(nonce));
  const auto whole = hash.finish();
  Digest out;
  std::copy_n(whole.bytes.begin(), out.size(), out.begin());
  return out;
}

// Forgets what is no good any more.
void Nonces::turn(std::int64_t age_ms, std::int64_t now) {
  // What was forgotten by a shorter age would be good again by a longer one.
  if (age_ms > age_ms_ && age_ms_ != 0) known_since_ = std::max(known_since_, now - age_ms_);
  age_ms_ = age_ms;
  const auto keep_ms = age_ms + kNonceAheadMs;
  if (now - begun_ < keep_ms) return;
  // Not by when they began: a shorter age makes that long ago, and the last of them are good still.
  old_ = now - noted_ < keep_ms ? std::move(young_) : Generation{};
  young_ = {};
  begun_ = now;
}

Result<void> Nonces::note(const Seen& seen, std::int64_t age_ms, std::int64_t now) {
  const auto digest = digest_of(seen.sender, seen.nonce);
  const std::lock_guard guard(lock_);
  turn(age_ms, now);
  if (seen.signed_at > now + kNonceAheadMs) {
    return failure(ErrorCode::unauthorized, "it was signed in the future, by this server's clock",
                   "set the clocks, or give a message for a mailbox a `key`");
  }
  if (known_since_ != 0 && seen.signed_at <= known_since_ + kNonceAheadMs) {
    return failure(ErrorCode::unauthorized,
                   "it was signed before this server began to remember signatures (or in the same second), and it "
                   "cannot know whether it was sent before",
                   "sign it anew, in two seconds");
  }
  if (young_.seen.contains(digest) || old_.seen.contains(digest))
    return failure(ErrorCode::unauthorized, "it was sent before", "sign it anew");
  if (young_.seen.size() >= limits_.of_all) {
    return failure(ErrorCode::busy,
                   fmt::format("{} signatures are remembered, and no more can be for now", limits_.of_all),
                   "send it again in a moment, or have policy.signature_age made shorter");
  }
  auto& count = young_.of_sender[std::string(seen.sender)];
  if (count >= limits_.of_sender) {
    return failure(
        ErrorCode::limit_reached,
        fmt::format("{} signatures of {} are remembered, and no more can be for now", count, printable(seen.sender)),
        "give messages for mailboxes a `key`, which is remembered on disk, or have policy.signature_age made shorter");
  }
  ++count;
  young_.seen.insert(digest);
  noted_ = now;
  return {};
}

void Nonces::take_back(std::string_view sender, std::string_view nonce) {
  const auto digest = digest_of(sender, nonce);
  const std::lock_guard guard(lock_);
  for (auto* const each : {&young_, &old_}) {
    if (each->seen.erase(digest) == 0) continue;
    if (const auto at = each->of_sender.find(std::string(sender)); at != each->of_sender.end() && at->second > 0)
      --at->second;
  }
}

}  // namespace folkmoot::access
