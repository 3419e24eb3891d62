// What TLS connections of one side have in common: certificate, key, whom to trust, versions. Made of files, which are
// read once: who wants them read again makes another. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "transport/tls_ciphers.hpp"

typedef struct ssl_ctx_st SSL_CTX;

namespace folkmoot {

/// PEM files of a server, and how it speaks.
struct TlsServerFiles {
  std::string certificate;  // its own first, then those between it and the authority
  std::string key;
  std::string client_ca;  // who signs certificates of clients; empty: none is asked for
  bool needs_client_certificate = true;
  TlsVersion minimum = TlsVersion::tls12;
  std::vector<std::string> ciphers{};  // empty: all that tls_ciphers.hpp has
};

/// What a client trusts, and what it shows.
struct TlsTrust {
  std::string ca;           // PEM file; empty: the system's authorities
  std::string certificate;  // PEM file, with its key in `key`; empty: none
  std::string key;
  bool insecure = false;  // takes any certificate: whoever is on the way can read and change everything
};

class TlsContext {
 public:
  /// Errors: io_error; malformed; invalid_field for a key that is not the certificate's, for one without the other, and
  /// for ciphers that cannot be.
  static Result<std::shared_ptr<const TlsContext>> server(const TlsServerFiles& files);
  static Result<std::shared_ptr<const TlsContext>> client(const TlsTrust& trust);
  ~TlsContext();

  SSL_CTX* get() const { return context_; }
  /// Until when the server's own certificate is good, Unix ms; 0: it has none.
  std::int64_t valid_until() const { return valid_until_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  Result<void> use(const std::string& certificate, const std::string& key);

  SSL_CTX* const context_;
  std::int64_t valid_until_ = 0;
};

}  // namespace folkmoot
