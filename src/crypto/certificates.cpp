#include "crypto/certificates.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <ctime>

#include "base/utf8.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kAgentUri = "agent:";
constexpr std::size_t kHostBytesMax = 253;  // RFC 1035
constexpr std::size_t kAgentBytesMax = 255;
constexpr std::size_t kCommonNameBytesMax = 64;  // RFC 5280, ub-common-name
constexpr std::int64_t kBackdatedSeconds = 300;  // for clocks that are behind
constexpr int kSerialBits = 127;
constexpr int kCertificatesMax = 1'000;

using OwnedNames = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;
using OwnedNumber = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;

int no_passphrase(char*, int, int, void*) { return 0; }

OwnedKey make_key(KeyKind kind) {
  return OwnedKey(kind == KeyKind::ed25519 ? ::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                           : ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

Result<std::string> pem_of(const EVP_PKEY& key) {
  const auto out = memory_bio();
  if (::PEM_write_bio_PKCS8PrivateKey(out.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return std::unexpected(openssl_error(ErrorCode::internal, "the key cannot be written"));
  return text_of(*out);
}

Result<std::string> pem_of(X509& certificate) {
  const auto out = memory_bio();
  if (::PEM_write_bio_X509(out.get(), &certificate) != 1)
    return std::unexpected(openssl_error(ErrorCode::internal, "the certificate cannot be written"));
  return text_of(*out);
}

Result<OwnedCertificate> read_certificate(std::string_view pem) {
  const auto in = memory_bio(pem);
  OwnedCertificate read(::PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
  if (!read) return std::unexpected(openssl_error(ErrorCode::malformed, "that is no certificate in PEM"));
  return read;
}

Result<OwnedKey> read_key(std::string_view pem) {
  const auto in = memory_bio(pem);
  OwnedKey read(::PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (!read) return std::unexpected(openssl_error(ErrorCode::malformed, "that is no key in PEM without a passphrase"));
  return read;
}

bool add_common_name(X509& certificate, std::string_view name) {
  auto* const subject = ::X509_get_subject_name(&certificate);
  return ::X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(name.data()),
                                      static_cast<int>(name.size()), -1, 0) == 1;
}

// As a value of OpenSSL's own notation; never of what a caller gave.
bool add_extension(X509& certificate, X509& issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>> made(
      ::X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return made && ::X509_add_ext(&certificate, made.get(), -1) == 1;
}

bool add_name(GENERAL_NAMES& names, int type, std::string_view bytes) {
  auto* const name = ::GENERAL_NAME_new();
  auto* const text = type == GEN_IPADD ? ::ASN1_OCTET_STRING_new() : ::ASN1_IA5STRING_new();
  if (name == nullptr || text == nullptr) return false;
  ::ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size()));
  ::GENERAL_NAME_set0_value(name, type, text);
  return sk_GENERAL_NAME_push(&names, name) > 0;
}

// An address as the bytes that a certificate has; empty: it is none.
std::string address_bytes(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1)
    return std::string(reinterpret_cast<const char*>(&four), sizeof four);
  if (::inet_pton(AF_INET6, host.c_str(), &six) == 1)
    return std::string(reinterpret_cast<const char*>(&six), sizeof six);
  return {};
}

bool is_host_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  if (name.empty() || name.size() > kHostBytesMax || name.front() == '.' || name.contains("..")) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  });
}

