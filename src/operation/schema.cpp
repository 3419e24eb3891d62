#include "operation/schema.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kDurationPattern = R"(^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$)";

void refer(JsonWriter& out, std::string_view name) { out.field("$ref", fmt::format("#/components/schemas/{}", name)); }

void write_words(JsonWriter& out, std::span<const std::string_view> words) {
  out.key("enum").begin_array();
  for (const auto word : words) out.value(word);
  out.end_array();
}

void write_range(JsonWriter& out, std::uint64_t min, std::uint64_t max) {
  out.field("minimum", min);
  // JSON readers that know no integers beyond 2^53 stumble over larger bounds.
  if (max <= std::uint64_t{1} << 53) out.field("maximum", max);
}

// What may be said as a number or as text.
template <class Number, class Text>
void write_either(JsonWriter& out, Side side, Number number, Text text) {
  if (side == Side::answer) return number();
  out.key("anyOf").begin_array().begin_object();
  number();
  out.end_object().begin_object();
  text();
  out.end_object().end_array();
}

// What stands between the braces of an object's schema.
void write_object(JsonWriter& out, const StructInfo& info, Side side, std::string_view without);

void write_type(JsonWriter& out, const FieldInfo& field, const TypeInfo& type, Side side) {
  const auto range = bounds(field);
  switch (type.kind) {
    case Kind::text:
      out.field("type", "string");
      if (!field.rules.words.empty()) return write_words(out, field.rules.words);
      if (side == Side::question) {
        if (field.rules.required) out.field("minLength", 1);
        if (field.type->kind == Kind::text) out.field("maxLength", range.max);
      }
      return;
    case Kind::boolean:
      return void(out.field("type", "boolean"));
    case Kind::natural:
      out.field("type", "integer");
      if (side == Side::question && field.type->kind == Kind::natural) return write_range(out, range.min, range.max);
      return void(out.field("minimum", 0));
    case Kind::real:
      return void(out.field("type", "number"));
    case Kind::id:
      return void(out.field("type", "string").field("format", "uuid"));
    case Kind::hash:
      return void(out.field("type", "string").field("pattern", "^[0-9a-fA-F]{64}$"));
    case Kind::duration:
      return write_either(
          out, side, [&] { write_range(out.field("type", "integer"), range.min, range.max); },
          [&] { out.field("type", "string").field("pattern", kDurationPattern); });
    case Kind::time:
      return write_either(
          out, side, [&] { write_range(out.field("type", "integer"), 0, (std::uint64_t{1} << 44) - 1); },
          [&] { out.field("type", "string").field("format", "date-time"); });
    case Kind::word:
      return write_words(out.field("type", "string"), type.words);
    case Kind::lease:
      return void(out.field("type", "string").field("pattern", "^[0-9]{1,20}$"));
    case Kind::json:
      return field.rules.shape == "Changes" ? refer(out, "Changes") : void(out.field("type", "object"));
    case Kind::message:
      return refer(out, side == Side::question ? "MessageInput" : "Message");
    case Kind::retry:
      return refer(out, "RetryPolicy");
    case Kind::object:
      for (const auto& inner : type.object->fields) {
        if (inner.rules.role != Role::shorthand || side == Side::answer) continue;
        out.key("anyOf").begin_array().begin_object().field("type", "string").end_object();
        write_schema(out, *type.object, side);
        out.end_array();
        return;
      }
      return write_object(out, *type.object, side, {});
    case Kind::list:
      out.field("type", "array");
      if (side == Side::question) out.field("minItems", range.min).field("maxItems", range.max);
      out.key("items");
      if (type.element->kind == Kind::object) {
        const bool has_shorthand =
            side == Side::question && std::ranges::any_of(type.element->object->fields, [](const auto& inner) {
              return inner.rules.role == Role::shorthand;
            });
        if (!has_shorthand) return write_schema(out, *type.element->object, side);
      }
      out.begin_object();
      write_type(out, field, *type.element, side);
      out.end_object();
      return;
  }
}

// The value that a field has when it is left out, where that says something.
void write_default(JsonWriter& out, const FieldInfo& field, const StructInfo& info) {
  const auto kind = field.type->kind;
  const bool is_told = kind == Kind::natural || kind == Kind::boolean || kind == Kind::duration || kind == Kind::word;
  if (!is_told || field.type->is_optional() || field.rules.required) return;
  if (kind == Kind::natural && !bounds(field).hold(load_natural(*field.type, field.in(info.blank())))) return;
  std::string text;
  JsonWriter writer(text);
  write_json(writer, info, info.blank(), Sparse::as_described);
  JsonDocument document;
  JsonElement value;
  const auto all = document.parse(text);
  if (all && !(*all)[field.name].get(value)) out.key("default").raw(std::string(simdjson::minify(value)));
}

