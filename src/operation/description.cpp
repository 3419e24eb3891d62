#include "operation/description.hpp"

#include "message/json_writer.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

void write_fields(JsonWriter& out, const StructInfo& info);

void write_type(JsonWriter& out, const TypeInfo& type) {
  constexpr std::string_view kNames[] = {"text", "boolean", "natural", "real",    "id",    "hash",   "duration", "time",
                                         "word", "lease",   "json",    "message", "retry", "object", "list"};
  out.field("type", kNames[static_cast<std::size_t>(type.kind)]);
  if (type.kind == Kind::object) write_fields(out.key("fields"), *type.object);
  if (type.kind != Kind::list) return;
  out.key("element").begin_object();
  write_type(out, *type.element);
  out.end_object();
}

void write_fields(JsonWriter& out, const StructInfo& info) {
  out.begin_array();
  for (const auto& place : places(info, info.blank())) {
    const auto& field = *place.field;
    out.begin_object().field("key", field.key).field("name", field.name).field("what", field.what);
    write_type(out, *field.type);
    out.field("required", field.rules.required);
    const auto range = bounds(field);
    if (range.max != 0) out.field("min", range.min).field("max", range.max);
    const auto words = field.type->kind == Kind::word ? field.type->words : field.rules.words;
    if (!words.empty()) {
      out.key("words").begin_array();
      for (const auto word : words) out.value(word);
      out.end_array();
    }
    out.optional_field("unit", field.rules.unit).end_object();
  }
  out.end_array();
}

std::string_view word(Right right) { return kRightWords[static_cast<std::size_t>(right)]; }

}  // namespace

std::string description_json() {
  std::string text;
  JsonWriter out(text);
  out.begin_object().key("operations").begin_array();
  for (const auto& operation : operations()) {
    out.begin_object()
        .field("name", operation.name)
        .field("what", operation.what)
        .field("right", word(operation.right));
    out.optional_field("http", operation.http);
    write_fields(out.key("fields"), *operation.arguments);
    write_fields(out.key("answer"), *operation.answer);
    out.end_object();
  }
  out.end_array().key("frames").begin_array();
  for (const auto& frame : frames()) {
    out.begin_object().field("opcode", static_cast<unsigned>(frame.opcode)).field("name", frame.name);
    out.field("word", frame.word)
        .field("what", frame.what)
        .field("right", word(frame.right))
        .field("map", frame.is_map());
    write_fields(out.key("fields"), *frame.fields);
    out.end_object();
  }
  out.end_array().end_object();
  return text;
}

}  // namespace folkmoot
