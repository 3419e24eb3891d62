// What handlers of HTTP share: asking the server over the exchange's link, and making answers of what it says.
#pragma once

#include <chrono>

#include "gateway/http/exchange.hpp"
#include "gateway/limits.hpp"
#include "message/operations.hpp"

namespace folkmoot {

/// Sends `frames`, which hold `request`, and waits for its answer; the frame's body lives until the link is used again.
/// Errors: those of LinkCaller::answer().
asio::awaitable<Result<Frame>> ask(Exchange& exchange, std::uint32_t request, std::string frames,
                                   std::chrono::milliseconds timeout = kAnswerTimeout);

/// A parameter that is a duration, in milliseconds. Errors: invalid_field, out_of_range.
Result<std::uint32_t> duration_parameter(const Target& target, std::string_view name, std::uint32_t otherwise,
                                         std::uint32_t max);

Answer json_answer(int status, std::string body);
/// 201 and the fields of a CONFIRM.
Answer published_answer(const Frame& confirm);
/// Publishes it, and answers so.
asio::awaitable<Answer> publish_message(Exchange& exchange, const Message& message);

}  // namespace folkmoot
