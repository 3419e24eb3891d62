#include "message/packed_content.hpp"

#include "message/compression.hpp"

namespace folkmoot {

void pack_content(Message& message, std::string_view encoding, std::size_t bytes_max) {
  if (!message.encoding.empty()) return;
  auto smaller = compress(encoding, as_bytes(message.content));
  if (!smaller || smaller->size() >= message.content.size() || smaller->size() > bytes_max) return;
  message.content = std::move(*smaller);
  message.encoding = encoding;
}

Result<void> unpack_content(Message& message, std::size_t bytes_max) {
  if (message.encoding.empty() || message.content_ref) return {};
  auto content = decompress(message.encoding, as_bytes(message.content), bytes_max);
  if (!content) return std::unexpected(std::move(content.error()));
  message.content = std::move(*content);
  message.encoding.clear();
  return {};
}

}  // namespace folkmoot
