#include "transport/tls_ciphers.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/nearest.hpp"
#include "base/utf8.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {
namespace {

// With whose key the server proves that it is itself: of TLS 1.2 the cipher says so, of 1.3 it does not.
enum class Signer : std::uint8_t { any, elliptic, rsa };

struct Cipher {
  std::string_view name;
  TlsVersion version;
  Signer signer;
};

constexpr std::array kCiphers{
    Cipher{"TLS_AES_256_GCM_SHA384", TlsVersion::tls13, Signer::any},
    Cipher{"TLS_CHACHA20_POLY1305_SHA256", TlsVersion::tls13, Signer::any},
    Cipher{"TLS_AES_128_GCM_SHA256", TlsVersion::tls13, Signer::any},
    Cipher{"ECDHE-ECDSA-AES256-GCM-SHA384", TlsVersion::tls12, Signer::elliptic},
    Cipher{"ECDHE-RSA-AES256-GCM-SHA384", TlsVersion::tls12, Signer::rsa},
    Cipher{"ECDHE-ECDSA-CHACHA20-POLY1305", TlsVersion::tls12, Signer::elliptic},
    Cipher{"ECDHE-RSA-CHACHA20-POLY1305", TlsVersion::tls12, Signer::rsa},
    Cipher{"ECDHE-ECDSA-AES128-GCM-SHA256", TlsVersion::tls12, Signer::elliptic},
    Cipher{"ECDHE-RSA-AES128-GCM-SHA256", TlsVersion::tls12, Signer::rsa},
};

const Cipher* find_cipher(std::string_view name) {
  const auto* const found = std::ranges::find(kCiphers, name, &Cipher::name);
  return found == kCiphers.end() ? nullptr : found;
}

// As OpenSSL takes them.
std::string joined(const std::vector<std::string>& names, TlsVersion version) {
  std::string out;
  for (const auto& name : names) {
    if (find_cipher(name)->version != version) continue;
    if (!out.empty()) out += ':';
    out += name;
  }
  return out;
}

Result<void> check_signer(SSL_CTX* context, const std::vector<std::string>& names) {
  const auto* const key = ::SSL_CTX_get0_privatekey(context);
  const auto own = key != nullptr && ::EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? Signer::rsa : Signer::elliptic;
  const bool some = std::ranges::any_of(names, [&](const auto& name) { return find_cipher(name)->signer == own; });
  if (some) return {};
  const auto* const kind = own == Signer::rsa ? "RSA" : "ECDSA";
  return failure(
      ErrorCode::invalid_field,
      fmt::format("none of the ciphers of TLS 1.2 goes with the key of the certificate, which is for {}", kind),
      fmt::format("name one that begins with ECDHE-{}, or none of TLS 1.2", kind));
}

}  // namespace

Result<void> check_tls_ciphers(const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const auto& cipher : kCiphers) known.push_back(cipher.name);
  for (const auto& name : names) {
    if (find_cipher(name) != nullptr) continue;
    return failure(ErrorCode::invalid_field,
                   fmt::format("{} is no cipher that is spoken here{}", printable(name), did_you_mean(name, known)),
                   fmt::format("there are {}", fmt::join(known, ", ")));
  }
  return {};
}

Result<void> use_tls_ciphers(SSL_CTX* context, const std::vector<std::string>& names, TlsVersion minimum) {
  if (names.empty()) return {};
  if (auto good = check_tls_ciphers(names); !good) return good;
  const auto newer = joined(names, TlsVersion::tls13);
  const auto older = minimum == TlsVersion::tls13 ? std::string() : joined(names, TlsVersion::tls12);
  if (newer.empty() && older.empty()) {
    return failure(ErrorCode::invalid_field, "tls.minimum is 1.3, and tls.ciphers names no cipher of TLS 1.3",
                   "name one that begins with TLS_, or set tls.minimum to 1.2");
  }
  if (older.empty()) {
    ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  } else {
    if (auto good = check_signer(context, names); !good) return good;
    if (::SSL_CTX_set_cipher_list(context, older.c_str()) != 1)
      return std::unexpected(openssl_error(ErrorCode::invalid_field, fmt::format("OpenSSL does not take {}", older)));
  }
  if (newer.empty()) {
    ::SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  } else if (::SSL_CTX_set_ciphersuites(context, newer.c_str()) != 1) {
    return std::unexpected(openssl_error(ErrorCode::invalid_field, fmt::format("OpenSSL does not take {}", newer)));
  }
  return {};
}

}  // namespace folkmoot
