#include "base/sha256.hpp"

namespace folkmoot {

Sha256::Sha256() { sha256_init(&context_); }

void Sha256::add(Bytes bytes) { sha256_update(&context_, bytes.size(), bytes.data()); }

ContentHash Sha256::finish() {
  ContentHash hash;
  sha256_digest(&context_, hash.bytes.size(), hash.bytes.data());
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