void write_fields(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  for (const auto& field : info.fields) {
    if (field.name.empty()) {
      write_fields(out, *field.type->object, side, without);
      continue;
    }
    if (field.name == without) continue;
    out.key(field.name).begin_object();
    const auto unit = field.rules.unit.empty() ? std::string() : fmt::format(" ({})", field.rules.unit);
    out.field("description", fmt::format("{}{}", field.what, unit));
    const bool may_be_null = side == Side::answer && (field.rules.nullable || field.type->is_optional());
    if (may_be_null) {
      out.key("anyOf").begin_array().begin_object();
      write_type(out, field, *field.type, side);
      out.end_object().begin_object().field("type", "null").end_object().end_array();
    } else {
      write_type(out, field, *field.type, side);
    }
    if (side == Side::question) write_default(out, field, info);
    out.end_object();
  }
}

void write_required(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  for (const auto& place : places(info, info.blank())) {
    const auto& field = *place.field;
    const bool is_required = side == Side::question ? field.rules.required : !field.rules.sparse;
    if (is_required && field.name != without) out.value(field.name);
  }
}

void write_object(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  out.field("type", "object").key("properties").begin_object();
  write_fields(out, info, side, without);
  out.end_object().key("required").begin_array();
  write_required(out, info, side, without);
  out.end_array();
  if (side == Side::question) out.field("additionalProperties", false);
}

void write_message(JsonWriter& out, Side side) {
  const auto text = [&](std::string_view name, std::string_view what) {
    out.key(name).begin_object().field("type", "string").field("description", what);
    if (side == Side::question) out.field("maxLength", kNameBytesMax);
    out.end_object();
  };
  const auto any = [&](std::string_view name, std::string_view what) {
    out.key(name).begin_object().field("description", what).end_object();
  };
  out.begin_object().field("type", "object").field("description", "A message (docs/protocol.md, section 12)");
  out.key("properties").begin_object();
  out.key("id").begin_object().field("type", "string").field("format", "uuid").end_object();
  text("from", "The sender");
  text("to", "The recipient's mailbox");
  text("topic", "Or the topic of an event");
  any("type",
      "task, query, response, event, command, status, notification, error, heartbeat, discovery, or a word of yours");
  any("priority", "1 (first) to 10, or critical, high, normal, low, background");
  any("content", "Text, or any JSON");
  text("content_type", "MIME type");
  text("content_encoding", "base64, if the content is");
  text("conversation", "The conversation that it belongs to");
  text("correlation", "What it answers or belongs to");
  text("reply_to", "Where a response should go");
  text("key", "Idempotency key");
  any("ttl", "How long it lives: milliseconds, or a duration such as 30s");
  any("deliver_at", "Not before this time");
  if (side == Side::question) any("delay", "Or so long from now on");
  any("mode", "at_most_once, at_least_once or exactly_once");
  out.key("metadata").begin_object().field("type", "object").field("description", "Headers").end_object();
  out.key("retry").begin_object();
  refer(out, "RetryPolicy");
  out.end_object();
  text("group", "Messages of one group are delivered in order, one at a time");
  out.key("bounce")
      .begin_object()
      .field("type", "boolean")
      .field("description", "The sender hears if it ends dead")
      .end_object();
  out.key("expects_reply")
      .begin_object()
      .field("type", "boolean")
      .field("description", "false: a reply is refused")
      .end_object();
  out.key("cause")
      .begin_object()
      .field("type", "string")
      .field("format", "uuid")
      .field("description", "What it follows from")
      .end_object();
  out.end_object().end_object();
}

}  // namespace

void write_schema(JsonWriter& out, const FieldInfo& field, Side side) {
  if (field.type->kind == Kind::object) return write_schema(out, *field.type->object, side);
  out.begin_object();
  write_type(out, field, *field.type, side);
  out.end_object();
}

void write_schema(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  out.begin_object();
  write_object(out, info, side, without);
  out.end_object();
}

void write_shared_schemas(JsonWriter& out) {
  write_message(out.key("Message"), Side::answer);
  write_message(out.key("MessageInput"), Side::question);
  out.key("Changes").begin_object().field("type", "object");
  out.field("description", "Fields of a message that replace those of a dead letter").end_object();
  out.key("RetryPolicy").begin_object().field("type", "object").key("properties").begin_object();
  out.key("attempts")
      .begin_object()
      .field("type", "integer")
      .field("minimum", 0)
      .field("maximum", kAttemptsMax)
      .end_object();
  out.key("backoff").begin_object().field("type", "string");
  constexpr std::string_view kBackoffs[] = {"fixed", "linear", "exponential", "exponential_jitter"};
  write_words(out, kBackoffs);
  out.end_object();
  out.key("initial").begin_object().field("description", "The first wait: milliseconds or a duration").end_object();
  out.key("max")
      .begin_object()
      .field("description", "The longest wait: milliseconds or a duration; 0: no bound")
      .end_object();
  out.key("multiplier").begin_object().field("type", "number").field("minimum", 1).field("maximum", 1'000).end_object();
  out.end_object().end_object();
  out.key("Problem").begin_object().field("type", "object").key("properties").begin_object();
  out.key("code")
      .begin_object()
      .field("type", "string")
      .field("description", "docs/protocol.md, section 10")
      .end_object();
  out.key("error").begin_object().field("type", "string").field("description", "What happened, to what").end_object();
  out.key("advice").begin_object().field("type", "string").field("description", "What to do").end_object();
  out.end_object().key("required").begin_array().value("code").value("error").end_array().end_object();
}

}  // namespace folkmoot
