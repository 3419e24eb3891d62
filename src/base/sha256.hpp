// SHA-256 (FIPS 180-4), by Nettle: names contents that are stored by reference.
#pragma once

#include <nettle/sha2.h>

#include "base/bytes.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

/// Hashes bytes as they come.
class Sha256 {
 public:
  Sha256();

  void add(Bytes bytes);
  /// The hash of all that was added; nothing may be added afterwards.
  ContentHash finish();

  static ContentHash of(Bytes bytes);

 private:
  sha256_ctx context_;
};

}  // namespace folkmoot
