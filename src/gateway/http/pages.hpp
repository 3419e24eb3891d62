// What pages in browsers may do here. A browser lets a page of any origin send requests and open WebSockets; it only
// keeps the answers from it. So whoever asks in the name of a page has to be told from whoever asks for itself.
#pragma once

#include "gateway/http/exchange.hpp"

namespace folkmoot {

/// The value of Access-Control-Allow-Origin for pages of `origin`; empty: there is none.
std::string allowed_origin(const GatewayOptions& options, std::string_view origin);

/// Why the request may not be carried out, if it comes from a page that may not ask.
std::optional<Error> refuse_page(const GatewayOptions& options, const HttpRequest& request);

}  // namespace folkmoot
