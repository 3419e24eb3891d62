#include "message/retry.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

static_assert(kDeliveriesMost == kAttemptsMax);

Result<void> carry_out(const Call& call, const ConfigureMailbox& arguments) {
  MailboxCommand command{.name = arguments.name, .limits = call.reactor.options().engine.mailbox};
  auto& limits = command.limits;
  limits.max_messages = arguments.max_messages.value_or(limits.max_messages);
  if (arguments.default_ttl) limits.default_ttl_ms = arguments.default_ttl->count();
  if (arguments.overflow) limits.overflow = static_cast<Overflow>(*arguments.overflow);
  if (arguments.retry) limits.retry = over(*arguments.retry, limits.retry);
  limits.retry.attempts = arguments.max_deliveries.value_or(limits.retry.attempts);
  call.engine.configure_mailbox(call.session, call.request, command);
  return {};
}

}  // namespace folkmoot
