#include <fmt/format.h>

#include "server/operations/call.hpp"

namespace folkmoot {

std::vector<Attempt> attempts_of(Engine& engine, const Uuid& id) {
  std::vector<Attempt> out;
  engine.dead().each_attempt(id, [&](const AttemptView& attempt) {
    out.push_back({.at_ms = attempt.at.ms,
                   .holder = std::string(attempt.holder),
                   .end = std::string(name(attempt.end)),
                   .reason = std::string(attempt.reason)});
  });
  return out;
}

Result<void> carry_out(const Call& call, const CancelMessage& arguments) {
  call.engine.cancel_message(call.session, call.request, arguments.id);
  return {};
}

Result<void> carry_out(const Call& call, const ShowAttempts& arguments) {
  if (call.engine.mailboxes().receipt(arguments.id).state == ReceiptState::unknown) {
    return failure(ErrorCode::not_found,
                   fmt::format("message {} is not known here, or was settled too long ago", arguments.id.text()),
                   "look at the id, and whether this is the server that it was sent to");
  }
  return call.answer(MessageAttempts{.id = arguments.id, .attempts = attempts_of(call.engine, arguments.id)});
}

}  // namespace folkmoot
