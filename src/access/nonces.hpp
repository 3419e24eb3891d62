// Which signatures were seen lately, told by the number that each was given (`jti`). Two generations: what is noted
// goes into the young one; when that is as old as a signature may be, it becomes the old one, and the old one is
// forgotten. So each is remembered for at least that long, for a lookup in two tables and a hash, and nothing has to be
// swept. Any thread.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot::access {

// By how much a signer's clock may be before ours. Small, since as long after a start nobody can tell what was seen
// before it.
constexpr std::int64_t kNonceAheadMs = 1'000;

struct NonceLimits {
  std::size_t of_sender = 256 * 1024;  // of a generation, as all below
  std::size_t of_all = 1024 * 1024;    // 16 bytes each, in tables that are at least 7/16 full
};

class Nonces {
 public:
  struct Seen {
    std::string_view sender, nonce;
    std::int64_t signed_at = 0;
  };
  /// `since`: what was seen before it is not known; Unix ms.
  explicit Nonces(std::int64_t since, NonceLimits limits = {}) : limits_(limits), known_since_(since) {}

  /// Remembers it for as long as a signature of that time is good that may be `age_ms` old. Requires: it is good now.
  /// Errors: unauthorized if it is remembered already, or was signed when nobody could say whether it was, or ahead of
  /// time; limit_reached if its sender, busy if all together have as many as there may be.
  Result<void> note(const Seen& seen, std::int64_t age_ms, std::int64_t now);
  /// Forgets what note() has just remembered: what it belonged to was refused for another reason.
  void take_back(std::string_view sender, std::string_view nonce);

 private:
  using Digest = std::array<std::uint8_t, 16>;
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const;
  };
  struct Generation {
    boost::unordered_flat_set<Digest, DigestHash> seen{};
    boost::unordered_flat_map<std::string, std::size_t> of_sender{};
  };

  static Digest digest_of(std::string_view sender, std::string_view nonce);
  void turn(std::int64_t age_ms, std::int64_t now);

  const NonceLimits limits_;
  std::mutex lock_;               // guards all below
  std::int64_t known_since_ = 0;  // what was seen before is not known
  std::int64_t age_ms_ = 0;       // by which was remembered so far
  std::int64_t begun_ = 0;        // when the young one was
  std::int64_t noted_ = 0;        // when the last of the young was
  Generation young_, old_;
};

}  // namespace folkmoot::access
