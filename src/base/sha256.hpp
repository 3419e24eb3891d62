// SHA-256 (FIPS 180-4), by OpenSSL: names contents that are stored by reference.
#pragma once

#include <memory>

#include "base/bytes.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

/// Hashes bytes as they come.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(Bytes bytes);
  /// The hash of all that was added; nothing may be added afterwards.
  ContentHash finish();

  static ContentHash of(Bytes bytes);

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  // an EVP_MD_CTX: OpenSSL's headers stay out of ours
};

}  // namespace folkmoot
