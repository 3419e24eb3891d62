#include "operation/json_codec.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/duration.hpp"
#include "base/nearest.hpp"
#include "message/json_fault.hpp"
#include "message/json_fields.hpp"
#include "message/json_mapping.hpp"
#include "message/limits.hpp"
#include "operation/fields.hpp"
#include "operation/json_reading.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

// Reads values of one struct; what is wrong names the field it is in.
class JsonReader {
 public:
  explicit JsonReader(Unknown unknown, std::span<const std::string_view> besides = {}, JsonFault* fault = nullptr)
      : unknown_(unknown), besides_(besides), fault_(fault) {}

  Result<void> read_object(const StructInfo& info, void* object, const JsonElement& value);
  // `type` is the field's, or that of an element of it.
  Result<void> read_value(const FieldInfo& field, const TypeInfo& type, void* at, const JsonElement& value);

 private:
  static std::unexpected<Error> refuse(const FieldInfo& field, const JsonElement& value) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is {}; it may be {}", field.name, shown(value), allowed(field)));
  }
  static std::unexpected<Error> beyond(const FieldInfo& field, std::uint64_t value) {
    const auto range = bounds(field);
    return failure(ErrorCode::out_of_range,
                   fmt::format("`{}` is {}; it may be {} to {}", field.name, value, range.min, range.max));
  }
  static Result<void> read_json_text(const FieldInfo& field, JsonText* at, const JsonElement& value);
  Result<void> read_text(const FieldInfo& field, void* at, const JsonElement& value) const;
  Result<void> read_natural(const FieldInfo& field, const TypeInfo& type, void* at, const JsonElement& value) const;
  Result<void> read_duration(const FieldInfo& field, void* at, const JsonElement& value) const;
  Result<void> read_time(const FieldInfo& field, void* at, const JsonElement& value) const;
  Result<void> read_list(const FieldInfo& field, const TypeInfo& type, void* at, const JsonElement& value);
  Result<void> read_message(const FieldInfo& field, void* at, const JsonElement& value) const;

  // What is wrong, in the field `name` of an object.
  std::unexpected<Error> wrong(std::string_view name, std::string text) const {
    note_fault(fault_, name, text);
    return failure(ErrorCode::invalid_field, std::move(text));
  }

  const Unknown unknown_;
  std::span<const std::string_view> besides_;  // of the outermost object
  JsonFault* const fault_;                     // null: nobody asks where
};

std::string unknown_text(const StructInfo& info, std::string_view name) {
  const auto known = names(info);
  const auto shown_name = name.substr(0, kNameBytesMax);
  if (known.empty()) return fmt::format("`{}` is given; nothing is asked for", shown_name);
  return fmt::format("`{}` is none of: {}{}", shown_name, fmt::join(known, " "), did_you_mean(name, known));
}

// What a text stands for, if it may stand for the object.
const FieldInfo* shorthand(const StructInfo& info) {
  for (const auto& field : info.fields) {
    if (field.rules.role == Role::shorthand) return &field;
  }
  return nullptr;
}

Result<void> JsonReader::read_object(const StructInfo& info, void* object, const JsonElement& value) {
  const auto all = places(info, object);
  const auto besides = std::exchange(besides_, {});
  std::vector<const FieldInfo*> seen;
  for (const auto [name, element] : dom::object(value)) {
    const auto place = std::ranges::find_if(all, [&, key = name](const Place& each) {
      return each.field->name == key || (!each.field->rules.also.empty() && each.field->rules.also == key);
    });
    if (place == all.end()) {
      if (unknown_ == Unknown::ignore || std::ranges::find(besides, name) != besides.end()) continue;
      return wrong(name, unknown_text(info, name));
    }
    if (element.is_null()) continue;
    if (std::ranges::find(seen, place->field) != seen.end())
      return wrong(name, fmt::format("`{}` is given twice", place->field->name));
    seen.push_back(place->field);
    if (auto done = read_value(*place->field, place->type(), place->at, element); !done) {
      note_fault(fault_, name, done.error().text);
      return done;
    }
  }
  for (const auto& place : all) {
    const auto& field = *place.field;
    if (!field.rules.required) continue;
    const bool is_empty = field.type->kind == Kind::text && static_cast<const std::string*>(place.at)->empty();
    if (is_empty || std::ranges::find(seen, place.field) == seen.end())
      return wrong(field.name, fmt::format("`{}` is missing", field.name));
  }
  return {};
}

