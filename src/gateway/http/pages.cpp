#include "gateway/http/pages.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

namespace folkmoot {
namespace {

bool is_loopback(std::string_view host) {
  in_addr address{};
  const bool is_v4 = ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" ||
         (is_v4 && (ntohl(address.s_addr) >> 24) == 127);
}

// `https://host:port` or a longer address, as Origin and Referer have it.
std::optional<Authority> authority_of(std::string_view address) {
  const auto scheme_end = address.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  address.remove_prefix(scheme_end + 3);
  return parse_authority(address.substr(0, address.find('/')));
}

// A page of this server, as the browser knows it: by the name it was asked for.
bool is_own_page(const RequestHead& head, std::string_view address) {
  const auto page = authority_of(address);
  return page && head.authority && page->host == head.authority->host && page->port == head.authority->port;
}

// Fields that a page can send only if the server has said before that it may (CORS, "non-simple").
bool was_asked_for(const RequestHead& head) {
  const auto type = lower_case(head.field("content-type"));
  return head.count("authorization") > 0 || head.count("x-agent") > 0 || type.starts_with("application/json") ||
         type.starts_with("application/cloudevents");
}

// Browsers say where a request comes from (Fetch Metadata), or, older ones, by which page and what they are. One that
// comes from no page is a link of another program, or the browser's own guess of what will be looked at.
bool comes_from_foreign_page(const RequestHead& head) {
  if (const auto site = head.field("sec-fetch-site"); !site.empty()) return site != "same-origin";
  if (was_asked_for(head)) return false;
  const auto referer = head.field("referer");
  if (!referer.empty()) return !is_own_page(head, referer);
  return head.field("user-agent").starts_with("Mozilla/");
}

}  // namespace

std::string allowed_origin(const GatewayOptions& options, std::string_view origin) {
  for (const auto& allowed : options.cors_origins) {
    if (allowed == "*") return "*";
    if (!origin.empty() && allowed == origin) return allowed;
  }
  return {};
}

bool is_own_host(const GatewayOptions& options, const Authority& authority, std::string_view own_address) {
  const auto& host = authority.host;
  if (is_loopback(host) || host == own_address) return true;
  return std::ranges::any_of(options.hosts,
                             [&](const auto& known) { return known == "*" || lower_case(known) == host; });
}

std::optional<Error> refuse_page(const GatewayOptions& options, const RequestHead& head, bool acts) {
  if (const auto origin = head.field("origin"); !origin.empty()) {
    if (!allowed_origin(options, origin).empty() || is_own_page(head, origin)) return std::nullopt;
    return Error{ErrorCode::not_permitted, fmt::format("pages of {} may not use this server", origin),
                 "if they should, name that origin in http.cors_origins"};
  }
  if (!acts || !comes_from_foreign_page(head)) return std::nullopt;
  return Error{ErrorCode::not_permitted,
               "a browser seems to ask for a page of another server, which may not take or change anything here",
               "a client that is no browser may say X-Agent; a page that should may be named in http.cors_origins"};
}

std::string own_address(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[INET6_ADDRSTRLEN] = {};
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
    return text;
  }
  if (address.ss_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    return text;
  }
  ::inet_ntop(AF_INET6, &v6, text, sizeof text);
  return fmt::format("[{}]", text);
}

}  // namespace folkmoot
