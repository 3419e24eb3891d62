// The content of a message into a file, whatever its sender called it.
#pragma once

#include <string>

#include "cli/session.hpp"

namespace folkmoot::cli {

/// The name of the file for a message: its id, and what is harmless of the name that its sender gave (metadata `filename`).
std::string saved_name(const Message& message);
/// Writes the content into `folder` under that name, its bytes checked by their hash if it goes by reference. Returns the path. Throws
/// Failure.
std::string save_content(Session& session, const Message& message, const std::string& folder);

}  // namespace folkmoot::cli