Result<OwnedNames> names_of(const WantedCertificate& wanted) {
  OwnedNames names(::GENERAL_NAMES_new());
  if (!names) return failure(ErrorCode::internal, "no memory for names");
  if (wanted.hosts.size() > kCertificateHostsMax)
    return failure(ErrorCode::out_of_range,
                   fmt::format("{} hosts; {} are the most", wanted.hosts.size(), kCertificateHostsMax));
  for (const auto& host : wanted.hosts) {
    const auto address = address_bytes(host);
    if (address.empty() && !is_host_name(host))
      return failure(ErrorCode::invalid_field, fmt::format("`{}` is neither the name of a host nor an address", host),
                     "write it without a port, such as bus.example.org or 10.0.0.7");
    if (!add_name(*names, address.empty() ? GEN_DNS : GEN_IPADD, address.empty() ? host : address))
      return failure(ErrorCode::internal, "no memory for names");
  }
  if (!wanted.agent.empty()) {
    const bool is_plain =
        std::ranges::none_of(wanted.agent, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (wanted.agent.size() > kAgentBytesMax || !is_utf8(wanted.agent) || !is_plain)
      return failure(ErrorCode::invalid_name, fmt::format("`{}` cannot be an agent's name", wanted.agent));
    if (!add_name(*names, GEN_URI, std::string(kAgentUri).append(wanted.agent)))
      return failure(ErrorCode::internal, "no memory for names");
  }
  return names;
}

// Everything but names and uses; `issuer` is itself for an authority.
bool prepare(X509& certificate, EVP_PKEY& key, const X509& issuer, std::uint32_t days) {
  const OwnedNumber serial(::BN_new());
  return serial && ::BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         ::BN_to_ASN1_INTEGER(serial.get(), ::X509_get_serialNumber(&certificate)) != nullptr &&
         ::X509_set_version(&certificate, X509_VERSION_3) == 1 &&
         ::X509_gmtime_adj(::X509_getm_notBefore(&certificate), -kBackdatedSeconds) != nullptr &&
         ::X509_time_adj_ex(::X509_getm_notAfter(&certificate), static_cast<int>(days), 0, nullptr) != nullptr &&
         ::X509_set_pubkey(&certificate, &key) == 1 &&
         ::X509_set_issuer_name(&certificate, ::X509_get_subject_name(&issuer)) == 1;
}

bool sign(X509& certificate, EVP_PKEY& key) {
  const bool hashes_itself = ::EVP_PKEY_is_a(&key, "ED25519") == 1;
  return ::X509_sign(&certificate, &key, hashes_itself ? nullptr : ::EVP_sha256()) > 0;
}

Result<void> check_days(std::uint32_t days) {
  if (days >= 1 && days <= kCertificateDaysMax) return {};
  return failure(ErrorCode::out_of_range, fmt::format("{} days; 1 to {} can be", days, kCertificateDaysMax));
}

struct Authority {
  OwnedCertificate certificate;
  OwnedKey key;
};

Result<Authority> open_authority(const MadeCertificate& pem) {
  auto certificate = read_certificate(pem.certificate);
  if (!certificate) return std::unexpected(within("the authority", certificate.error()));
  auto key = read_key(pem.key);
  if (!key) return std::unexpected(within("the authority", key.error()));
  if (::X509_check_ca(certificate->get()) == 0)
    return failure(ErrorCode::invalid_field, "that certificate is of no authority", "`folkmoot cert init` makes one");
  if (::X509_check_private_key(certificate->get(), key->get()) != 1) {
    (void)openssl_reason();
    return failure(ErrorCode::invalid_field, "that is not the key of the authority's certificate",
                   "give the two files that were made together");
  }
  return Authority{std::move(*certificate), std::move(*key)};
}

Result<std::string> issue(const Authority& authority, EVP_PKEY& key, const GENERAL_NAMES& names,
                          std::string_view common_name, std::uint32_t days) {
  const OwnedCertificate made(::X509_new());
  auto& issuer = *authority.certificate;
  const bool good =
      made && prepare(*made, key, issuer, days) && add_common_name(*made, common_name.substr(0, kCommonNameBytesMax)) &&
      add_extension(*made, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(*made, issuer, NID_key_usage, "critical,digitalSignature") &&
      add_extension(*made, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
      add_extension(*made, issuer, NID_subject_key_identifier, "hash") &&
      add_extension(*made, issuer, NID_authority_key_identifier, "keyid:always") &&
      ::X509_add1_ext_i2d(made.get(), NID_subject_alt_name, const_cast<GENERAL_NAMES*>(&names), 0, 0) == 1 &&
      sign(*made, *authority.key);
  if (!good) return std::unexpected(openssl_error(ErrorCode::internal, "the certificate cannot be made"));
  return pem_of(*made);
}

std::int64_t unix_ms(const ASN1_TIME* time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1'000;
}

std::string text_of_name(const X509_NAME* name) {
  const auto out = memory_bio();
  ::X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  return text_of(*out);
}

std::string text_of_address(const ASN1_STRING* bytes) {
  char out[INET6_ADDRSTRLEN] = {};
  const int family = ::ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ::ASN1_STRING_length(bytes) != 16) return "?";
  return ::inet_ntop(family, ::ASN1_STRING_get0_data(bytes), out, sizeof out);
}

std::string key_name(X509& certificate) {
  const auto* const key = ::X509_get0_pubkey(&certificate);
  if (key == nullptr) return "unknown";
  if (::EVP_PKEY_is_a(key, "ED25519") == 1) return "Ed25519";
  char group[64] = {};
  std::size_t size = 0;
  if (::EVP_PKEY_is_a(key, "EC") == 1 && ::EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1)
    return std::string_view(group) == "prime256v1" ? "P-256" : std::string(group);
  return fmt::format("{} {}", ::EVP_PKEY_get0_type_name(key), ::EVP_PKEY_get_bits(key));
}

CertificateFacts facts_of(X509& certificate) {
  CertificateFacts facts;
  facts.subject = text_of_name(::X509_get_subject_name(&certificate));
  facts.issuer = text_of_name(::X509_get_issuer_name(&certificate));
  facts.valid_from = unix_ms(::X509_get0_notBefore(&certificate));
  facts.valid_until = unix_ms(::X509_get0_notAfter(&certificate));
  facts.key = key_name(certificate);
  facts.is_authority = ::X509_check_ca(&certificate) != 0;
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::X509_digest(&certificate, ::EVP_sha256(), hash, &size);
  for (unsigned int i = 0; i < size; ++i) facts.fingerprint += fmt::format("{:02x}", hash[i]);
  const OwnedNames names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* const each = sk_GENERAL_NAME_value(names.get(), i);
    const auto* const text = each->d.ia5;  // the same of all three
    const std::string_view bytes(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(text)),
                                 static_cast<std::size_t>(::ASN1_STRING_length(text)));
    if (each->type == GEN_DNS) facts.hosts.emplace_back(bytes);
    if (each->type == GEN_IPADD) facts.hosts.push_back(text_of_address(text));
    if (each->type == GEN_URI && bytes.starts_with(kAgentUri)) facts.agent = bytes.substr(kAgentUri.size());
  }
  return facts;
}

}  // namespace

