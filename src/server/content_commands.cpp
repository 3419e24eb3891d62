// Frames of content by reference (docs/protocol.md, section 5).
#include "server/command.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kHashBytes = sizeof(ContentHash);

}  // namespace

Result<void> on_content_write(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() < 12) return malformed("CONTENT_WRITE has a u32, a u64 and bytes");
  if (context.reactor.contents().makes_wait(context.session())) {
    context.connection.takes_again = true;
    context.reactor.hold(context.connection);
    return {};
  }
  return context.reactor.contents().write(context.session(), context.request(), load<RequestNumber>(body.data()),
                                          load<std::uint64_t>(body.data() + 4), body.subspan(12));
}

Result<void> on_content_finish(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() != 4 + kHashBytes) return malformed("CONTENT_FINISH has a u32 and 32 bytes");
  return context.reactor.contents().finish(context.session(), context.request(), load<RequestNumber>(body.data()),
                                           load<ContentHash>(body.data() + 4));
}

Result<void> on_content_stat(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() != kHashBytes) return malformed("CONTENT_STAT has 32 bytes");
  return context.reactor.contents().stat(context.session(), context.request(), load<ContentHash>(body.data()));
}

Result<void> on_content_read(const CommandContext& context) {
  const auto body = context.frame.body;
  if (body.size() != kHashBytes + 12) return malformed("CONTENT_READ has 32 bytes, a u64 and a u32");
  return context.reactor.contents().read(context.session(), context.request(), load<ContentHash>(body.data()),
                                         load<std::uint64_t>(body.data() + kHashBytes),
                                         load<std::uint32_t>(body.data() + kHashBytes + 8));
}

}  // namespace folkmoot
