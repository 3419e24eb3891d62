#include "operation/fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "message/limits.hpp"

namespace folkmoot {
namespace {

void collect(const StructInfo& info, void* object, std::vector<Place>& out) {
  for (const auto& field : info.fields) {
    auto* const at = object == nullptr ? nullptr : field.at(object);
    if (field.name.empty()) {
      collect(*field.type->object, at, out);
    } else {
      out.push_back({&field, at});
    }
  }
}

template <class T>
bool equal_as(const void* a, const void* b) {
  return *static_cast<const T*>(a) == *static_cast<const T*>(b);
}

}  // namespace

std::vector<Place> places(const StructInfo& info, void* object) {
  std::vector<Place> out;
  collect(info, object, out);
  return out;
}

std::vector<Place> places(const StructInfo& info, const void* object) {
  return places(info, const_cast<void*>(object));  // whoever got a constant one only reads
}

std::vector<std::string_view> names(const StructInfo& info) {
  std::vector<std::string_view> out;
  for (const auto& place : places(info, static_cast<void*>(nullptr))) out.push_back(place.field->name);
  return out;
}

Place find_place(const StructInfo& info, void* object, std::string_view name) {
  for (const auto& place : places(info, object)) {
    if (place.field->name == name || (!place.field->rules.also.empty() && place.field->rules.also == name))
      return place;
  }
  return {};
}

Place find_place(const StructInfo& info, void* object, Role role) {
  for (const auto& place : places(info, object)) {
    if (place.field->rules.role == role) return place;
  }
  return {};
}

std::uint64_t load_natural(const TypeInfo& type, const void* at) {
  std::uint64_t value = 0;
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(&value, at, type.bytes);
  return value;
}

void store_natural(const TypeInfo& type, void* at, std::uint64_t value) { std::memcpy(at, &value, type.bytes); }

Bounds bounds(const FieldInfo& field) {
  const auto& rules = field.rules;
  auto max = rules.max;
  switch (field.type->kind) {
    case Kind::natural:
      if (max == 0) max = field.type->bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << 8 * field.type->bytes) - 1;
      break;
    case Kind::duration:
      if (max == 0) max = static_cast<std::uint64_t>(kDurationMsMax);
      break;
    case Kind::time:
      max = (std::uint64_t{1} << 44) - 1;
      break;
    case Kind::text:
      if (max == 0) max = kNameBytesMax;
      break;
    case Kind::list:
      if (max == 0) max = kListMax;
      break;
    default:
      break;
  }
  return {rules.min, max};
}

Result<void> check_json_bytes(const FieldInfo& field, std::size_t bytes) {
  const auto most = field.rules.max;
  if (most == 0 || bytes <= most) return {};
  return failure(ErrorCode::invalid_field,
                 fmt::format("`{}` has {} bytes of JSON; {} are the most", field.name, bytes, most));
}

bool equal(const TypeInfo& type, const void* a, const void* b) {
  if (type.is_optional()) {
    a = type.held(a);
    b = type.held(b);
    if (a == nullptr || b == nullptr) return a == b;
  }
  switch (type.kind) {
    case Kind::text:
      return equal_as<std::string>(a, b);
    case Kind::boolean:
      return equal_as<bool>(a, b);
    case Kind::natural:
    case Kind::word:
    case Kind::lease:
      return load_natural(type, a) == load_natural(type, b);
    case Kind::real:
      return equal_as<double>(a, b);
    case Kind::id:
      return equal_as<Uuid>(a, b);
    case Kind::hash:
      return equal_as<ContentHash>(a, b);
    case Kind::duration:
      return equal_as<std::chrono::milliseconds>(a, b);
    case Kind::time:
      return equal_as<std::int64_t>(a, b);
    case Kind::json:
      return equal_as<JsonText>(a, b);
    case Kind::message:
      return equal_as<Message>(a, b);
    case Kind::retry:
      return equal_as<RetryPolicy>(a, b);
    case Kind::object:
      return std::ranges::all_of(type.object->fields,
                                 [&](const FieldInfo& field) { return equal(*field.type, field.in(a), field.in(b)); });
    case Kind::list:
      if (type.size(a) != type.size(b)) return false;
      for (std::size_t i = 0; i < type.size(a); ++i) {
        if (!equal(*type.element, type.at(a, i), type.at(b, i))) return false;
      }
      return true;
  }
  return false;
}

// What bounds a list is how many they are.
std::uint64_t text_bytes_max(const FieldInfo& field) {
  constexpr std::uint64_t kElementBytesMax = 255;
  const auto most = bounds(field).max;
  return field.type->kind == Kind::list ? std::max(most, kElementBytesMax) : most;
}

bool is_blank(const FieldInfo& field, const StructInfo& of, const void* object) {
  return equal(*field.type, field.in(object), field.in(of.blank()));
}

void each_message(const StructInfo& info, void* object, const std::function<void(Message&)>& each) {
  for (const auto& place : places(info, object)) {
    const auto& type = place.type();
    if (type.kind == Kind::message) each(*static_cast<Message*>(place.at));
    if (type.kind == Kind::object) each_message(*type.object, place.at, each);
    if (type.kind != Kind::list || type.element->kind != Kind::object) continue;
    for (std::size_t i = 0; i < type.size(place.at); ++i)
      each_message(*type.element->object, const_cast<void*>(type.at(place.at, i)), each);  // `object` is ours to change
  }
}

std::string kind_name(const TypeInfo& type) {
  constexpr std::string_view kNames[] = {"text", "true or false", "number",       "number", "id",
                                         "hash", "milliseconds",  "time",         "word",   "lease",
                                         "JSON", "message",       "retry policy", "object", "list"};
  if (type.kind == Kind::list) return fmt::format("list of {}", kind_name(*type.element));
  return std::string(kNames[static_cast<std::size_t>(type.kind)]);
}

std::string allowed(const FieldInfo& field) {
  const auto range = bounds(field);
  const auto& type = *field.type;
  switch (type.kind) {
    case Kind::text:
      if (!field.rules.words.empty()) return fmt::format("{}", fmt::join(field.rules.words, ", "));
      return fmt::format("a string of {} bytes at most", range.max);
    case Kind::boolean:
      return "true or false";
    case Kind::natural:
      return range.max == ~std::uint64_t{0} && range.min == 0 ? "a whole number, not negative"
                                                              : fmt::format("{} to {}", range.min, range.max);
    case Kind::real:
      return "a number";
    case Kind::id:
      return "a UUID";
    case Kind::hash:
      return "64 hexadecimal digits";
    case Kind::duration:
      return range.max == static_cast<std::uint64_t>(kDurationMsMax) && range.min == 0
                 ? "milliseconds or a duration such as 30s, up to ten years"
                 : fmt::format("{} to {} milliseconds, or a duration such as 30s", range.min, range.max);
    case Kind::time:
      return "Unix milliseconds or a time such as 2030-01-01T00:00:00Z";
    case Kind::word:
      return fmt::format("{}", fmt::join(type.words, ", "));
    case Kind::lease:
      return "a decimal number as a string";
    case Kind::json:
    case Kind::message:
    case Kind::retry:
    case Kind::object:
      return "an object";
    case Kind::list:
      return fmt::format("a list of {} to {}", range.min, range.max);
  }
  return {};
}

}  // namespace folkmoot
