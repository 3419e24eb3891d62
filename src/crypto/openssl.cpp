#include "crypto/openssl.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

namespace folkmoot {

std::string openssl_reason() {
  std::string last;
  while (const auto code = ::ERR_get_error()) {
    const char* const reason = ::ERR_reason_error_string(code);
    last = reason != nullptr ? reason : fmt::format("error {:x}", code);
  }
  return last;
}

Error openssl_error(ErrorCode code, std::string what, std::string advice) {
  if (const auto reason = openssl_reason(); !reason.empty()) what.append(": ").append(reason);
  return {code, std::move(what), std::move(advice)};
}

OwnedBio memory_bio(std::string_view text) {
  return OwnedBio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

OwnedBio memory_bio() { return OwnedBio(::BIO_new(::BIO_s_mem())); }

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const auto size = ::BIO_get_mem_data(&bio, &data);
  return std::string(data, static_cast<std::size_t>(size > 0 ? size : 0));
}

}  // namespace folkmoot
