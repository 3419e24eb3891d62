#include "operation/answers.hpp"

#include <algorithm>

#include "operation/json_codec.hpp"
#include "operation/pack_codec.hpp"

namespace folkmoot {
namespace {

// Numbers are shorter than any JSON object that says the same.
bool is_json_object(Bytes body) { return body.size() > 1 && body.front() == '{' && body.back() == '}'; }

bool has_messages(const TypeInfo& type) {
  if (type.kind == Kind::message) return true;
  if (type.kind == Kind::list) return has_messages(*type.element);
  return type.kind == Kind::object && folkmoot::has_messages(*type.object);
}

std::size_t number_bytes(const StructInfo& info) {
  std::size_t bytes = 0;
  for (const auto& field : info.fields) {
    const bool is_number = field.type->kind == Kind::natural || field.type->kind == Kind::boolean;
    if (is_number && !field.type->is_optional()) bytes += field.type->bytes;
  }
  return bytes;
}

}  // namespace

Result<void> read_answer(const OperationInfo& operation, Bytes body, void* answer) {
  if (operation.answer->fields.empty()) return {};
  if (operation.layout == Layout::numbers && (body.size() == number_bytes(*operation.answer) || !is_json_object(body)))
    return read_numbers(*operation.answer, answer, body);
  return read_json(*operation.answer, answer, as_text(body), Unknown::ignore);
}

Result<std::string> answer_as_json(const OperationInfo& operation, Bytes body) {
  if (body.empty()) return "{}";
  if (operation.layout == Layout::json || (is_json_object(body) && body.size() != number_bytes(*operation.answer)))
    return std::string(as_text(body));
  const auto answer = operation.answer->make();
  if (auto done = read_numbers(*operation.answer, answer.get(), body); !done) return std::unexpected(done.error());
  std::string out;
  JsonWriter writer(out);
  write_json(writer, *operation.answer, answer.get(), Sparse::as_described);
  return out;
}

bool has_messages(const StructInfo& info) {
  return std::ranges::any_of(info.fields, [](const FieldInfo& field) { return has_messages(*field.type); });
}

}  // namespace folkmoot
