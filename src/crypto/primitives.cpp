#include "crypto/primitives.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <climits>
#include <memory>

#include "base/assert.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {
namespace {

using OwnedCipher = std::unique_ptr<EVP_CIPHER_CTX, OpensslDeleter<EVP_CIPHER_CTX_free>>;

constexpr std::size_t kBlockBytes = 16;
constexpr std::size_t kWrapOverheadBytes = 8;

const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// What a message holds fits into an int, which is what OpenSSL counts in.
int count(std::string_view bytes) {
  FOLKMOOT_ASSERT(bytes.size() <= INT_MAX - kBlockBytes);
  return static_cast<int>(bytes.size());
}

OwnedCipher begin(const EVP_CIPHER* cipher, std::string_view key, std::string_view vector, bool encrypts) {
  OwnedCipher made(::EVP_CIPHER_CTX_new());
  FOLKMOOT_ASSERT(made != nullptr);
  ::EVP_CIPHER_CTX_set_flags(made.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const int done = ::EVP_CipherInit_ex(made.get(), cipher, nullptr, raw(key), vector.empty() ? nullptr : raw(vector),
                                       encrypts ? 1 : 0);
  FOLKMOOT_ASSERT(done == 1);
  return made;
}

// All of a text by a cipher that holds back and adds at most a block; nothing if it refuses.
std::optional<std::string> run(EVP_CIPHER_CTX& cipher, std::string_view text, std::size_t more) {
  std::string out(text.size() + more, '\0');
  int first = 0, last = 0;
  const bool good = ::EVP_CipherUpdate(&cipher, raw(out), &first, raw(text), count(text)) == 1 &&
                    ::EVP_CipherFinal_ex(&cipher, raw(out) + first, &last) == 1;
  (void)openssl_reason();
  if (!good) return std::nullopt;
  out.resize(static_cast<std::size_t>(first) + static_cast<std::size_t>(last));
  return out;
}

std::string length32(std::size_t value) {
  std::string out(4, '\0');
  for (int i = 0; i < 4; ++i) out[static_cast<std::size_t>(i)] = static_cast<char>(value >> (24 - 8 * i));
  return out;
}

}  // namespace

Result<std::string> random_bytes(std::size_t wanted) {
  std::string out(wanted, '\0');
  if (::RAND_bytes(raw(out), count(out)) == 1) return out;
  return std::unexpected(openssl_error(ErrorCode::io_error, "no random numbers"));
}

bool is_same_secret(std::string_view one, std::string_view other) {
  return one.size() == other.size() && ::CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string seal_gcm(std::string_view key, std::string_view nonce, std::string_view bound, std::string_view plain) {
  FOLKMOOT_ASSERT(key.size() == kAesKeyBytes && nonce.size() == kGcmNonceBytes);
  const auto cipher = begin(::EVP_aes_256_gcm(), key, nonce, true);
  int length = 0;
  ::EVP_EncryptUpdate(cipher.get(), nullptr, &length, raw(bound), count(bound));
  auto out = run(*cipher, plain, kGcmTagBytes);
  FOLKMOOT_ASSERT(out && out->size() == plain.size());
  std::string tag(kGcmTagBytes, '\0');
  ::EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kGcmTagBytes), tag.data());
  return out->append(tag);
}

std::optional<std::string> open_gcm(std::string_view key, std::string_view nonce, std::string_view bound,
                                    std::string_view sealed) {
  if (key.size() != kAesKeyBytes || nonce.size() != kGcmNonceBytes || sealed.size() < kGcmTagBytes) return std::nullopt;
  const auto cipher = begin(::EVP_aes_256_gcm(), key, nonce, false);
  std::string tag(sealed.substr(sealed.size() - kGcmTagBytes));
  ::EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kGcmTagBytes), tag.data());
  int length = 0;
  ::EVP_DecryptUpdate(cipher.get(), nullptr, &length, raw(bound), count(bound));
  return run(*cipher, sealed.substr(0, sealed.size() - kGcmTagBytes), kBlockBytes);
}

std::string wrap_key(std::string_view by, std::string_view key) {
  FOLKMOOT_ASSERT(by.size() == kAesKeyBytes && key.size() >= kBlockBytes && key.size() % 8 == 0);
  auto out = run(*begin(::EVP_aes_256_wrap(), by, {}, true), key, kWrapOverheadBytes + kBlockBytes);
  FOLKMOOT_ASSERT(out.has_value());
  return *out;
}

std::optional<std::string> unwrap_key(std::string_view by, std::string_view wrapped) {
  if (by.size() != kAesKeyBytes || wrapped.size() < kBlockBytes + kWrapOverheadBytes || wrapped.size() % 8 != 0)
    return std::nullopt;
  return run(*begin(::EVP_aes_256_wrap(), by, {}, false), wrapped, kBlockBytes);
}

// One round of the hash is the key: SHA-256(1 | secret | otherinfo).
std::string concat_kdf(std::string_view secret, std::string_view algorithm, std::string_view sender,
                       std::string_view recipient) {
  std::string text = length32(1);
  text.append(secret);
  for (const auto part : {algorithm, sender, recipient}) text.append(length32(part.size())).append(part);
  text.append(length32(kAesKeyBytes * 8));
  return sha256_of(text);
}

std::string encrypt_cbc(std::string_view key, std::string_view vector, std::string_view plain) {
  FOLKMOOT_ASSERT(key.size() == kBlockBytes && vector.size() == kBlockBytes);
  auto out = run(*begin(::EVP_aes_128_cbc(), key, vector, true), plain, kBlockBytes);
  FOLKMOOT_ASSERT(out.has_value());
  return *out;
}

std::optional<std::string> decrypt_cbc(std::string_view key, std::string_view vector, std::string_view sealed) {
  if (key.size() != kBlockBytes || vector.size() != kBlockBytes || sealed.empty() || sealed.size() % kBlockBytes != 0)
    return std::nullopt;
  return run(*begin(::EVP_aes_128_cbc(), key, vector, false), sealed, kBlockBytes);
}

std::string sha256_of(std::string_view text) {
  std::string out(32, '\0');
  const int done = ::EVP_Digest(text.data(), text.size(), raw(out), nullptr, ::EVP_sha256(), nullptr);
  FOLKMOOT_ASSERT(done == 1);
  return out;
}

}  // namespace folkmoot
