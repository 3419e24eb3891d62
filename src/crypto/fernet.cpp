#include "crypto/fernet.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "base/hmac.hpp"
#include "crypto/base64url.hpp"
#include "crypto/primitives.hpp"

namespace folkmoot {
namespace {

constexpr char kVersion = '\x80';
constexpr std::size_t kKeyBytes = 32, kTimeBytes = 8, kVectorBytes = 16, kMacBytes = 32;
constexpr std::size_t kFrontBytes = 1 + kTimeBytes + kVectorBytes;
constexpr std::int64_t kAheadSecondsMax = 60;  // the specification's, for clocks that differ

Error no_token(std::string_view why) {
  return {ErrorCode::malformed, fmt::format("that is no Fernet token: {}", why),
          "give it as it was made, with nothing around it"};
}

}  // namespace

Result<FernetKey> FernetKey::parse(std::string_view text) {
  auto bytes = decode_base64url(text);
  if (!bytes || bytes->size() != kKeyBytes)
    return failure(ErrorCode::malformed, "a Fernet key is 32 bytes in base64url, 44 characters");
  return FernetKey(std::move(*bytes));
}

Result<FernetKey> FernetKey::generate() {
  auto bytes = random_bytes(kKeyBytes);
  if (!bytes) return std::unexpected(bytes.error());
  return FernetKey(std::move(*bytes));
}

std::string FernetKey::text() const { return encode_base64url(bytes_, Padding::yes); }

Result<std::string> FernetKey::seal(std::string_view plain, std::int64_t time) const {
  const auto vector = random_bytes(kVectorBytes);
  if (!vector) return std::unexpected(vector.error());
  return seal_with(plain, time, *vector);
}

std::string FernetKey::seal_with(std::string_view plain, std::int64_t time, std::string_view vector) const {
  FOLKMOOT_ASSERT(vector.size() == kVectorBytes);
  std::string token(1, kVersion);
  for (int shift = 56; shift >= 0; shift -= 8) token.push_back(static_cast<char>(time >> shift));
  token.append(vector).append(encrypt_cbc(encrypting(), vector, plain));
  token.append(hmac_sha256(signing(), token));
  return encode_base64url(token, Padding::yes);
}

// The time is looked at before the code is: it is not secret, and who altered it is found out all the same.
Result<std::string> FernetKey::open(std::string_view token, std::int64_t now, std::optional<std::int64_t> life) const {
  const auto bytes = token.size() % 4 == 0 ? decode_base64url(token) : std::nullopt;
  if (!bytes) return std::unexpected(no_token("it is not in base64url with its padding"));
  if (bytes->size() < kFrontBytes + kVectorBytes + kMacBytes) return std::unexpected(no_token("it is too short"));
  if (bytes->front() != kVersion) return std::unexpected(no_token("it is of no version that is known"));
  const std::string_view all(*bytes), front = all.substr(0, all.size() - kMacBytes);
  std::uint64_t time = 0;
  for (const char byte : front.substr(1, kTimeBytes)) time = time << 8 | static_cast<std::uint8_t>(byte);
  if (!is_same_secret(hmac_sha256(signing(), front), all.substr(front.size())))
    return failure(ErrorCode::unauthorized, "the Fernet token is of another key, or was altered");
  const auto made = static_cast<std::int64_t>(std::min<std::uint64_t>(time, INT64_MAX));
  if (made > now && made - now > kAheadSecondsMax)
    return failure(ErrorCode::timed_out, fmt::format("the Fernet token is of a time {} s ahead", made - now),
                   "look at the clocks of both machines");
  if (life && made < now && now - made > *life)
    return failure(ErrorCode::timed_out,
                   fmt::format("the Fernet token is {} s old; {} are the most", now - made, *life));
  auto plain = decrypt_cbc(encrypting(), front.substr(1 + kTimeBytes, kVectorBytes), front.substr(kFrontBytes));
  if (!plain) return std::unexpected(no_token("what is sealed has no padding"));
  return std::move(*plain);
}

}  // namespace folkmoot