Result<void> JsonReader::read_value(const FieldInfo& field, const TypeInfo& type, void* at, const JsonElement& value) {
  if (type.is_optional()) at = type.hold(at);
  switch (type.kind) {
    case Kind::text:
      return read_text(field, at, value);
    case Kind::boolean:
      if (value.get(*static_cast<bool*>(at))) return refuse(field, value);
      return {};
    case Kind::natural:
      return read_natural(field, type, at, value);
    case Kind::real:
      if (value.get(*static_cast<double*>(at))) return refuse(field, value);
      return {};
    case Kind::id: {
      std::string_view text;
      const auto id = value.get(text) ? std::nullopt : Uuid::parse(text);
      if (!id) return refuse(field, value);
      *static_cast<Uuid*>(at) = *id;
      return {};
    }
    case Kind::hash: {
      std::string_view text;
      const auto hash = value.get(text) ? std::nullopt : ContentHash::parse(text);
      if (!hash) return refuse(field, value);
      *static_cast<ContentHash*>(at) = *hash;
      return {};
    }
    case Kind::duration:
      return read_duration(field, at, value);
    case Kind::time:
      return read_time(field, at, value);
    case Kind::word: {
      std::string_view text;
      if (value.get(text)) return refuse(field, value);
      const auto word = std::ranges::find(type.words, text);
      if (word == type.words.end()) return refuse(field, value);
      store_natural(type, at, static_cast<std::uint64_t>(word - type.words.begin()));
      return {};
    }
    case Kind::lease: {
      std::string_view text;
      std::uint64_t number = 0;
      const auto lease = value.get(text) ? std::nullopt : parse_lease(text);
      if (!lease && value.get(number)) return refuse(field, value);
      store_natural(type, at, lease.value_or(number));
      return {};
    }
    case Kind::json:
      return read_json_text(field, static_cast<JsonText*>(at), value);
    case Kind::message:
      return read_message(field, at, value);
    case Kind::retry: {
      const auto policy = retry_from_json(value, fault_);
      if (!policy) return std::unexpected(policy.error());
      *static_cast<RetryPolicy*>(at) = *policy;
      return {};
    }
    case Kind::object: {
      std::string_view text;
      const auto* const stands = shorthand(*type.object);
      if (stands != nullptr && !value.get(text)) {
        if (stands->rules.required && text.empty())
          return failure(ErrorCode::invalid_field, fmt::format("`{}` is missing", stands->name));
        return read_value(*stands, *stands->type, stands->at(at), value);
      }
      if (!value.is_object()) return refuse(field, value);
      return read_object(*type.object, at, value);
    }
    case Kind::list:
      return read_list(field, type, at, value);
  }
  return {};
}

Result<void> JsonReader::read_json_text(const FieldInfo& field, JsonText* at, const JsonElement& value) {
  // What stands under a content's name is text in a document (message/json_document.hpp).
  const auto content = field.name == "content" || field.name == "payload" ? content_text(value) : std::nullopt;
  at->text = content ? std::string(*content) : json_of(value);
  return check_json_bytes(field, at->text.size());
}

