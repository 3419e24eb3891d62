// What a message says, wherever it stands: in the message, or stored on the server under its hash.
#pragma once

#include <optional>
#include <string>

#include "cli/session.hpp"

namespace folkmoot::cli {

/// `content_error`: Delivery's. Errors: that one; content_too_large above 1 GiB; those of Client::fetch().
Result<std::string> whole_content(Session& session, const Message& message,
                                  const std::optional<Error>& content_error = {});

/// Fetches what `ref` names and prints it as print_content() does, part by part. Throws Failure.
void print_stored(Session& session, const ContentRef& ref);
/// Fetches it into a file, and tells on a terminal how far it is. Throws Failure.
void save_stored(Session& session, const ContentRef& ref, const std::string& path);
/// Stores a file, and tells on a terminal how far it is. Throws Failure.
ContentRef upload(Session& session, const std::string& path);

}  // namespace folkmoot::cli
