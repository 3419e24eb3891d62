// Content by reference: what is too large for a message is stored beside the messages, once, under its SHA-256; a
// message refers to it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "folkmoot/error.hpp"

namespace folkmoot {

/// The SHA-256 of a content: its name.
struct ContentHash {
  std::array<std::uint8_t, 32> bytes{};

  /// 64 hexadecimal digits, lower case.
  std::string text() const;
  /// Reads the 64 digits in either case; nothing if it is anything else.
  static std::optional<ContentHash> parse(std::string_view text);

  auto operator<=>(const ContentHash&) const = default;
};

/// What a message says of content that is stored by reference.
struct ContentRef {
  ContentHash hash{};
  std::uint64_t size = 0;  // bytes, at least 1

  bool operator==(const ContentRef&) const = default;
};

/// Gives the bytes of a content from `offset` on: `most` of them, fewer only at its end. Called on the client's
/// executor, for the same bytes more than once: to hash them, to send them, and again after a lost connection.
using ContentSource = std::function<Result<std::string>(std::uint64_t offset, std::size_t most)>;
/// Takes the bytes of a content, part by part. An error ends the reading with it. Called on the client's executor.
using ContentSink = std::function<Result<void>(std::string_view part)>;

struct ContentFile {
  ContentSource source;
  std::uint64_t size = 0;
};
/// The bytes of a file. Errors: io_error, invalid_field (it is empty, or no regular file).
Result<ContentFile> content_of_file(const std::string& path);

}  // namespace folkmoot
