#include "transport/tls_session.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "base/assert.hpp"
#include "base/utf8.hpp"
#include "crypto/openssl.hpp"

namespace folkmoot {

// OpenSSL's way to the network, which here is memory: it reads from input_ and writes to *out_.
struct TlsPipe {
  static TlsSession& session(BIO* bio) { return *static_cast<TlsSession*>(::BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    auto& input = session(bio).input_;
    ::BIO_clear_retry_flags(bio);
    if (input.empty()) {
      ::BIO_set_retry_read(bio);
      return -1;
    }
    const auto count = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(into, input.data(), count);
    input = input.subspan(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* from, int size) {
    ::BIO_clear_retry_flags(bio);
    session(bio).out_->append(from, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  // Made once, and never freed: connections may end as late as the program does.
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      auto* const made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "folkmoot");
      ::BIO_meth_set_read(made, read);
      ::BIO_meth_set_write(made, write);
      ::BIO_meth_set_ctrl(made, control);
      return made;
    }();
    return kMethod;
  }
};

namespace {

constexpr std::string_view kAgentUri = "agent:";
constexpr std::size_t kNameBytesMax = 255;

bool is_good_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && is_utf8(name) &&
         std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The agent of a certificate: a URI `agent:NAME` among its names, else its common name.
std::string agent_of(const X509& certificate) {
  std::string found;
  auto* const names =
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && found.empty() && i < sk_GENERAL_NAME_num(names); ++i) {
    const auto* const each = sk_GENERAL_NAME_value(names, i);
    if (each->type != GEN_URI) continue;
    const std::string_view uri(
        reinterpret_cast<const char*>(::ASN1_STRING_get0_data(each->d.uniformResourceIdentifier)),
        static_cast<std::size_t>(::ASN1_STRING_length(each->d.uniformResourceIdentifier)));
    if (uri.starts_with(kAgentUri)) found = uri.substr(kAgentUri.size());
  }
  ::GENERAL_NAMES_free(names);
  if (found.empty()) {
    const auto* const subject = ::X509_get_subject_name(&certificate);
    const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char* text = nullptr;
    const int size =
        at < 0 ? -1 : ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
    if (size >= 0) found.assign(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    ::OPENSSL_free(text);
  }
  return is_good_name(found) ? found : std::string();
}

// What a handshake failed of, for whoever has to do something about it.
Error handshake_error(SSL* ssl, const std::string& host) {
  const auto code = ::ERR_peek_last_error();
  const auto verified = ::SSL_get_verify_result(ssl);
  const auto reason = openssl_reason();
  const bool is_client = ::SSL_is_server(ssl) == 0;
  if (verified != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const std::string why = ::X509_verify_cert_error_string(verified);
    if (!is_client)
      return {ErrorCode::unauthorized, fmt::format("the client's certificate was not taken: {}", why),
              "give it one of the authority in tls.client_ca"};
    std::string advice =
        "the server's certificate is of no authority that is trusted here: give its own with --ca FILE "
        "(FOLKMOOT_CA), such as the ca.pem of `folkmoot cert init`";
    if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH)
      advice = fmt::format(
          "the server's certificate is not for `{}`: call it by a name that stands there, or issue "
          "one for this name (`folkmoot cert issue`)",
          host);
    if (verified == X509_V_ERR_CERT_HAS_EXPIRED)
      advice =
          "the certificate, or its authority's, has run out: renew it (`folkmoot cert renew`), and have the server "
          "read it (SIGHUP)";
    if (verified == X509_V_ERR_CERT_NOT_YET_VALID) advice = "look at the clocks of both machines";
    return {ErrorCode::unauthorized, fmt::format("the server at {} was not verified: {}", host, why), advice};
  }
  if (!is_client) return {ErrorCode::malformed, fmt::format("no TLS: {}", reason.empty() ? "it ended" : reason)};
  if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
    return {ErrorCode::connection_lost, fmt::format("{} does not speak TLS", host),
            "connect without: HOST:PORT in the place of tls://HOST:PORT; or have the server speak TLS "
            "(tls.certificate)"};
  if (reason.find("certificate required") != std::string::npos || reason.find("handshake failure") != std::string::npos)
    return {ErrorCode::unauthorized, fmt::format("the server at {} ended the TLS handshake: {}", host, reason),
            "it may want a certificate of this client: --cert FILE --cert-key FILE (FOLKMOOT_CERT, FOLKMOOT_CERT_KEY)"};
  if (reason.find("protocol version") != std::string::npos)
    return {ErrorCode::connection_lost, fmt::format("{} refused TLS: {}", host, reason),
            "it has none (connect without: HOST:PORT), or wants a newer one (tls.minimum)"};
  return {ErrorCode::connection_lost, fmt::format("TLS with {} failed: {}", host, reason.empty() ? "it ended" : reason),
          "its log says why, if it is a folkmoot server"};
}

SSL* make(const TlsContext& context) { return ::SSL_new(context.get()); }

}  // namespace

TlsSession::TlsSession(SSL* ssl) : ssl_(ssl) {
  auto* const bio = ::BIO_new(TlsPipe::method());
  FOLKMOOT_ASSERT(bio != nullptr);
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_, bio, bio);  // owns it
}

