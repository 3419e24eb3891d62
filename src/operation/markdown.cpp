#include "operation/markdown.hpp"

#include <fmt/format.h>

#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

std::string default_of(const StructInfo& info, const FieldInfo& field) {
  std::string json;
  JsonWriter writer(json);
  write_json(writer, info, info.blank(), Sparse::as_described);
  JsonDocument document;
  const auto value = document.parse(json);
  JsonElement of_field;
  if (!value || (*value)[field.name].get(of_field)) return {};
  const auto text = shown(of_field);
  const bool says_nothing = text == "0" || text == "\"\"" || text == "\"0\"" || text == "null" || text == "false" ||
                            text == "[]" || text == "\"00000000-0000-0000-0000-000000000000\"" || text == "{}";
  return says_nothing ? std::string() : text;
}

// As far as they are the field's own; the page says above the tables what holds for the others.
std::string bounds_of(const FieldInfo& field) {
  const bool is_bounded = field.rules.min != 0 || (field.rules.max != 0 && field.rules.max != kCreditAny);
  if (!is_bounded) return {};
  const auto range = bounds(field);
  switch (field.type->kind) {
    case Kind::natural:
      return fmt::format("{} to {}", range.min, range.max);
    case Kind::duration:
      return fmt::format("{} to {} ms", range.min, range.max);
    case Kind::text:
      return fmt::format("{} bytes at most", range.max);
    case Kind::list:
      return fmt::format("{} to {} of them", range.min, range.max);
    default:
      return {};
  }
}

// `packed`: as MessagePack has it, where words are numbers.
std::string argument(const StructInfo& info, const FieldInfo& field, bool packed) {
  std::string notes;
  const auto note = [&](std::string_view text) {
    if (!text.empty()) notes += fmt::format("{}{}", notes.empty() ? "" : ", ", text);
  };
  const auto kind = field.type->kind;
  if (field.rules.required) note("required");
  if (kind == Kind::word && packed) {
    for (std::size_t i = 0; i < field.type->words.size(); ++i) note(fmt::format("{} {}", i, field.type->words[i]));
  } else if (kind == Kind::word || !field.rules.words.empty()) {
    note(allowed(field));
  } else {
    note(bounds_of(field));
  }
  note(field.rules.unit);
  if (kind != Kind::message && !field.rules.required) {
    if (const auto made = default_of(info, field); !made.empty()) note(fmt::format("default {}", made));
  }
  return notes.empty() ? std::string(field.name) : fmt::format("{} ({})", field.name, notes);
}

std::string arguments_of(const StructInfo& info, bool with_keys, std::string_view between) {
  std::string out;
  for (const auto& place : places(info, info.blank())) {
    if (place.field->rules.binary_only && !with_keys) continue;
    const auto text = argument(info, *place.field, with_keys);
    out += fmt::format("{}{}", out.empty() ? "" : between,
                       with_keys ? fmt::format("{} {}", place.field->key, text) : text);
  }
  return out;
}

std::string shape_of(const StructInfo& info) {
  std::string out;
  for (const auto& place : places(info, info.blank())) {
    const auto& type = place.type().kind == Kind::list ? *place.type().element : place.type();
    const bool is_list = place.type().kind == Kind::list;
    auto text = fmt::format("\"{}\"", place.field->name);
    if (type.kind == Kind::object)
      text += fmt::format(":{}{}{}", is_list ? "[" : "", shape_of(*type.object), is_list ? "]" : "");
    out += fmt::format("{}{}", out.empty() ? "" : ",", text);
  }
  return fmt::format("{{{}}}", out);
}

std::string answer(const OperationInfo& operation) {
  if (operation.layout == Layout::confirm) return "CONFIRM";
  if (operation.answer->fields.empty()) return "OK";
  auto shape = fmt::format("`{}`", shape_of(*operation.answer));
  if (!operation.packed.empty()) shape += fmt::format("; `packed`: {}", operation.packed);
  if (operation.layout == Layout::json) return shape;
  std::string numbers;
  for (const auto& field : operation.answer->fields) {
    if (field.type->kind == Kind::natural && !field.type->is_optional())
      numbers += fmt::format("{}u{} {}", numbers.empty() ? "" : ", ", 8 * field.type->bytes, field.name);
  }
  return operation.answer->fields.size() == 1 || numbers.empty()
             ? fmt::format("`{}`", numbers)
             : fmt::format("`{}`; where it says more, or in JSON: {}", numbers, shape);
}

}  // namespace

std::string operations_table() {
  std::string out = "| call | does | arguments | answer | HTTP |\n|---|---|---|---|---|\n";
  for (const auto& operation : operations()) {
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", operation.name, operation.what,
                       arguments_of(*operation.arguments, false, "; "), answer(operation),
                       operation.http.empty() ? std::string() : fmt::format("`{}`", operation.http));
  }
  return out;
}

std::string frames_table() {
  std::string out = "| opcode | name | body | answered by |\n|---|---|---|---|\n";
  for (const auto& frame : frames()) {
    const auto body =
        frame.is_map() ? fmt::format("map: {}", arguments_of(*frame.fields, true, "; ")) : std::string(frame.body);
    out += fmt::format("| 0x{:02X} | {} | {} | {} |\n", static_cast<unsigned>(frame.opcode), frame.name, body,
                       frame.answered_by);
  }
  return out;
}

std::string words_table() {
  std::string out = "| op | does | fields |\n|---|---|---|\n";
  for (const auto& frame : frames())
    out += fmt::format("| {} | {} | {} |\n", frame.word, frame.what, arguments_of(*frame.fields, false, "; "));
  return out;
}

}  // namespace folkmoot
