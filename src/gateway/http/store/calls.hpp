// Operations asked by handlers of requests that are put together of several (docs/rest.md).
#pragma once

#include "gateway/http/answers.hpp"
#include "operation/answers.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot {

/// Errors: the operation's, and those of LinkCaller::answer().
template <DescribedOperation Op>
asio::awaitable<Result<typename Op::Answer>> carry_out(Exchange& exchange, Op arguments) {
  const auto request = exchange.link.number();
  std::string frames;
  append_call(frames, request, Op::kOperation.name, to_json_text(arguments, Sparse::everything));
  const auto frame = co_await ask(exchange, request, std::move(frames));
  if (!frame) co_return std::unexpected(frame.error());
  typename Op::Answer answer{};
  if (auto read = read_answer(*find_operation(Op::kOperation.name), frame->body, &answer); !read)
    co_return std::unexpected(read.error());
  co_return answer;
}

/// What it answers; nothing if there is no such thing, or the caller may not see it.
template <DescribedOperation Op>
asio::awaitable<Result<std::optional<typename Op::Answer>>> look_up(Exchange& exchange, Op arguments) {
  auto answer = co_await carry_out(exchange, std::move(arguments));
  if (answer) co_return std::optional(std::move(*answer));
  const auto code = answer.error().code;
  if (code == ErrorCode::not_found || code == ErrorCode::not_permitted) co_return std::nullopt;
  co_return std::unexpected(std::move(answer.error()));
}

}  // namespace folkmoot
