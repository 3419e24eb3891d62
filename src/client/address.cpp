#include "client/address.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <charconv>
#include <cstdlib>

namespace folkmoot {
namespace {

constexpr std::string_view kTlsScheme = "tls://";

}  // namespace

std::string address_or_default(std::string given) {
  if (!given.empty()) return given;
  const char* from_environment = std::getenv("FOLKMOOT_ADDRESS");
  return from_environment && *from_environment ? from_environment : std::string(kAddressDefault);
}

Result<Address> parse_address(std::string_view text) {
  const auto wrong = [&] {
    return failure(
        ErrorCode::invalid_field,
        fmt::format("`{}` is not an address; write host:port, tls://host:port, [IPv6]:port or unix:/path", text));
  };
  auto path = text;
  if (path.starts_with("unix:")) path.remove_prefix(5);
  if (path.size() != text.size() || path.starts_with('/')) {
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) return wrong();
    return Address{.host = {}, .port = {}, .path = std::string(path)};
  }

  auto rest = text;
  const bool is_tls = rest.starts_with(kTlsScheme);
  if (is_tls) rest.remove_prefix(kTlsScheme.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return wrong();
  auto host = rest.substr(0, colon);
  const auto port = rest.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0 || host.empty()) return wrong();
  return Address{.host = std::string(host), .port = std::string(port), .path = {}, .is_tls = is_tls};
}

}  // namespace folkmoot
