// Endpoints over HTTP: what a wake or a webhook may name as one, and what its requests are signed with.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

constexpr std::size_t kEndpointUrlMax = 2'048, kEndpointSecretMax = 128;
constexpr std::string_view kEndpointSecretPrefix = "whsec_";

/// No user and password, which would be shown and logged; what else it is, the one who posts finds out. Errors:
/// invalid_field.
Result<void> check_endpoint_url(std::string_view url);
/// As Standard Webhooks has it. Errors: invalid_field.
Result<void> check_endpoint_secret(std::string_view secret);

}  // namespace folkmoot
