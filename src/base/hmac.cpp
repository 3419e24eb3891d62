#include "base/hmac.hpp"

#include <nettle/hmac.h>

#include "base/bytes.hpp"

namespace folkmoot {

std::string hmac_sha256(std::string_view key, std::string_view text) {
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.size(), as_bytes(key).data());
  hmac_sha256_update(&context, text.size(), as_bytes(text).data());
  std::string digest(SHA256_DIGEST_SIZE, '\0');
  hmac_sha256_digest(&context, digest.size(), reinterpret_cast<std::uint8_t*>(digest.data()));
  return digest;
}

}  // namespace folkmoot
