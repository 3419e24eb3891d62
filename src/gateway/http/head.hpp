// The header of a request (RFC 9112, sections 2 to 6). Where a request ends must never be read in two ways, by us and
// by whoever handed it on: what is not plainly said is refused, and the connection with it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

/// Why a request is not read on: the status it is answered with, and an error that says what is wrong with it.
struct Refusal {
  int status = 400;
  Error error;
};

/// The name and port that a request is for (RFC 9110, section 7.2).
struct Authority {
  std::string host;  // lower case; an IPv6 address in brackets
  std::string port;  // digits, or empty
};

/// Errors: none; nothing for what is no `uri-host [":" port]` with a host.
std::optional<Authority> parse_authority(std::string_view text);

struct RequestHead {
  std::string method;
  std::string target;                  // a path with a query, or `*`; of an absolute target what follows the authority
  std::optional<Authority> authority;  // of the target, or else of Host; HTTP/1.0 may leave it out
  int minor = 1;                       // HTTP/1.0 or 1.1; what is newer is taken as 1.1
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::optional<std::uint64_t> content_length;
  bool is_chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;

  /// The first of that name (lower case); empty if there is none.
  std::string_view field(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  /// Whether a field that is a list has this word (lower case) in it.
  bool lists(std::string_view name, std::string_view word) const;
  bool has_body() const { return is_chunked || content_length.value_or(0) > 0; }
};

/// Looks for the end of a header in `text`, from `looked` on, which it moves. The bytes of the header with the empty
/// line that ends it; 0 if it is not whole. Errors: 400 for a byte that no header has, without waiting for the rest.
std::expected<std::size_t, Refusal> find_head_end(std::string_view text, std::size_t& looked);

/// Reads a header that find_head_end() has found whole. Errors: 400, 417, 421, 431, 501, 505.
std::expected<RequestHead, Refusal> parse_head(std::string_view text);

std::string lower_case(std::string_view text);
/// Without the blanks and tabs around it.
std::string_view trimmed(std::string_view text);

}  // namespace folkmoot
