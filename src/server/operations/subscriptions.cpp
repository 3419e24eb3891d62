#include "base/utf8.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const SetSubscription& arguments) {
  if (has_c1(arguments.name) || has_c1(arguments.mailbox) || has_c1(arguments.pattern))
    return failure(ErrorCode::invalid_name, "a name holds a control character (U+0080-009F)");
  call.engine.durable_subscriptions().set(
      {call.session, call.request},
      {.name = arguments.name, .pattern = arguments.pattern, .filter = arguments.filter, .mailbox = arguments.mailbox});
  return {};
}

Result<void> carry_out(const Call& call, const RemoveSubscription& arguments) {
  call.engine.durable_subscriptions().remove({call.session, call.request}, arguments.name);
  return {};
}

Result<void> carry_out(const Call& call, const ListSubscriptions&) {
  SubscriptionPage page;
  call.engine.durable_subscriptions().each([&](const DurableSubscription& each) {
    page.subscriptions.push_back({.rule = {.name = each.name,
                                           .pattern = each.pattern,
                                           .filter = each.filter ? each.filter->text() : std::string(),
                                           .mailbox = each.mailbox},
                                  .kept = each.kept,
                                  .missed = each.missed});
  });
  return call.answer(page);
}

}  // namespace folkmoot
