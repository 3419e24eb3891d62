// Secrets of webhooks.
#pragma once

#include <string>

namespace folkmoot::cli {

/// whsec_ and 32 random bytes in base64. Throws Failure.
std::string make_webhook_secret();

}  // namespace folkmoot::cli
