#include "gateway/http/pages.hpp"

#include <fmt/format.h>

namespace folkmoot {
namespace {

// The server's own pages, as the browser knows it by Host.
bool is_own_origin(std::string_view origin, std::string_view host) {
  const auto scheme_end = origin.find("://");
  return scheme_end != std::string_view::npos && lower_case(origin.substr(scheme_end + 3)) == lower_case(host);
}

}  // namespace

std::string allowed_origin(const GatewayOptions& options, std::string_view origin) {
  for (const auto& allowed : options.cors_origins) {
    if (allowed == "*") return "*";
    if (!origin.empty() && allowed == origin) return allowed;
  }
  return {};
}

std::optional<Error> refuse_page(const GatewayOptions& options, const HttpRequest& request) {
  const auto origin = request.head.field("origin");
  if (origin.empty() || !allowed_origin(options, origin).empty()) return std::nullopt;
  if (is_own_origin(origin, request.head.field("host"))) return std::nullopt;
  return Error{ErrorCode::not_permitted,
               fmt::format("pages of {} may not use this server; see http.cors_origins", origin)};
}

}  // namespace folkmoot
