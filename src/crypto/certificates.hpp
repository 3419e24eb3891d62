// A private authority and the certificates that it issues, as X.509 in PEM: for servers (hosts) and for agents, whose
// name is a URI `agent:NAME` among a certificate's names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

enum class KeyKind : std::uint8_t { p256, ed25519 };

struct MadeCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8, without a passphrase
};

/// What a certificate is to say.
struct WantedCertificate {
  std::vector<std::string> hosts{};  // names and addresses; `*.example.org` stands for one label
  std::string agent{};
  std::uint32_t days = 365;
};

constexpr std::uint32_t kCertificateDaysMax = 36'500;
constexpr std::size_t kCertificateHostsMax = 64;

/// Errors: invalid_field, out_of_range, internal.
Result<MadeCertificate> make_authority(std::string_view name, KeyKind kind, std::uint32_t days);
/// With a new key. `authority`: the PEM texts of one that signs. Errors: malformed, invalid_field, out_of_range.
Result<MadeCertificate> issue_certificate(const MadeCertificate& authority, KeyKind kind,
                                          const WantedCertificate& wanted);
/// The same certificate for `days` from now on, of the same key and for the same names. Errors: as issue_certificate().
Result<std::string> renew_certificate(const MadeCertificate& authority, std::string_view certificate,
                                      std::uint32_t days);

/// What a certificate says.
struct CertificateFacts {
  std::string subject, issuer;
  std::vector<std::string> hosts;
  std::string agent;
  std::int64_t valid_from = 0, valid_until = 0;  // Unix ms
  std::string key;                               // "P-256", "Ed25519", "RSA 2048"
  std::string fingerprint;                       // SHA-256, hex
  bool is_authority = false;
};

/// All of a file in PEM. Errors: malformed.
Result<std::vector<CertificateFacts>> describe_certificates(std::string_view pem);

}  // namespace folkmoot