Result<void> JsonReader::read_text(const FieldInfo& field, void* at, const JsonElement& value) const {
  std::string_view text;
  if (value.get(text)) return refuse(field, value);
  const auto most = text_bytes_max(field);
  if (text.size() > most) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` has {} bytes; {} are the most", field.name, text.size(), most));
  }
  const auto& words = field.rules.words;
  if (!words.empty() && !text.empty() && std::ranges::find(words, text) == words.end()) return refuse(field, value);
  *static_cast<std::string*>(at) = text;
  return {};
}

Result<void> JsonReader::read_natural(const FieldInfo& field, const TypeInfo& type, void* at,
                                      const JsonElement& value) const {
  std::uint64_t number = 0;
  if (value.get(number)) {
    std::int64_t negative = 0;
    if (!value.get(negative)) {
      return failure(ErrorCode::out_of_range,
                     fmt::format("`{}` is {}; it may be {}", field.name, negative, allowed(field)));
    }
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is {}; it may be a whole number, not negative", field.name, shown(value)));
  }
  if (!bounds(field).hold(number)) return beyond(field, number);
  store_natural(type, at, number);
  return {};
}

Result<void> JsonReader::read_duration(const FieldInfo& field, void* at, const JsonElement& value) const {
  std::uint64_t ms = 0;
  std::string_view text;
  if (!value.get(text)) {
    const auto parsed = parse_duration_ms(text);
    if (!parsed) return refuse(field, value);
    ms = static_cast<std::uint64_t>(*parsed);
  } else if (value.get(ms)) {
    return refuse(field, value);
  }
  if (!bounds(field).hold(ms)) return beyond(field, ms);
  *static_cast<std::chrono::milliseconds*>(at) = std::chrono::milliseconds(ms);
  return {};
}

Result<void> JsonReader::read_time(const FieldInfo& field, void* at, const JsonElement& value) const {
  std::uint64_t ms = 0;
  std::string_view text;
  if (!value.get(text)) {
    const auto parsed = parse_time_ms(text);
    if (!parsed || *parsed < 0) return refuse(field, value);
    ms = static_cast<std::uint64_t>(*parsed);
  } else if (value.get(ms)) {
    return refuse(field, value);
  }
  if (!bounds(field).hold(ms)) return beyond(field, ms);
  *static_cast<std::int64_t*>(at) = static_cast<std::int64_t>(ms);
  return {};
}

Result<void> JsonReader::read_list(const FieldInfo& field, const TypeInfo& type, void* at, const JsonElement& value) {
  dom::array array;
  if (value.get(array) || !bounds(field).hold(array.size())) return refuse(field, value);
  std::size_t place = 0;
  for (const auto element : array) {
    if (auto done = read_value(field, *type.element, type.append(at), element); !done) {
      note_fault(fault_, std::to_string(place), done.error().text);
      return failure(done.error().code, fmt::format("`{}`, entry {}: {}", field.name, place, done.error().text));
    }
    ++place;
  }
  return {};
}

Result<void> JsonReader::read_message(const FieldInfo& field, void* at, const JsonElement& value) const {
  auto message = message_from_json(value, fault_);
  if (!message) return failure(message.error().code, fmt::format("`{}`: {}", field.name, message.error().text));
  *static_cast<Message*>(at) = std::move(*message);
  return {};
}

// Of a text type an empty content would be written as such: one that is left out is not.
void write_message(JsonWriter& out, const Message& message) {
  if (!message.content.empty() || message.content_type.empty()) return append_json(out, message);
  auto head = message;
  const auto type = std::exchange(head.content_type, {});
  out.begin_object();
  append_json_fields(out, head);
  out.field("content_type", type).end_object();
}

void write_value(JsonWriter& out, const TypeInfo& type, const void* at, Sparse sparse) {
  if (type.is_optional()) at = type.held(at);
  if (at == nullptr) return void(out.value(nullptr));
  switch (type.kind) {
    case Kind::text:
      out.value(*static_cast<const std::string*>(at));
      break;
    case Kind::boolean:
      out.value(*static_cast<const bool*>(at));
      break;
    case Kind::natural:
      out.value(load_natural(type, at));
      break;
    case Kind::real:
      out.value(*static_cast<const double*>(at));
      break;
    case Kind::id:
      out.value(static_cast<const Uuid*>(at)->text());
      break;
    case Kind::hash:
      out.value(static_cast<const ContentHash*>(at)->text());
      break;
    case Kind::duration:
      out.value(static_cast<const std::chrono::milliseconds*>(at)->count());
      break;
    case Kind::time:
      out.value(*static_cast<const std::int64_t*>(at));
      break;
    case Kind::word:
      out.value(type.words[load_natural(type, at)]);
      break;
    case Kind::lease:
      out.value(std::to_string(load_natural(type, at)));
      break;
    case Kind::json: {
      const auto& text = static_cast<const JsonText*>(at)->text;
      text.empty() ? out.value(nullptr) : out.raw(text);
      break;
    }
    case Kind::message:
      write_message(out, *static_cast<const Message*>(at));
      break;
    case Kind::retry:
      append_retry(out, *static_cast<const RetryPolicy*>(at));
      break;
    case Kind::object:
      write_json(out, *type.object, at, sparse);
      break;
    case Kind::list:
      out.begin_array();
      for (std::size_t i = 0; i < type.size(at); ++i) write_value(out, *type.element, type.at(at, i), sparse);
      out.end_array();
      break;
  }
}

void write_fields(JsonWriter& out, const StructInfo& info, const void* object, Sparse sparse) {
  for (const auto& field : info.fields) {
    if (field.name.empty()) {
      write_fields(out, *field.type->object, field.in(object), sparse);
      continue;
    }
    const bool may_go = !field.rules.required && (field.rules.sparse || sparse == Sparse::everything);
    const bool is_as_made = (may_go || field.rules.nullable) && is_blank(field, info, object);
    if (is_as_made && may_go) continue;
    out.key(field.name);
    if (is_as_made) {
      out.value(nullptr);
    } else {
      write_value(out, *field.type, field.in(object), sparse);
    }
  }
}

bool is_json_written(Kind kind) {
  return kind == Kind::json || kind == Kind::message || kind == Kind::retry || kind == Kind::object;
}

}  // namespace

Result<void> read_json(const StructInfo& info, void* object, const JsonElement& value, Unknown unknown,
                       std::span<const std::string_view> besides) {
  if (!value.is_object())
    return failure(ErrorCode::malformed, fmt::format("the arguments are not a JSON object, but {}", shown(value)));
  return JsonReader(unknown, besides).read_object(info, object, value);
}

Result<void> read_json(const StructInfo& info, void* object, const JsonElement& value, JsonFault& fault) {
  if (!value.is_object()) return read_json(info, object, value);
  return JsonReader(Unknown::refuse, {}, &fault).read_object(info, object, value);
}

Result<void> check_names(const StructInfo& info, const JsonElement& value, std::span<const std::string_view> besides) {
  for (const auto field : dom::object(value)) {
    const bool is_known = find_place(info, nullptr, field.key).field != nullptr;
    if (!is_known && std::ranges::find(besides, field.key) == besides.end())
      return failure(ErrorCode::invalid_field, unknown_text(info, field.key));
  }
  return {};
}

Result<void> read_json(const StructInfo& info, void* object, std::string_view text, Unknown unknown) {
  JsonDocument document;
  const auto value = document.parse(text.empty() ? "{}" : text);
  if (!value) return std::unexpected(value.error());
  return read_json(info, object, *value, unknown);
}

JsonText json_text(const Metadata& object) { return {boost::json::serialize(object)}; }

Result<void> read_written(const FieldInfo& field, void* at, std::string_view text) {
  const auto* type = field.type;
  const auto& element = type->kind == Kind::list ? *type->element : *type;
  if (type->kind == Kind::list) {
    if (type->is_optional()) {
      const auto* const held = type->held(at);
      at = held != nullptr ? const_cast<void*>(held) : type->hold(at);  // ours to change
    }
    if (type->size(at) >= bounds(field).max) {
      return failure(ErrorCode::out_of_range,
                     fmt::format("`{}` is given more than {} times", field.name, bounds(field).max));
    }
    at = type->append(at);
  }
  const bool is_digits = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (element.kind == Kind::duration && is_digits && text != "0") {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is {}, without a unit; it may be a duration such as {}ms, {}s or {}m", field.name,
                               text, text, text, text));
  }
  // A number, true and false are JSON as they stand; an object may be given by its shorthand.
  const bool is_plain = element.kind == Kind::boolean || element.kind == Kind::real || element.kind == Kind::natural ||
                        (element.kind == Kind::time && is_digits);
  const bool is_json =
      is_plain || (is_json_written(element.kind) && text.starts_with('{')) || element.kind == Kind::json;
  std::string json;
  if (!is_json) JsonWriter(json).value(text);
  JsonDocument document;
  const auto value = document.parse(is_json ? text : std::string_view(json));
  if (!value) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is {}; it may be {}", field.name, text.empty() ? "empty" : text, allowed(field)));
  }
  return JsonReader(Unknown::refuse).read_value(field, element, at, *value);
}

void append_fields(JsonWriter& out, const StructInfo& info, const void* object) {
  write_fields(out, info, object, Sparse::as_described);
}

void write_json(JsonWriter& out, const StructInfo& info, const void* object, Sparse sparse) {
  out.begin_object();
  write_fields(out, info, object, sparse);
  out.end_object();
}

}  // namespace folkmoot
