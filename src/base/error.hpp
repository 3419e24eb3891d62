// Errors as values: a code of the catalogue (errors.def) and a text that says what happened, to what, with the limit
// and the value met. What to do next is said by the error itself where it depends on the situation, else by the
// catalogue. Shared with users as <folkmoot/error.hpp>.
#pragma once
#include "folkmoot/error.hpp"

namespace folkmoot {

/// The same error, with `where` and a colon before its text.
Error within(std::string_view where, const Error& error);

/// What to do about what the system refused with this errno; empty if that is not to be said in general.
std::string_view advice_on_errno(int cause);
/// "`doing`: No such file or directory", with the advice for it.
Error system_error(ErrorCode code, std::string_view doing, int cause);

/// limit_reached, of what may be done again in `wait_ms`: "`what_to_do` in 250 ms".
Error error_until(std::int64_t wait_ms, std::string text, std::string_view what_to_do);

/// An error's text and its own advice as one text, as frames carry them: with a line feed between them, if it has one.
std::string joined_text(const Error& error);
/// The error that was sent so.
Error split_text(ErrorCode code, std::string_view text);

}  // namespace folkmoot
