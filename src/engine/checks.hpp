// What is checked of every message, whichever part takes it.
#pragma once

#include "engine/commands.hpp"
#include "engine/names.hpp"
#include "engine/sessions.hpp"

namespace folkmoot {

/// What needs no disk: an event, or a response to a waiting requester.
inline bool is_now(const Routing& routing) { return !routing.topic.empty() || routing.to.starts_with('@'); }

/// An event that is to be confirmed when it is on disk.
inline bool wants_keeping(const Routing& routing) {
  return !routing.topic.empty() && routing.mode.value_or(DeliveryMode::at_most_once) != DeliveryMode::at_most_once;
}

/// Errors: invalid_name, if it says that it comes from the server.
Result<void> check_from(const IncomingMessage& message);
/// What an event or an answer must be, which need no disk. Errors: invalid_field, not_permitted, invalid_name.
Result<void> check_now(const IncomingMessage& message);
/// What an event must be that is to be kept: the same, but that it is published at least once, and may have a key.
Result<void> check_kept(const IncomingMessage& message);
/// The name that a message of this session comes from. Errors: invalid_name, limit_reached.
Result<NameId> sender_of(Names& names, Session& session, const IncomingMessage& message);

}  // namespace folkmoot
