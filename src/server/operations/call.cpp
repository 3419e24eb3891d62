#include "server/operations/call.hpp"

#include <fmt/format.h>

#include <array>

#include "operation/fields.hpp"
#include "server/remote_sessions.hpp"

namespace folkmoot {
namespace {

using Handler = Result<void> (*)(const Call&, const void*);

template <class... Op>
constexpr std::array<Handler, sizeof...(Op)> handlers_of(Types<Op...>) {
  return {
      [](const Call& call, const void* arguments) { return carry_out(call, *static_cast<const Op*>(arguments)); }...};
}
constexpr auto kHandlers = handlers_of(Operations{});

}  // namespace

Result<void> Call::write(Reactor& reactor, const LateAnswer& to, const void* answer) {
  const auto body = write_answer(*to.operation, answer, to.request >= kOwnRequests);
  if (!body) return std::unexpected(body.error());
  return write(reactor, to, std::string_view(*body));
}

Result<void> Call::write(Reactor& reactor, const LateAnswer& to, std::string_view body) {
  const auto most = reactor.options().frame_bytes_max - kFrameHeaderBytes;
  if (body.size() > most) {
    return failure(
        ErrorCode::content_too_large,
        fmt::format("the answer to {} has {} bytes, {} are the most of a frame; ask for less, or without content",
                    to.operation->name, body.size(), most));
  }
  reactor.effects().done(to.session, to.request, as_bytes(body));
  return {};
}

Result<void> carry_out_call(Reactor& reactor, const Caller& caller, RequestNumber request, const ReadCall& call) {
  const auto named = find_place(*call.operation->arguments, call.arguments.get(), Role::caller);
  if (named.field != nullptr) {
    auto& agent = *static_cast<std::string*>(named.at);
    if (agent.empty()) agent = caller.agent;
  }
  const auto row = static_cast<std::size_t>(call.operation - operations().data());
  return kHandlers[row]({reactor, reactor.engine(), caller, caller.session, request, *call.operation, call.packed},
                        call.arguments.get());
}

}  // namespace folkmoot
