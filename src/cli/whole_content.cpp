#include "cli/whole_content.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::size_t kWholeBytesMax = 1 << 30;

}  // namespace

Result<std::string> whole_content(Session& session, const Message& message, const std::optional<Error>& content_error) {
  if (content_error) return std::unexpected(*content_error);
  if (!message.content_ref) return message.content;
  return session->fetch_bytes(*message.content_ref, kWholeBytesMax);
}

}  // namespace folkmoot::cli