Result<MadeCertificate> make_authority(std::string_view name, KeyKind kind, std::uint32_t days) {
  if (auto good = check_days(days); !good) return std::unexpected(good.error());
  if (name.empty() || name.size() > kCommonNameBytesMax || !is_utf8(name))
    return failure(ErrorCode::invalid_field,
                   fmt::format("an authority's name has 1 to {} bytes of UTF-8", kCommonNameBytesMax));
  const auto key = make_key(kind);
  const OwnedCertificate made(::X509_new());
  const bool good = key && made && add_common_name(*made, name) && prepare(*made, *key, *made, days) &&
                    add_extension(*made, *made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add_extension(*made, *made, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add_extension(*made, *made, NID_subject_key_identifier, "hash") && sign(*made, *key);
  if (!good) return std::unexpected(openssl_error(ErrorCode::internal, "the authority cannot be made"));
  auto certificate = pem_of(*made);
  auto secret = pem_of(*key);
  if (!certificate) return std::unexpected(certificate.error());
  if (!secret) return std::unexpected(secret.error());
  return MadeCertificate{std::move(*certificate), std::move(*secret)};
}

Result<MadeCertificate> issue_certificate(const MadeCertificate& authority, KeyKind kind,
                                          const WantedCertificate& wanted) {
  if (auto good = check_days(wanted.days); !good) return std::unexpected(good.error());
  if (wanted.hosts.empty() && wanted.agent.empty())
    return failure(ErrorCode::invalid_field, "a certificate is for something, and that is missing",
                   "give --host for a server, --agent for an agent, or both");
  const auto opened = open_authority(authority);
  if (!opened) return std::unexpected(opened.error());
  const auto names = names_of(wanted);
  if (!names) return std::unexpected(names.error());
  const auto key = make_key(kind);
  if (!key) return std::unexpected(openssl_error(ErrorCode::internal, "no key can be made"));
  auto certificate =
      issue(*opened, *key, **names, wanted.agent.empty() ? wanted.hosts.front() : wanted.agent, wanted.days);
  if (!certificate) return std::unexpected(certificate.error());
  auto secret = pem_of(*key);
  if (!secret) return std::unexpected(secret.error());
  return MadeCertificate{std::move(*certificate), std::move(*secret)};
}

Result<std::string> renew_certificate(const MadeCertificate& authority, std::string_view certificate,
                                      std::uint32_t days) {
  if (auto good = check_days(days); !good) return std::unexpected(good.error());
  const auto opened = open_authority(authority);
  if (!opened) return std::unexpected(opened.error());
  const auto old = read_certificate(certificate);
  if (!old) return std::unexpected(old.error());
  if (::X509_verify(old->get(), ::X509_get0_pubkey(opened->certificate.get())) != 1) {
    (void)openssl_reason();
    return failure(ErrorCode::invalid_field, "that certificate is not of this authority",
                   "renew it with the authority that issued it, or issue another");
  }
  const OwnedNames names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(old->get(), NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return failure(ErrorCode::invalid_field, "that certificate has no names", "issue another");
  const auto facts = facts_of(**old);
  return issue(*opened, *::X509_get0_pubkey(old->get()), *names,
               facts.agent.empty() && !facts.hosts.empty() ? facts.hosts.front() : facts.agent, days);
}

Result<std::vector<CertificateFacts>> describe_certificates(std::string_view pem) {
  const auto in = memory_bio(pem);
  std::vector<CertificateFacts> found;
  for (int i = 0; i < kCertificatesMax; ++i) {
    const OwnedCertificate next(::PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
    if (!next) break;
    found.push_back(facts_of(*next));
  }
  if (found.empty()) return std::unexpected(openssl_error(ErrorCode::malformed, "there is no certificate in PEM"));
  ::ERR_clear_error();
  return found;
}

}  // namespace folkmoot
