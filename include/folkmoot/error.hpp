// Errors as values: a code of one catalogue, a text that says what happened, to what, and with which numbers, and what
// a person can do about it in that situation.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace folkmoot {

/// The catalogue's codes; numbers are the wire's (docs/protocol.md, section 10) and never change. 0 is no error.
enum class ErrorCode : std::uint16_t {
  malformed = 1,
  unknown_opcode = 2,
  not_connected = 3,
  unsupported_version = 4,
  unauthorized = 5,
  not_permitted = 6,
  frame_too_large = 7,
  content_too_large = 8,
  invalid_name = 9,
  invalid_topic = 10,
  invalid_field = 11,
  no_recipient = 12,
  mailbox_full = 13,
  no_such_request = 14,
  no_consumer = 15,
  timed_out = 16,
  lease_lost = 17,
  out_of_range = 18,
  disk_full = 19,
  slow_consumer = 20,
  shutting_down = 21,
  busy = 22,
  limit_reached = 23,
  not_found = 24,
  already_exists = 25,
  connection_lost = 26,
  cancelled = 27,
  io_error = 28,
  damaged = 29,
  in_use = 30,
  internal = 31,
  no_reply_wanted = 32,
  invalid_filter = 33,
  circuit_open = 34,
  mailbox_in_use = 35,
  not_kept = 36,
};

/// The code's word, as in JSON answers ("mailbox_full"); "unknown" for a number outside the catalogue.
std::string_view name(ErrorCode code);
/// What a person can do about it, whatever the situation; empty where that depends on it.
std::string_view advice(ErrorCode code);
/// The HTTP status that goes with it.
int http_status(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::internal;
  std::string text;
  std::string advice{};             // what to do, if the situation has an advice of its own; see advice_on()
  std::uint16_t retry_after_s = 0;  // in how many seconds it may be tried again, where that is known; else 0

  /// "mailbox_full: mailbox analyst is full (10000 of 10000 waiting); raise mailbox.max_messages, ..."
  std::string describe() const;
};

/// The error's own advice, else that of its code; may be empty.
std::string_view advice_on(const Error& error);

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> failure(ErrorCode code, std::string text, std::string advice = {}) {
  return std::unexpected(Error{code, std::move(text), std::move(advice)});
}

}  // namespace folkmoot
