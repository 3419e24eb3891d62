// The OpenAPI 3.1 document of the HTTP door, written from its table of routes and the list of operations.
#pragma once

#include <string>

namespace folkmoot {

/// JSON text, the same at each call.
const std::string& openapi_document();

}  // namespace folkmoot
