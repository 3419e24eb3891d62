#include "access/api_key.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/hmac.hpp"

namespace folkmoot::access {
namespace {

constexpr std::size_t kIdDigits = 16, kSecretCharacters = 43;
constexpr std::size_t kSecretAt = kApiKeyPrefix.size() + kIdDigits + 1;

template <std::size_t N>
std::string_view text_of(const std::array<std::uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

std::string hash_of(std::string_view secret, std::string_view salt) { return hmac_sha256(salt, secret); }

}  // namespace

NewApiKey make_api_key(const KeyChance& chance, Instant now, Instant expires_at) {
  NewApiKey out;
  for (const auto byte : chance.id) {
    out.key.id.push_back("0123456789abcdef"[byte >> 4]);
    out.key.id.push_back("0123456789abcdef"[byte & 15]);
  }
  auto secret = encode_base64(text_of(chance.secret));
  secret.resize(kSecretCharacters);
  std::ranges::replace(secret, '+', '-');
  std::ranges::replace(secret, '/', '_');
  out.key.salt = text_of(chance.salt);
  out.key.hash = hash_of(secret, out.key.salt);
  out.key.created_at = now;
  out.key.expires_at = expires_at;
  out.text.append(kApiKeyPrefix).append(out.key.id).append("_").append(secret);
  return out;
}

std::optional<std::string_view> api_key_id(std::string_view text) {
  if (!text.starts_with(kApiKeyPrefix) || text.size() != kSecretAt + kSecretCharacters) return std::nullopt;
  const auto id = text.substr(kApiKeyPrefix.size(), kIdDigits);
  const bool is_hex = std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!is_hex || text[kSecretAt - 1] != '_') return std::nullopt;
  return id;
}

bool is_api_key(std::string_view text, const Key& key) {
  return api_key_id(text) && same_secret(hash_of(text.substr(kSecretAt), key.salt), key.hash);
}

bool same_secret(std::string_view given, std::string_view wanted) {
  unsigned different = given.size() != wanted.size();
  for (std::size_t i = 0; i < given.size(); ++i) {
    different |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(i < wanted.size() ? wanted[i] : 0);
  }
  return different == 0;
}

}  // namespace folkmoot::access
