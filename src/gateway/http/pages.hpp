// What pages in browsers may do here. A browser lets a page of any origin send requests and open WebSockets; it only
// keeps the answers from it. So whoever asks in the name of a page has to be told from whoever asks for itself.
#pragma once

#include "gateway/http/exchange.hpp"

namespace folkmoot {

/// The value of Access-Control-Allow-Origin for pages of `origin`; empty: there is none.
std::string allowed_origin(const GatewayOptions& options, std::string_view origin);

/// Whether the server may be called so: localhost, an address of loopback, `own_address` (the one that the connection
/// came in at), or as the options say.
bool is_own_host(const GatewayOptions& options, const Authority& authority, std::string_view own_address);

/// Why the request may not be carried out, if a page sends it that may not. `acts`: the request takes or changes
/// something; pages may send such requests without being asked first whether they may (as a form, an image or a
/// link), and browsers mark them.
std::optional<Error> refuse_page(const GatewayOptions& options, const RequestHead& head, bool acts);

/// The address of this side of a connection, as it stands in Host; empty for a Unix socket.
std::string own_address(int socket);

}  // namespace folkmoot
