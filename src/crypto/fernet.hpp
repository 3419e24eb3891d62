// Fernet tokens (the Fernet specification, version 0x80): AES-128-CBC with HMAC-SHA256 and a time, as text. What is
// sealed here opens in any other implementation, and the other way round.
//
//   token := base64url( 0x80 | time, 8 bytes, big-endian, seconds | vector, 16 | sealed, of sixteens | hmac, 32 )
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

class FernetKey {
 public:
  /// 32 bytes in base64url, as every implementation writes it. Errors: malformed.
  static Result<FernetKey> parse(std::string_view text);
  /// Errors: io_error.
  static Result<FernetKey> generate();
  std::string text() const;

  /// `time` is Unix seconds; `vector` 16 bytes that are drawn at random, each time anew. Errors: io_error.
  Result<std::string> seal(std::string_view plain, std::int64_t time) const;
  std::string seal_with(std::string_view plain, std::int64_t time, std::string_view vector) const;
  /// What was sealed, if it was with this key, and at most `life` seconds ago (none: whenever); a time that is more
  /// than a minute ahead is refused. Errors: malformed, unauthorized, timed_out.
  Result<std::string> open(std::string_view token, std::int64_t now, std::optional<std::int64_t> life) const;

 private:
  explicit FernetKey(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view signing() const { return std::string_view(bytes_).substr(0, 16); }
  std::string_view encrypting() const { return std::string_view(bytes_).substr(16); }

  std::string bytes_;
};

}  // namespace folkmoot
