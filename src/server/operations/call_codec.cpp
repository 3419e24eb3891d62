#include "server/operations/call_codec.hpp"

#include <fmt/format.h>

#include "message/pack.hpp"
#include "operation/answers.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"
#include "operation/pack_codec.hpp"
#include "server/command.hpp"

namespace folkmoot {

Uuid ReadCall::id(Role role) const {
  const auto place = find_place(*operation->arguments, arguments.get(), role);
  return place.field == nullptr ? Uuid{} : *static_cast<const Uuid*>(place.at);
}

std::string_view ReadCall::text(Role role) const {
  const auto place = find_place(*operation->arguments, arguments.get(), role);
  return place.field == nullptr ? std::string_view{} : *static_cast<const std::string*>(place.at);
}

std::uint64_t ReadCall::natural(Role role) const {
  const auto place = find_place(*operation->arguments, arguments.get(), role);
  return place.field == nullptr ? 0 : load_natural(place.type(), place.at);
}

std::string_view text_argument(const ReadCall& call, std::string_view field) {
  const auto place = find_place(*call.operation->arguments, call.arguments.get(), field);
  if (place.field == nullptr || place.type().kind != Kind::text || place.type().is_optional()) return {};
  return *static_cast<const std::string*>(place.at);
}

Result<ReadCall> read_call(Bytes body) {
  std::string_view name, text;
  bool packed = false;
  const auto read = read_map(body, "CALL", [&](std::uint64_t key, PackReader& reader) {
    if (key == 0) return name = reader.str(), true;
    if (key == 1) return text = reader.str(), true;
    if (key == 2) return packed = reader.boolean(), true;
    return false;
  });
  if (!read) return std::unexpected(read.error());
  ReadCall call{.operation = find_operation(name), .packed = packed};
  if (call.operation == nullptr)
    return failure(ErrorCode::not_found, no_such_operation(name), "`folkmoot describe` lists them");
  if (packed && call.operation->packed.empty())
    return failure(ErrorCode::invalid_field, fmt::format("the answer to {} is not to be had `packed`", name));
  call.arguments = call.operation->arguments->make();
  if (auto done = read_json(*call.operation->arguments, call.arguments.get(), text); !done)
    return std::unexpected(done.error());
  return call;
}

std::string body_of_call(const OperationInfo& operation, const void* arguments) {
  std::string text, body;
  JsonWriter writer(text);
  write_json(writer, *operation.arguments, arguments, Sparse::everything);
  PackWriter(body).map(2).uint(0).str(operation.name).uint(1).str(text);
  return body;
}

Result<std::string> write_answer(const OperationInfo& operation, const void* answer, bool between_shards) {
  std::string body;
  if (operation.answer->fields.empty()) return body;
  if (operation.layout == Layout::numbers) {
    if (auto numbers = write_numbers(*operation.answer, answer)) return *numbers;
  } else if (between_shards) {
    if (auto done = write_pack(body, *operation.answer, answer); !done) return std::unexpected(done.error());
    return body;
  }
  JsonWriter writer(body);
  write_json(writer, *operation.answer, answer, Sparse::as_described);
  return body;
}

Result<std::shared_ptr<void>> read_part(const OperationInfo& operation, Bytes body) {
  auto answer = operation.answer->make();
  const bool is_packed = operation.layout != Layout::numbers && !operation.answer->fields.empty();
  auto done = is_packed ? read_pack(*operation.answer, answer.get(), body, operation.name)
                        : read_answer(operation, body, answer.get());
  if (!done) return std::unexpected(done.error());
  return answer;
}

}  // namespace folkmoot
