#include "operation/schema.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/gather.hpp"
#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot {
namespace {

constexpr std::uint64_t kTimeMsMax = (std::uint64_t{1} << 44) - 1;
constexpr std::string_view kHashPattern = "^[0-9a-fA-F]{64}$";
constexpr std::string_view kDurationPattern = R"(^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$)";

constexpr std::string_view kWrittenDurationPattern = R"(^(0|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$)";

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
      return void(out.field("type", "string").field("pattern", kHashPattern));
    case Kind::duration:
      return write_either(
          out, side, [&] { write_range(out.field("type", "integer"), range.min, range.max); },
          [&] { out.field("type", "string").field("pattern", kDurationPattern); });
    case Kind::time:
      return write_either(
          out, side, [&] { write_range(out.field("type", "integer"), 0, kTimeMsMax); },
          [&] { out.field("type", "string").field("format", "date-time"); });
    case Kind::word:
      return write_words(out.field("type", "string"), type.words);
    case Kind::lease:
      return void(out.field("type", "string").field("pattern", "^[0-9]{1,20}$"));
    case Kind::json:
      return field.rules.shape.empty() ? void(out.field("type", "object")) : refer(out, field.rules.shape);
    case Kind::message:
      if (!field.rules.shape.empty()) return refer(out, field.rules.shape);
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

}  // namespace

