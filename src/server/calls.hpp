// Operations of the CALL frame: found by name, arguments as a JSON object (docs/protocol.md, section 14). One row of a
// table each.
#pragma once

#include "server/reactor.hpp"

namespace folkmoot {

constexpr std::uint64_t kDeadListDefault = 100;  // dead letters of a page of dead.list

constexpr std::uint64_t kMailboxMessagesMax = 1'000'000'000;  // that a mailbox may be told to hold

/// Carries one call out; it is answered under (session, request). Errors: not_found for a name that is none; those of
/// JsonDocument::parse; invalid_field, out_of_range with the argument's name; of a call itself, what its row says.
Result<void> carry_out_call(Reactor& reactor, SessionId session, std::uint32_t request, std::string_view name,
                            std::string_view arguments);

}  // namespace folkmoot
