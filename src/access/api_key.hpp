// API keys: "fm_", 16 hex digits that name the key, "_", and 43 characters (base64url) of a secret of 32 random bytes.
// The name makes looking it up one step. The secret is random in full, so a fast keyed hash keeps it as well as a slow
// one would: there is nothing to guess.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "access/account.hpp"

namespace folkmoot::access {

constexpr std::string_view kApiKeyPrefix = "fm_";

/// What a key is made of: from the system's random numbers, by whoever asks for one.
struct KeyChance {
  std::array<std::uint8_t, 8> id;
  std::array<std::uint8_t, 16> salt;
  std::array<std::uint8_t, 32> secret;
};

struct NewApiKey {
  Key key{};           // what is kept
  std::string text{};  // what is shown, once
};
NewApiKey make_api_key(const KeyChance& chance, Instant now, Instant expires_at);

/// The id of what looks like an API key; nothing for any other text.
std::optional<std::string_view> api_key_id(std::string_view text);
/// Whether `text` is that key. Takes the same time wherever it differs.
bool is_api_key(std::string_view text, const Key& key);

/// Whether two texts are the same; the time it takes depends on the length of `given` alone.
bool same_secret(std::string_view given, std::string_view wanted);

}  // namespace folkmoot::access
