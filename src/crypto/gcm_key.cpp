#include "crypto/gcm_key.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/assert.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {
namespace {

int int_size(std::size_t bytes) {
  FOLKMOOT_ASSERT(bytes <= INT_MAX);
  return static_cast<int>(bytes);
}

}  // namespace

void GcmKey::Free::operator()(evp_cipher_ctx_st* context) const { ::EVP_CIPHER_CTX_free(context); }

GcmKey::Context GcmKey::make(std::string_view key, bool encrypts) {
  FOLKMOOT_ASSERT(key.size() == kAesKeyBytes);
  Context made(::EVP_CIPHER_CTX_new());
  FOLKMOOT_ASSERT(made != nullptr);
  const int done = ::EVP_CipherInit_ex(made.get(), ::EVP_aes_256_gcm(), nullptr,
                                       reinterpret_cast<const unsigned char*>(key.data()), nullptr, encrypts ? 1 : 0);
  FOLKMOOT_ASSERT(done == 1);
  return made;
}

GcmKey::GcmKey(std::string_view key) : seals_(make(key, true)), opens_(make(key, false)) {}
GcmKey::~GcmKey() = default;
GcmKey::GcmKey(GcmKey&&) noexcept = default;
GcmKey& GcmKey::operator=(GcmKey&&) noexcept = default;

void GcmKey::seal(Bytes nonce, Bytes bound, std::span<std::uint8_t> text, std::span<std::uint8_t> tag) {
  FOLKMOOT_ASSERT(nonce.size() == kGcmNonceBytes && tag.size() == kGcmTagBytes);
  auto* const with = seals_.get();
  int length = 0;
  std::array<std::uint8_t, kGcmTagBytes> rest{};  // GCM holds nothing back, but is handed a place for it
  // Without a key and a cipher, the context keeps those that it has.
  const bool done =
      ::EVP_EncryptInit_ex(with, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
      ::EVP_EncryptUpdate(with, nullptr, &length, bound.data(), int_size(bound.size())) == 1 &&
      (text.empty() || ::EVP_EncryptUpdate(with, text.data(), &length, text.data(), int_size(text.size())) == 1) &&
      ::EVP_EncryptFinal_ex(with, rest.data(), &length) == 1 &&
      ::EVP_CIPHER_CTX_ctrl(with, EVP_CTRL_AEAD_GET_TAG, int_size(tag.size()), tag.data()) == 1;
  FOLKMOOT_ASSERT(done);
}

bool GcmKey::open(Bytes nonce, Bytes bound, Bytes sealed, Bytes tag, std::span<std::uint8_t> into) {
  FOLKMOOT_ASSERT(nonce.size() == kGcmNonceBytes && tag.size() == kGcmTagBytes && into.size() == sealed.size());
  auto* const with = opens_.get();
  int length = 0;
  std::array<std::uint8_t, kGcmTagBytes> expected{}, rest{};  // OpenSSL asks for a tag that it might change
  std::ranges::copy(tag, expected.begin());
  const bool is_good =
      ::EVP_DecryptInit_ex(with, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
      ::EVP_DecryptUpdate(with, nullptr, &length, bound.data(), int_size(bound.size())) == 1 &&
      (sealed.empty() ||
       ::EVP_DecryptUpdate(with, into.data(), &length, sealed.data(), int_size(sealed.size())) == 1) &&
      ::EVP_CIPHER_CTX_ctrl(with, EVP_CTRL_AEAD_SET_TAG, int_size(expected.size()), expected.data()) == 1 &&
      ::EVP_DecryptFinal_ex(with, rest.data(), &length) == 1;
  if (!is_good) (void)openssl_reason();
  return is_good;
}

void wipe(std::span<std::uint8_t> secret) { ::OPENSSL_cleanse(secret.data(), secret.size()); }

}  // namespace folkmoot
