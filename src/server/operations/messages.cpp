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
  call.engine.settling().cancel({call.session, call.request}, arguments.id);
  return {};
}

Result<void> carry_out(const Call& call, const SettleMessage& arguments) {
  const bool failed = arguments.status == SettledAs::failed;
  if (failed && !arguments.result.text.empty()) {
    return failure(ErrorCode::invalid_field, "`result` is what came of a message that is processed",
                   "say in `reason` why it failed");
  }
  if (!failed && !arguments.reason.empty())
    return failure(ErrorCode::invalid_field, "`reason` says why a message failed", "what came of it is its `result`");
  const bool is_kept = call.reactor.history().archive() != nullptr;
  call.engine.settling().settle({call.session, call.request},
                                {.id = arguments.id,
                                 .lease = LeaseToken{arguments.lease},
                                 .failed = failed,
                                 .text = failed ? std::string_view(arguments.reason) : arguments.result.text,
                                 .is_kept = is_kept});
  return {};
}

Result<void> carry_out(const Call& call, const NoteAnswer& arguments) {
  if (call.reactor.history().archive() == nullptr) return call.answer(Nothing{});  // nobody would read it
  call.engine.settling().note_answer({call.session, call.request}, {.id = arguments.id,
                                                                    .lease = LeaseToken{arguments.lease},
                                                                    .code = static_cast<std::uint16_t>(arguments.code),
                                                                    .text = arguments.answer});
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
