// What a message says, wherever it stands: in the message, or stored on the server under its hash.
#pragma once

#include <optional>
#include <string>

#include "cli/session.hpp"

namespace folkmoot::cli {

/// `content_error`: Delivery's. Errors: that one; content_too_large above 1 GiB; those of Client::fetch().
Result<std::string> whole_content(Session& session, const Message& message,
                                  const std::optional<Error>& content_error = {});

}  // namespace folkmoot::cli
