// AES-256-GCM (NIST SP 800-38D) under one key for many small texts, as the journal has them: the key is expanded once,
// and nothing is allocated a text.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "crypto/primitives.hpp"

struct evp_cipher_ctx_st;  // of OpenSSL

namespace folkmoot {

/// One thread's at a time.
class GcmKey {
 public:
  /// Requires: a key of kAesKeyBytes.
  explicit GcmKey(std::string_view key);
  ~GcmKey();
  GcmKey(GcmKey&&) noexcept;
  GcmKey& operator=(GcmKey&&) noexcept;

  /// Encrypts `text` where it stands, and writes the tag of it and of `bound` to `tag`. Requires: a nonce of
  /// kGcmNonceBytes that was never used with this key for other bytes; room for kGcmTagBytes at `tag`.
  void seal(Bytes nonce, Bytes bound, std::span<std::uint8_t> text, std::span<std::uint8_t> tag);
  /// Decrypts `sealed` to `into`, which is as long. False if any of it is not what it was when it was sealed; what
  /// stands in `into` is then of no use.
  bool open(Bytes nonce, Bytes bound, Bytes sealed, Bytes tag, std::span<std::uint8_t> into);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, Free>;
  static Context make(std::string_view key, bool encrypts);

  Context seals_, opens_;
};

/// Overwrites a secret that is no longer needed, in a way that no compiler leaves out.
void wipe(std::span<std::uint8_t> secret);

}  // namespace folkmoot
