#include <fmt/format.h>

#include "base/utf8.hpp"
#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const ShowStats& arguments) {
  MailboxStats ignored;
  const auto& name = arguments.mailbox;
  if (!name.empty() && !call.engine.mailboxes().stats(name, ignored))
    return failure(ErrorCode::not_found, fmt::format("there is no mailbox {}", printable(name)),
                   "`folkmoot stats` lists those there are; the first message to one makes it");
  return call.answer(call.reactor.stats(name));
}

}  // namespace folkmoot
