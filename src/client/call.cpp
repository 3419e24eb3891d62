// Operations of the list: their arguments written, their answers read, as their descriptions say.
#include "client/codec.hpp"
#include "client/operation.hpp"
#include "folkmoot/client.hpp"
#include "message/operations.hpp"
#include "operation/answers.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

using detail::Answer;

constexpr Milliseconds kUsualPatience{30'000};  // the answer to what takes longer is waited for as long as its row says

Result<void> read(const OperationInfo& operation, Answer& answer, std::size_t content_bytes_max, void* into) {
  if (operation.layout == Layout::confirm) {
    auto receipt = codec::read_confirm(answer.body);
    if (!receipt) return std::unexpected(receipt.error());
    *static_cast<PublishReceipt*>(into) = *receipt;
    return {};
  }
  if (!operation.packed.empty()) {
    auto page = codec::read_stream_page(answer.body);
    if (!page) return std::unexpected(std::move(page.error()));
    *static_cast<StreamPage*>(into) = std::move(*page);
  } else if (auto done = read_answer(operation, answer.body, into); !done) {
    return done;
  }
  each_message(*operation.answer, into, [&](Message& message) {
    if (message.content.empty()) return;
    Delivery delivery{.message = std::move(message)};
    codec::unpack(delivery, content_bytes_max);
    message = std::move(delivery.message);
  });
  return {};
}

}  // namespace

void Client::start_call(const Shared& c, const std::string& name, const std::string& arguments,
                        Completion<std::string> done) {
  c->submit(detail::operation_of(codec::call(name, arguments), std::move(done), [](Answer& answer) {
    return Result<std::string>(std::string(as_text(answer.body)));
  }));
}

void Client::start_operation(const Shared& c, const OperationInfo& operation, const void* arguments,
                             Completion<std::shared_ptr<void>> done) {
  std::string text;
  JsonWriter writer(text);
  write_json(writer, *operation.arguments, arguments, Sparse::everything);
  auto sent = detail::operation_of(
      codec::call(operation.name, text, !operation.packed.empty()), std::move(done),
      [&operation, most = c->options().content_bytes_max](Answer& answer) -> Result<std::shared_ptr<void>> {
        auto into = operation.answer->make();
        if (auto good = read(operation, answer, most, into.get()); !good) return std::unexpected(good.error());
        return into;
      });
  sent.again = operation.again;
  if (operation.patience > kUsualPatience) sent = detail::long_wait(std::move(sent), operation.patience);
  c->submit(std::move(sent));
}

std::string_view name(RouteStrategy strategy) { return kRouteStrategyWords[static_cast<std::size_t>(strategy)]; }

std::optional<RouteStrategy> parse_route_strategy(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kRouteStrategyWords); ++i) {
    if (kRouteStrategyWords[i] == text) return static_cast<RouteStrategy>(i);
  }
  return std::nullopt;
}

}  // namespace folkmoot
