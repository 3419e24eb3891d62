// The AsyncAPI 3.0 document of what is said in JSON on WebSockets, written from the frames, the words that ask agents
// and the list of operations.
#pragma once

#include <string>

namespace folkmoot {

/// JSON text, the same at each call.
const std::string& asyncapi_document();

}  // namespace folkmoot