void write_properties(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  for (const auto& field : info.fields) {
    if (field.name.empty()) {
      write_properties(out, *field.type->object, side, without);
      continue;
    }
    if (field.name == without || field.rules.binary_only) continue;
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

namespace {

void write_object(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  out.field("type", "object").key("properties").begin_object();
  write_properties(out, info, side, without);
  out.end_object().key("required").begin_array();
  write_required(out, info, side, without);
  out.end_array();
  if (side == Side::question) out.field("additionalProperties", false);
}

void write_described(JsonWriter& out, std::string_view name, std::string_view what, const auto& inside) {
  out.key(name).begin_object().field("description", what);
  inside();
  out.end_object();
}

constexpr std::string_view kPriorityWords[] = {"critical", "high", "normal", "low", "background"};
constexpr std::string_view kModeWords[] = {"at_most_once", "at_least_once", "exactly_once"};
constexpr std::string_view kEncodingWords[] = {"zstd", "gzip"};
constexpr std::string_view kBackoffWords[] = {"fixed", "linear", "exponential", "exponential_jitter"};

// The fields of a message that are text.
void write_message_texts(JsonWriter& out, Side side) {
  const auto text = [&](std::string_view name, std::string_view what) {
    write_described(out, name, what, [&] {
      out.field("type", "string");
      if (side == Side::question) out.field("maxLength", kNameBytesMax);
    });
  };
  text("from", "The sender");
  text("to", "The recipient's mailbox");
  text("topic", "Or the topic of an event");
  text("event_topic", "The topic of the event that a durable subscription put here");
  text("content_type", "MIME type");
  text("conversation", "The conversation that it belongs to");
  text("correlation", "What it answers or belongs to");
  text("reply_to", "Where a response should go");
  text("key", "Idempotency key");
  text("group", "Messages of one group are delivered in order, one at a time");
  text("encoding", "How its sender has compressed the content: zstd, gzip or a word of its own");
  if (side == Side::answer)
    text("type",
         "task, query, response, event, command, status, notification, error, heartbeat, discovery, or another word");
}

// Those that may be said in several ways, and are told in one.
void write_message_values(JsonWriter& out, Side side) {
  const auto number = [&](std::uint64_t min, std::uint64_t max) {
    write_range(out.field("type", "integer"), min, max);
  };
  const auto duration = [&] {
    write_either(
        out, side, [&] { number(0, static_cast<std::uint64_t>(kDurationMsMax)); },
        [&] { out.field("type", "string").field("pattern", kDurationPattern); });
  };
  const auto time = [&] {
    write_either(
        out, side, [&] { number(0, kTimeMsMax); }, [&] { out.field("type", "string").field("format", "date-time"); });
  };
  if (side == Side::question) {
    write_described(out, "type", "A word, or the number of one (docs/protocol.md, section 4)", [&] {
      write_either(out, side, [&] { number(1, 10); }, [&] { out.field("type", "string").field("maxLength", 255); });
    });
    write_described(out, "compress", "The server compresses the content on its way", [&] {
      out.key("anyOf").begin_array().begin_object().field("type", "boolean").end_object().begin_object();
      write_words(out, kEncodingWords);
      out.end_object().end_array();
    });
  }
  write_described(out, "priority", "1 (first) to 10",
                  [&] { write_either(out, side, [&] { number(1, 10); }, [&] { write_words(out, kPriorityWords); }); });
  write_described(out, "ttl", "How long it lives from when it is due on (ms); 0: for ever", duration);
  write_described(out, "expires_at", "Or when its life ends", time);
  write_described(out, "timestamp", "When it was sent", time);
  write_described(out, "deliver_at", "Not before this time", time);
  write_described(out, "delay", "Or not before so long after the server has accepted it (ms)", duration);
  write_described(out, "mode", "How surely it arrives", [&] { write_words(out, kModeWords); });
}

void write_content_ref(JsonWriter& out) {
  out.field("type", "object").key("properties").begin_object();
  out.key("sha256").begin_object().field("type", "string").field("pattern", kHashPattern).end_object();
  write_range(out.key("size").begin_object().field("type", "integer"), 1, kStoredBytesMax);
  out.end_object().end_object().key("required").begin_array().value("sha256").value("size").end_array();
}

// The rest: what is an id, a list, an object or a flag.
void write_message_others(JsonWriter& out, Side side) {
  const auto id = [&] { out.field("type", "string").field("format", "uuid"); };
  const auto flag = [&] { out.field("type", "boolean"); };
  write_described(out, "id", "Its own; left out, the server makes one", id);
  write_described(out, "cause", "What it follows from", id);
  write_described(out, "hops", "Causes that stand before it",
                  [&] { write_range(out.field("type", "integer"), 0, kHopsMax); });
  write_described(out, "chain", "The last of them, oldest first", [&] {
    out.field("type", "array").field("maxItems", kChainMax).key("items").begin_object();
    id();
    out.end_object();
  });
  write_described(out, "content", "Text, or any JSON", [] {});
  write_described(out, "content_encoding", "base64, if the content is", [&] { out.field("type", "string"); });
  write_described(out, "content_ref", "A stored content, in the place of one", [&] { write_content_ref(out); });
  write_described(out, "metadata", "Headers", [&] { out.field("type", "object"); });
  write_described(out, "provenance", "Whose credentials it came with; the server's to say", [&] {
    out.field("type", "object").key("properties").begin_object();
    for (const std::string_view word : {"account", "door", "verified", "trust"})
      out.key(word).begin_object().field("type", "string").end_object();
    out.end_object();
  });
  write_described(out, "bounce", "The sender hears if it ends dead", flag);
  write_described(out, "expects_reply", "false: a reply is refused", flag);
  out.key("retry").begin_object();
  refer(out, "RetryPolicy");
  out.end_object();
  if (side == Side::question) return;
  out.key("content_error").begin_object();
  refer(out, "Problem");
  out.end_object();
}

void write_message(JsonWriter& out, Side side) {
  out.begin_object().field("type", "object").field("description", "A message (docs/protocol.md, section 12)");
  out.key("properties").begin_object();
  write_message_texts(out, side);
  write_message_values(out, side);
  write_message_others(out, side);
  out.end_object();
  if (side == Side::answer) out.key("required").begin_array().value("priority").end_array();
  out.end_object();
}

void write_retry_policy(JsonWriter& out) {
  const auto wait = [&] {
    write_either(
        out, Side::question,
        [&] { write_range(out.field("type", "integer"), 0, static_cast<std::uint64_t>(kDurationMsMax)); },
        [&] { out.field("type", "string").field("pattern", kDurationPattern); });
  };
  out.begin_object().field("type", "object").key("properties").begin_object();
  write_described(out, "attempts", "Deliveries until it is a dead letter; 0: as the mailbox says",
                  [&] { write_range(out.field("type", "integer"), 0, kAttemptsMax); });
  write_described(out, "backoff", "How the wait grows", [&] { write_words(out, kBackoffWords); });
  write_described(out, "initial", "The first wait (ms)", wait);
  write_described(out, "max", "The longest wait (ms); 0: no bound", wait);
  write_described(out, "multiplier", "Of the exponential backoffs",
                  [&] { out.field("type", "number").field("minimum", 1).field("maximum", 1'000); });
  out.end_object().field("additionalProperties", false).end_object();
}

void write_names(JsonWriter& out) {
  const auto name = [&] {
    out.field("type", "string").field("minLength", 1).field("maxLength", kNameBytesMax).end_object();
  };
  out.begin_object().field("description", "A name, or a list of them").key("anyOf").begin_array().begin_object();
  name();
  out.begin_object().field("type", "array").field("minItems", 1).field("maxItems", kGatherMax).key("items");
  out.begin_object();
  name();
  out.end_object().end_array().end_object();
}

void write_need(JsonWriter& out) {
  constexpr std::string_view kWords[] = {"all", "first"};
  out.begin_object().field("description", "How many answers are enough").key("anyOf").begin_array().begin_object();
  write_words(out, kWords);
  out.end_object().begin_object();
  write_range(out.field("type", "integer"), 1, kGatherMax);
  out.end_object().end_array().end_object();
}

}  // namespace

void write_schema(JsonWriter& out, const FieldInfo& field, Side side) {
  if (field.type->kind == Kind::object) return write_schema(out, *field.type->object, side);
  out.begin_object();
  write_type(out, field, *field.type, side);
  out.end_object();
}

void write_written_schema(JsonWriter& out, const FieldInfo& field) {
  if (field.type->kind != Kind::duration) return write_schema(out, field, Side::question);
  out.begin_object().field("type", "string").field("pattern", kWrittenDurationPattern).end_object();
}

void write_schema(JsonWriter& out, const StructInfo& info, Side side, std::string_view without) {
  out.begin_object();
  write_object(out, info, side, without);
  out.end_object();
}

void write_shared_schemas(JsonWriter& out) {
  write_message(out.key("Message"), Side::answer);
  write_message(out.key("MessageInput"), Side::question);
  write_names(out.key("Names"));
  write_need(out.key("Need"));
  out.key("Arguments").begin_object().field("type", "object");
  out.field("description", "Of the operation that is named").end_object();
  out.key("Statistics").begin_object().field("type", "object");
  out.field("description", "docs/protocol.md, section 9").end_object();
  out.key("Changes").begin_object().field("type", "object");
  out.field("description", "Fields of a message that replace those of a dead letter").end_object();
  out.key("Any").begin_object().field("description", "Any JSON value").end_object();
  write_retry_policy(out.key("RetryPolicy"));
  out.key("ReceivedMessage").begin_object().key("allOf").begin_array().begin_object();
  refer(out, "Message");
  out.end_object();
  write_schema(out, describe<HeldMessage>(), Side::answer);
  out.end_array().end_object();
  write_schema(out.key("Problem"), describe<ProblemAnswer>(), Side::answer);
}

}  // namespace folkmoot
