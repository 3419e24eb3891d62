#include "engine/endpoint.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kSecretKeyMin = 24, kSecretKeyMax = 64;  // bytes, as Standard Webhooks has it

std::unexpected<Error> no_endpoint(std::string text) { return failure(ErrorCode::invalid_field, std::move(text)); }

}  // namespace

Result<void> check_endpoint_url(std::string_view url) {
  const auto scheme = url.starts_with("https://") ? 8u : url.starts_with("http://") ? 7u : 0u;
  const auto rest = url.substr(scheme);
  const auto host = rest.substr(0, rest.find_first_of("/?#"));
  const bool is_plain = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 127 && c != '\\' && c != '"'; });
  if (scheme == 0 || host.empty() || !is_plain || url.size() > kEndpointUrlMax) {
    return no_endpoint(
        fmt::format("`url` is none that can be posted to: http:// or https://, a host, and ASCII without "
                    "blanks, {} bytes at most",
                    kEndpointUrlMax));
  }
  if (host.contains('@')) return no_endpoint("`url` names a user: its secret says who posts, and is not shown");
  return {};
}

Result<void> check_endpoint_secret(std::string_view secret) {
  const auto key = secret.starts_with(kEndpointSecretPrefix) && secret.size() <= kEndpointSecretMax
                       ? decode_base64(secret.substr(kEndpointSecretPrefix.size()))
                       : std::nullopt;
  if (key && key->size() >= kSecretKeyMin && key->size() <= kSecretKeyMax) return {};
  return no_endpoint(fmt::format("`secret` is none of a webhook: it is whsec_ and {} to {} bytes in base64",
                                 kSecretKeyMin, kSecretKeyMax));
}

}  // namespace folkmoot
