#include <fmt/format.h>

#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const ShowCost& arguments) {
  const auto sums = call.engine.causes().conversation(arguments.conversation);
  if (!sums) {
    return failure(ErrorCode::not_found,
                   fmt::format("no message of conversation {} has reported a cost", arguments.conversation));
  }
  return call.answer(ConversationCost{.conversation = arguments.conversation,
                                      .messages = sums->messages,
                                      .tokens = sums->tokens,
                                      .money = sums->money});
}

}  // namespace folkmoot
