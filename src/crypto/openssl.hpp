// OpenSSL's objects with an owner, and what it has to say about errors as ours. For the files of this module, of
// access/ and of transport/ that call OpenSSL; their own headers name its types without including it.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

template <auto free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};

using OwnedBio = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using OwnedKeyContext = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
using OwnedCertificate = std::unique_ptr<X509, OpensslDeleter<X509_free>>;

/// `what`, with the reasons that OpenSSL has noted on this thread, which are forgotten then.
Error openssl_error(ErrorCode code, std::string what, std::string advice = {});
/// The last reason on this thread in its own words ("bad decrypt"); empty if there is none. All are forgotten.
std::string openssl_reason();
/// For reading `text`, which must outlive it.
OwnedBio memory_bio(std::string_view text);
/// For writing.
OwnedBio memory_bio();
std::string text_of(BIO& bio);

}  // namespace folkmoot
