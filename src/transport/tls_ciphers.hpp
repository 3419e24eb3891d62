// Which ciphers TLS is spoken with. What may be named is what is spoken by default, so a list can only make it less:
// forward secrecy, and encryption that authenticates.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

typedef struct ssl_ctx_st SSL_CTX;

namespace folkmoot {

enum class TlsVersion : std::uint8_t { tls12, tls13 };

/// Whether each is one that may be named, by the name that OpenSSL has for it (`TLS_AES_256_GCM_SHA384`,
/// `ECDHE-RSA-AES256-GCM-SHA384`). Errors: invalid_field, with those that there are.
Result<void> check_tls_ciphers(const std::vector<std::string>& names);
/// Speaks with these alone, first come first chosen, and only versions of TLS that one of them is for; none: as it is
/// by default. Requires: the context has its key and `minimum`. Errors: those, and invalid_field if a version that may
/// be spoken has no cipher that goes with the key.
Result<void> use_tls_ciphers(SSL_CTX* context, const std::vector<std::string>& names, TlsVersion minimum);

}  // namespace folkmoot
