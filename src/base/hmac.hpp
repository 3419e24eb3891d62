// HMAC-SHA-256 (RFC 2104, FIPS 198-1), by Nettle: what webhooks are signed with.
#pragma once

#include <string>
#include <string_view>

namespace folkmoot {

/// 32 bytes.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace folkmoot
