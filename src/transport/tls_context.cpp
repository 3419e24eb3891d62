#include "transport/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>
#include <vector>

#include "crypto/files.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {
namespace {

constexpr long kClientChainBytesMax = 32 * 1024;  // of the certificates that a client shows
constexpr int kChainMax = 16;                     // certificates in a file

int no_passphrase(char*, int, int, void*) { return 0; }

Error unreadable(const std::string& path, std::string_view kind) {
  return openssl_error(ErrorCode::malformed, fmt::format("{} holds no {} in PEM", path, kind),
                       kind == "key" ? "give a key without a passphrase, as `folkmoot cert issue` makes it"
                                     : "give a file as `folkmoot cert` makes it (BEGIN CERTIFICATE)");
}

Result<std::vector<OwnedCertificate>> read_certificates(const std::string& path, int most) {
  const auto text = read_key_file(path);
  if (!text) return std::unexpected(text.error());
  const auto bio = memory_bio(*text);
  std::vector<OwnedCertificate> found;
  while (auto* const next = ::PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) {
    found.emplace_back(next);
    if (most != 0 && static_cast<int>(found.size()) > most)
      return failure(ErrorCode::out_of_range, fmt::format("{} holds more than {} certificates", path, most));
  }
  // The end of the file is an error too, and the only one that is none.
  const auto last = ::ERR_peek_last_error();
  const bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (found.empty() || !is_end) return std::unexpected(unreadable(path, "certificate"));
  ::ERR_clear_error();
  return found;
}

std::int64_t unix_ms(const ASN1_TIME* time) {
  std::tm parts{};
  if (::ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1'000;
}

// HTTP/1.1 is what is spoken behind it, for those who ask; a native client does not.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr unsigned char kHttp[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (::SSL_select_next_proto(&found, size, kHttp, sizeof kHttp, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// What holds for both sides.
void harden(SSL_CTX* context, TlsVersion minimum) {
  ::SSL_CTX_set_min_proto_version(context, minimum == TlsVersion::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // No second handshake within a connection, no compression. No resumption: a certificate that is not good any more
  // would go on being good for as long as a ticket is.
  ::SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_num_tickets(context, 0);
  // A connection that is silent holds no buffers for records.
  ::SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Of TLS 1.2 only what has forward secrecy and authenticates what it encrypts.
  ::SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
}

}  // namespace

TlsContext::~TlsContext() { ::SSL_CTX_free(context_); }

Result<void> TlsContext::use(const std::string& certificate, const std::string& key) {
  auto chain = read_certificates(certificate, kChainMax);
  if (!chain) return std::unexpected(chain.error());
  const auto key_text = read_key_file(key);
  if (!key_text) return std::unexpected(key_text.error());
  const auto bio = memory_bio(*key_text);
  const OwnedKey secret(::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!secret) return std::unexpected(unreadable(key, "key"));
  if (::SSL_CTX_use_certificate(context_, chain->front().get()) != 1)
    return std::unexpected(openssl_error(ErrorCode::malformed, fmt::format("{} cannot be used", certificate)));
  if (::SSL_CTX_use_PrivateKey(context_, secret.get()) != 1 || ::SSL_CTX_check_private_key(context_) != 1) {
    (void)openssl_reason();
    return failure(ErrorCode::invalid_field, fmt::format("{} is not the key of {}", key, certificate),
                   "give the two files that were made together");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) ::SSL_CTX_add1_chain_cert(context_, (*chain)[i].get());
  valid_until_ = unix_ms(::X509_get0_notAfter(chain->front().get()));
  return {};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsServerFiles& files) {
  std::shared_ptr<TlsContext> made(new TlsContext(::SSL_CTX_new(::TLS_server_method())));
  if (made->get() == nullptr) return std::unexpected(openssl_error(ErrorCode::internal, "no TLS"));
  harden(made->get(), files.minimum);
  ::SSL_CTX_set_alpn_select_cb(made->get(), choose_protocol, nullptr);
  if (auto used = made->use(files.certificate, files.key); !used) return std::unexpected(used.error());
  if (auto used = use_tls_ciphers(made->get(), files.ciphers, files.minimum); !used)
    return std::unexpected(used.error());
  if (files.client_ca.empty()) return made;
  auto authorities = read_certificates(files.client_ca, 0);
  if (!authorities) return std::unexpected(authorities.error());
  auto* const store = ::SSL_CTX_get_cert_store(made->get());
  for (const auto& authority : *authorities) {
    ::X509_STORE_add_cert(store, authority.get());
    ::SSL_CTX_add_client_CA(made->get(), authority.get());
  }
  ::SSL_CTX_set_max_cert_list(made->get(), kClientChainBytesMax);
  ::SSL_CTX_set_verify(
      made->get(), SSL_VERIFY_PEER | (files.needs_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsTrust& trust) {
  std::shared_ptr<TlsContext> made(new TlsContext(::SSL_CTX_new(::TLS_client_method())));
  if (made->get() == nullptr) return std::unexpected(openssl_error(ErrorCode::internal, "no TLS"));
  harden(made->get(), TlsVersion::tls12);
  ::SSL_CTX_set_verify(made->get(), trust.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (trust.certificate.empty() != trust.key.empty())
    return failure(ErrorCode::invalid_field, "a client's certificate and its key go together, and one is missing",
                   "give both: --cert FILE and --cert-key FILE (FOLKMOOT_CERT, FOLKMOOT_CERT_KEY)");
  if (!trust.certificate.empty()) {
    if (auto used = made->use(trust.certificate, trust.key); !used) return std::unexpected(used.error());
  }
  if (trust.insecure) return made;
  if (trust.ca.empty()) {
    ::SSL_CTX_set_default_verify_paths(made->get());
    return made;
  }
  auto authorities = read_certificates(trust.ca, 0);
  if (!authorities) return std::unexpected(authorities.error());
  auto* const store = ::SSL_CTX_get_cert_store(made->get());
  for (const auto& authority : *authorities) ::X509_STORE_add_cert(store, authority.get());
  return made;
}

}  // namespace folkmoot