TlsSession::~TlsSession() { ::SSL_free(ssl_); }

std::unique_ptr<TlsSession> TlsSession::accept(const TlsContext& context) {
  auto* const ssl = make(context);
  if (ssl == nullptr) return nullptr;
  ::SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsSession>(new TlsSession(ssl));
}

std::unique_ptr<TlsSession> TlsSession::connect(const TlsContext& context, const std::string& host) {
  auto* const ssl = make(context);
  if (ssl == nullptr) return nullptr;
  ::SSL_set_connect_state(ssl);
  in6_addr scratch{};
  const bool is_address =
      ::inet_pton(AF_INET, host.c_str(), &scratch) == 1 || ::inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
  if (is_address) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str());
  } else {
    ::SSL_set_tlsext_host_name(ssl, host.c_str());
    ::SSL_set1_host(ssl, host.c_str());
  }
  std::unique_ptr<TlsSession> made(new TlsSession(ssl));
  made->host_ = host;
  return made;
}

void TlsSession::note_failure(int result) {
  switch (::SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return;
    case SSL_ERROR_ZERO_RETURN:
      has_ended_ = true;
      return;
    default:
      has_failed_ = true;
      error_ = handshake_error(ssl_, host_);
      return;
  }
}

// What was not taken in is kept until the next call.
void TlsSession::keep_rest() {
  if (input_.empty()) {
    if (!kept_.empty()) std::string().swap(kept_);
  } else {
    kept_ = std::string(as_text(input_));
  }
  input_ = {};
}

TlsSession::Step TlsSession::handshake(Bytes fresh) {
  if (has_failed_) return Step::failed;
  kept_.append(as_text(fresh));
  input_ = as_bytes(kept_);
  out_ = &unsent_;
  ::ERR_clear_error();
  const int result = ::SSL_do_handshake(ssl_);
  if (result != 1) note_failure(result);
  keep_rest();
  if (has_failed_ || has_ended_) return Step::failed;
  if (result != 1) return Step::more;
  note_peer();
  return Step::done;
}

void TlsSession::note_peer() {
  if (::SSL_is_server(ssl_) == 0 || ::SSL_get_verify_result(ssl_) != X509_V_OK) return;
  const auto* const certificate = ::SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return;
  std::tm until{};
  if (::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate), &until) != 1) return;
  verified_ = {.name = agent_of(*certificate), .until = std::int64_t{::timegm(&until)} * 1'000};
}

TlsSession::Taken TlsSession::read(Bytes fresh, std::span<std::uint8_t> into) {
  if (has_failed_) return {What::failed, 0};
  input_ = kept_.empty() ? fresh : as_bytes(kept_);
  FOLKMOOT_ASSERT(kept_.empty() || fresh.empty());
  out_ = &unsent_;
  ::ERR_clear_error();
  std::size_t count = 0;
  while (count < into.size() && !has_ended_) {
    std::size_t got = 0;
    const int result = ::SSL_read_ex(ssl_, into.data() + count, into.size() - count, &got);
    count += got;
    if (result == 1) continue;
    note_failure(result);
    break;
  }
  keep_rest();
  if (count > 0) return {What::bytes, count};
  if (has_failed_) return {What::failed, 0};
  return {has_ended_ ? What::ended : What::nothing, 0};
}

void TlsSession::take_in(Bytes fresh) {
  kept_.append(as_text(fresh));
  if (has_failed_ || has_ended_) return;
  input_ = as_bytes(kept_);
  out_ = &unsent_;
  ::ERR_clear_error();
  std::uint8_t byte = 0;
  std::size_t got = 0;
  const int result = ::SSL_peek_ex(ssl_, &byte, 1, &got);
  if (result != 1) note_failure(result);
  keep_rest();
}

bool TlsSession::has_input() const { return !kept_.empty() || has_ended_ || has_failed_ || ::SSL_pending(ssl_) > 0; }

bool TlsSession::write(Bytes plain, std::string& out) {
  if (has_failed_) return false;
  out_ = &out;
  ::ERR_clear_error();
  std::size_t written = 0;
  const bool good =
      plain.empty() || (::SSL_write_ex(ssl_, plain.data(), plain.size(), &written) == 1 && written == plain.size());
  out_ = &unsent_;
  if (good) return true;
  has_failed_ = true;
  error_ = openssl_error(ErrorCode::connection_lost, "TLS is broken");
  return false;
}

void TlsSession::end() {
  if (said_end_ || has_failed_ || ::SSL_is_init_finished(ssl_) == 0) return;
  said_end_ = true;
  out_ = &unsent_;
  ::ERR_clear_error();
  ::SSL_shutdown(ssl_);
  ::ERR_clear_error();
}

std::string_view TlsSession::version() const { return ::SSL_get_version(ssl_); }

}  // namespace folkmoot
