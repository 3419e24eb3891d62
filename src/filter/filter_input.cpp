#include "filter/filter_input.hpp"

#include <algorithm>
#include <optional>

#include "base/utf8.hpp"
#include "filter/program.hpp"
#include "message/json_document.hpp"
#include "message/pack.hpp"

namespace folkmoot {

// Found out when first asked for.
struct FilterInput::Content {
  std::optional<bool> is_text;
  std::optional<bool> is_json;
  JsonElement root;  // if is_json
  std::optional<JsonDocument> document;
  std::size_t document_bytes = 0;  // the largest text that the document has memory for

  Value text(std::string_view content) {
    if (!is_text) is_text = is_utf8(content);
    return *is_text ? text_value(content) : null_value();
  }

  void parse(std::string_view content);
  void forget();
};

namespace {

// The value inside of `value`, a MessagePack list or map, that one step leads to; empty if there is none.
Bytes follow(Bytes value, const PathStep& step) {
  PackReader reader(value);
  if (step.is_position) {
    if (reader.peek() != MP_ARRAY || step.position >= reader.array()) return {};
    for (auto left = step.position; left > 0; --left) reader.skip();
    return reader.raw();
  }
  if (reader.peek() != MP_MAP) return {};
  for (auto left = reader.map(); left > 0 && reader.ok(); --left) {
    if (reader.str() == step.name && reader.ok()) return reader.raw();
    reader.skip();
  }
  return {};
}

Value packed_value(Bytes packed) {
  if (packed.empty()) return null_value();
  PackReader reader(packed);
  const auto* at = reinterpret_cast<const char*>(packed.data());
  switch (reader.peek()) {
    case MP_NIL:
      return null_value();
    case MP_UINT:
      return natural_value(reader.uint());
    case MP_STR:
      return text_value(reader.str());
    case MP_BOOL:
      return boolean_value(reader.boolean());
    case MP_INT:
      return integer_value(mp_decode_int(&at));
    case MP_FLOAT:
      return real_value(static_cast<double>(mp_decode_float(&at)));
    case MP_DOUBLE:
      return real_value(mp_decode_double(&at));
    default:
      return other_value();
  }
}

Value json_value(const JsonElement& element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::NULL_VALUE:
      return null_value();
    case element_type::BOOL:
      return boolean_value(element.get_bool().value_unsafe());
    case element_type::INT64:
      return integer_value(element.get_int64().value_unsafe());
    case element_type::UINT64:
      return natural_value(element.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return real_value(element.get_double().value_unsafe());
    case element_type::STRING:
      return text_value(element.get_string().value_unsafe());
    default:
      return other_value();
  }
}

std::optional<JsonElement> follow(const JsonElement& element, const PathStep& step) {
  JsonElement found;
  if (step.is_position) {
    simdjson::dom::array list;
    if (element.get(list) || list.at(step.position).get(found)) return std::nullopt;
    return found;
  }
  simdjson::dom::object map;
  if (element.get(map) || map.at_key(step.name).get(found)) return std::nullopt;
  return found;
}

// Text that is no list or map has no parts, and need not be parsed to know it.
bool looks_like_json(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

Value id_value(std::string_view id, FilterInput::IdText& out) {
  if (id.size() != 16) return null_value();
  constexpr char kDigits[] = "0123456789abcdef";
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out[at++] = '-';
    const auto byte = static_cast<std::uint8_t>(id[i]);
    out[at++] = kDigits[byte >> 4];
    out[at++] = kDigits[byte & 0x0f];
  }
  return text_value({out.data(), out.size()});
}

Value type_of(Bytes packed, bool to_topic) {
  const auto value = packed_value(packed);
  if (value.is_null()) return text_value(to_topic ? "event" : "task");
  return value.is_text() ? value : text_value(type_word(PackReader(packed).uint()));
}

Value mode_of(Bytes packed, bool to_topic) {
  if (packed.empty()) return text_value(name(to_topic ? DeliveryMode::at_most_once : DeliveryMode::at_least_once));
  PackReader reader(packed);
  const auto mode = reader.uint();
  return reader.ok() && mode <= 2 ? text_value(name(static_cast<DeliveryMode>(mode))) : null_value();
}

}  // namespace

FilterInput::FilterInput() = default;
FilterInput::FilterInput(Bytes message) { reset(message); }
FilterInput::FilterInput(Bytes envelope, Bytes content) { reset(envelope, content); }
FilterInput::~FilterInput() = default;

void FilterInput::reset(Bytes message) {
  const auto bytes = find_fields(message);
  envelope_ = message.first(bytes);
  content_ = message.subspan(bytes);
  if (known_) known_->forget();
}

void FilterInput::reset(Bytes envelope, Bytes content) {
  envelope_ = envelope.first(find_fields(envelope));
  content_ = content;
  if (known_) known_->forget();
}

// Returns the bytes of the envelope.
std::size_t FilterInput::find_fields(Bytes message) {
  begins_.fill(0);
  PackReader reader(message);
  for (auto left = reader.map(); left > 0 && reader.ok(); --left) {
    const auto number = reader.uint();
    const auto begin = reader.offset();
    if (reader.skip() && number < begins_.size()) begins_[number] = begin;
  }
  return reader.offset();
}

Bytes FilterInput::field(std::size_t number) const {
  const auto begin = begins_[number];
  return begin == 0 ? Bytes{} : envelope_.subspan(begin);
}

Value FilterInput::read(const Identifier& identifier, IdText& id_text) const noexcept {
  switch (identifier.field->kind) {
    case FieldKind::metadata:
      return read_metadata(identifier);
    case FieldKind::content:
      return read_content(identifier);
    default:
      return read_field(identifier, id_text);
  }
}

Value FilterInput::read_field(const Identifier& identifier, IdText& id_text) const {
  const auto packed = field(static_cast<std::size_t>(identifier.field->field));
  const bool to_topic = !field(static_cast<std::size_t>(Field::topic)).empty();
  PackReader reader(packed);
  switch (identifier.field->kind) {
    case FieldKind::id:
      return id_value(reader.bin(), id_text);
    case FieldKind::type:
      return type_of(packed, to_topic);
    case FieldKind::priority:
      return packed.empty() ? integer_value(normal) : packed_value(packed);
    case FieldKind::mode:
      return mode_of(packed, to_topic);
    case FieldKind::natural: {
      const auto value = packed_value(packed);
      return value.kind == Value::Kind::integer && value.integer == 0 ? null_value() : value;
    }
    case FieldKind::count:
      return packed.empty() ? integer_value(0) : packed_value(packed);
    case FieldKind::flag_off:
      return packed.empty() ? boolean_value(false) : packed_value(packed);
    case FieldKind::flag_on:
      return packed.empty() ? boolean_value(true) : packed_value(packed);
    case FieldKind::content_size:
      return natural_value(packed.empty() || reader.array() != 2 || !reader.skip() ? content_.size() : reader.uint());
    case FieldKind::content_type:
      return packed.empty() ? text_value("application/octet-stream") : packed_value(packed);
    default:
      return packed_value(packed);
  }
}

Value FilterInput::read_metadata(const Identifier& identifier) const {
  auto place = field(static_cast<std::size_t>(identifier.field->field));
  for (const auto& step : identifier.path) {
    if (place.empty()) break;
    place = follow(place, step);
  }
  return packed_value(place);
}

Value FilterInput::read_content(const Identifier& identifier) const {
  // Compressed content would have to be unpacked, and content by reference fetched; both are left alone, and their
  // fields are NULL.
  if (!field(static_cast<std::size_t>(Field::encoding)).empty()) return null_value();
  if (!field(static_cast<std::size_t>(Field::content_ref)).empty()) return null_value();
  if (!known_) known_ = std::make_unique<Content>();
  const auto text = as_text(content_);
  if (identifier.path.empty()) return known_->text(text);
  if (!known_->is_json) known_->parse(text);
  if (!*known_->is_json) return null_value();
  std::optional place = known_->root;
  for (const auto& step : identifier.path) {
    place = follow(*place, step);
    if (!place) return null_value();
  }
  return json_value(*place);
}

void FilterInput::Content::parse(std::string_view content) {
  is_json = false;
  if (!looks_like_json(content)) return;
  if (!document) document.emplace();
  document_bytes = std::max(document_bytes, content.size());
  if (const auto parsed = document->parse_content(content)) {
    root = *parsed;
    is_json = true;
  }
}

void FilterInput::Content::forget() {
  constexpr std::size_t kKeptBytes = 256 * 1024;
  is_text.reset();
  is_json.reset();
  // What one large message took is not kept for all that follow.
  if (document_bytes > kKeptBytes) {
    document.reset();
    document_bytes = 0;
  }
}

}  // namespace folkmoot
