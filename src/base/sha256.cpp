#include "base/sha256.hpp"

#include <openssl/evp.h>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

EVP_MD_CTX* context_of(void* pointer) { return static_cast<EVP_MD_CTX*>(pointer); }

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  FOLKMOOT_ASSERT(context_ != nullptr && EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(Bytes bytes) { FOLKMOOT_ASSERT(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()) == 1); }

ContentHash Sha256::finish() {
  ContentHash hash;
  unsigned size = 0;
  FOLKMOOT_ASSERT(EVP_DigestFinal_ex(context_of(context_.get()), hash.bytes.data(), &size) == 1 && size == hash.bytes.size());
  return hash;
}

ContentHash Sha256::of(Bytes bytes) {
  Sha256 sha;
  sha.add(bytes);
  return sha.finish();
}

std::string ContentHash::text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<ContentHash> ContentHash::parse(std::string_view text) {
  ContentHash hash;
  if (text.size() != 2 * hash.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    hash.bytes[i / 2] = static_cast<std::uint8_t>(hash.bytes[i / 2] << 4 | digit);
  }
  return hash;
}

}  // namespace folkmoot
