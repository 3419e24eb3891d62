#include "message/cloud_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <limits>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/sha256.hpp"
#include "base/utf8.hpp"
#include "message/cloud_event_text.hpp"
#include "message/envelope.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"
#include "message/limits.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kEvent = "ce";  // in the metadata
// Beside the attributes, and none itself: whether the data came in base64, where the content type says otherwise.
constexpr std::string_view kIsBase64 = "data_base64";
constexpr std::string_view kFieldPrefix = "ce-";
constexpr std::string_view kTraceAttributes[] = {"traceparent", "tracestate"};
constexpr std::size_t kTraceBytesMax = 512;
// Written with a message that is held, and no part of an event that is sent on.
constexpr std::string_view kHeldId = "folkmootid", kHeldLease = "folkmootlease", kHeldDelivery = "folkmootdelivery";

bool is_some_text(std::string_view text) { return !text.empty(); }
bool is_version(std::string_view text) { return text == "1.0"; }
bool is_content_type(std::string_view text) { return is_name(text) && is_media_type(text); }

struct CoreAttribute {
  std::string_view name;
  bool is_required;
  bool (*is_good)(std::string_view text);
  std::string_view allowed;
};

constexpr CoreAttribute kCore[] = {
    {"specversion", true, is_version, "`1.0`, the version that is understood here"},
    {"id", true, is_some_text, "a string that is not empty"},
    {"source", true, is_uri_reference, "a URI-reference (RFC 3986) that is not empty"},
    {"type", true, is_some_text, "a string that is not empty"},
    {"datacontenttype", false, is_content_type, "a media type such as application/json, of 255 bytes at most"},
    {"dataschema", false, is_uri, "a URI with its scheme (RFC 3986)"},
    {"subject", false, is_some_text, "a string that is not empty"},
    {"time", false, is_rfc3339, "a time as RFC 3339 writes it, such as 2026-11-21T10:00:00Z"},
};

const CoreAttribute* find_core(std::string_view name) {
  const auto* const found = std::ranges::find(kCore, name, &CoreAttribute::name);
  return found == std::end(kCore) ? nullptr : found;
}

std::string cut(std::string_view text) {
  constexpr std::size_t kShownBytes = 60;
  if (text.size() <= kShownBytes) return std::string(text);
  return std::string(text.substr(0, utf8_prefix(text.substr(0, kShownBytes)))).append("...");
}

std::unexpected<Error> refuse(std::string_view name, std::string_view value, std::string_view allowed) {
  return failure(ErrorCode::invalid_field, fmt::format("`{}` is `{}`; it may be {}", cut(name),
                                                       escaped_controls(cut(value), KeepLines::no), allowed));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

// JSON Event Format, section 3.1.1: `*/json` and `*/*+json`; without a type it is JSON as well, which is said then.
std::string media_word(std::string_view content_type) {
  auto word = lower(content_type.substr(0, content_type.find(';')));
  while (word.ends_with(' ') || word.ends_with('\t')) word.pop_back();
  return word;
}
bool is_json_data(std::string_view content_type) {
  const auto word = media_word(content_type);
  return word.ends_with("/json") || word.ends_with("+json");
}
bool is_text_data(std::string_view content_type) {
  const auto word = media_word(content_type);
  return word.starts_with("text/") || word.ends_with("/xml") || word.ends_with("+xml");
}

enum class DataForm : std::uint8_t { json, text, base64 };

DataForm usual_form(const Message& message) {
  if (!message.encoding.empty()) return DataForm::base64;
  if (is_json_data(message.content_type)) return is_json(message.content) ? DataForm::json : DataForm::base64;
  return is_text_data(message.content_type) && is_utf8(message.content) ? DataForm::text : DataForm::base64;
}

// -- an event that comes in

// Its attributes one after the other, whichever way they are written.
class Attributes {
 public:
  Result<void> add(std::string_view name, boost::json::value value);
  /// Puts them into the message, with what else they mean here. Errors: one that is required is missing.
  Result<void> give_to(Message& message);

 private:
  Metadata event_;
  std::string content_type_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
};

Result<void> check_value(std::string_view name, const boost::json::value& value) {
  const auto* const text = value.if_string();
  if (text != nullptr && !is_attribute_text(*text))
    return refuse(name, *text, "text without control characters and noncharacters");
  const auto* const core = find_core(name);
  if (core == nullptr) return {};
  if (text == nullptr) {
    std::string shown;
    JsonWriter(shown).value(value);
    return refuse(name, shown, core->allowed);
  }
  return core->is_good(*text) ? Result<void>{} : refuse(name, *text, core->allowed);
}

Result<void> Attributes::add(std::string_view name, boost::json::value value) {
  if (!is_attribute_name(name)) {
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is no name of an attribute: those are 1 to {} letters a to z and digits",
                               escaped_controls(cut(name), KeepLines::no), kAttributeNameBytesMax));
  }
  if (name == "data") return failure(ErrorCode::invalid_field, "no attribute may be called `data`");
  if (name == kHeldId || name == kHeldLease || name == kHeldDelivery) return {};
  if (event_.contains(name) || (name == "datacontenttype" && !content_type_.empty()))
    return failure(ErrorCode::invalid_field, fmt::format("`{}` is there twice", name));
  if (auto good = check_value(name, value); !good) return good;
  bytes_ += name.size() + (value.is_string() ? value.get_string().size() : sizeof(std::int32_t));
  if (++count_ > kEventAttributesMax || bytes_ > kEventAttributesBytesMax) {
    return failure(ErrorCode::out_of_range,
                   fmt::format("`{}`: an event may have {} attributes of {} bytes in all, and has more", name,
                               kEventAttributesMax, kEventAttributesBytesMax));
  }
  if (name == "datacontenttype") {
    content_type_ = value.get_string();
  } else {
    event_[name] = std::move(value);
  }
  return {};
}

Result<void> Attributes::give_to(Message& message) {
  for (const auto& core : kCore) {
    if (!core.is_required || event_.contains(core.name)) continue;
    return failure(ErrorCode::invalid_field,
                   fmt::format("`{}` is missing: a CloudEvent has id, source, specversion and type", core.name));
  }
  // The trace that the event belongs to is the message's, and goes on with what that causes.
  for (const auto name : kTraceAttributes) {
    const auto* const given = event_.if_contains(name);
    if (given != nullptr && given->is_string() && given->get_string().size() <= kTraceBytesMax)
      message.metadata[name] = *given;
  }
  message.content_type = std::move(content_type_);
  message.metadata[kEvent] = std::move(event_);
  return {};
}

// How the data was written is remembered where its content type would have it written otherwise.
void remember_form(Message& message, DataForm form) {
  if (message.content.empty() || usual_form(message) == form) return;
  message.metadata[kEvent].get_object()[kIsBase64] = form == DataForm::base64;
}

Result<void> read_base64(const JsonElement& value, Message& message) {
  std::string_view text;
  auto bytes = value.get(text) ? std::nullopt : decode_base64(text);
  if (!bytes) return refuse("data_base64", shown(value), "a string in base64");
  message.content = std::move(*bytes);
  remember_form(message, DataForm::base64);
  return {};
}

Result<void> read_data(const JsonElement& value, Message& message) {
  const auto written = content_text(value);
  if (message.content_type.empty()) message.content_type = "application/json";
  if (is_json_data(message.content_type)) {
    message.content = written ? std::string(*written) : std::string(simdjson::minify(value));
    return {};
  }
  std::string_view text;
  if (written && written->starts_with('"')) {
    auto said = unquote_json(*written);
    if (!said) return failure(said.error().code, fmt::format("`data`: {}", said.error().text));
    message.content = std::move(*said);
  } else if (!value.get(text)) {
    message.content = text;
  } else if (!value.is_null()) {
    return refuse(
        "data", written ? cut(*written) : shown(value),
        fmt::format("a string, as datacontenttype is `{}`; bytes go into `data_base64`", cut(message.content_type)));
  }
  remember_form(message, DataForm::text);
  return {};
}

Result<boost::json::value> attribute_value(std::string_view name, const JsonElement& element) {
  std::string_view text;
  bool flag = false;
  std::int64_t number = 0;
  if (!element.get(text)) return boost::json::value(text);
  if (!element.get(flag)) return boost::json::value(flag);
  using Limits = std::numeric_limits<std::int32_t>;
  if (element.is_int64() && !element.get(number) && number >= Limits::min() && number <= Limits::max())
    return boost::json::value(number);
  return refuse(name, shown(element), "a string, a whole number of 32 bits, true or false");
}

// -- an event that goes out

const Metadata* event_of(const Message& message) {
  const auto* const event = message.metadata.if_contains(kEvent);
  return event == nullptr ? nullptr : event->if_object();
}

// What is in the metadata may have been put there by anybody, as the message's own sender: it is looked at again.
bool is_good_attribute(std::string_view name, const boost::json::value& value) {
  if (!is_attribute_name(name) || name == "data" || name == "datacontenttype") return false;
  using Limits = std::numeric_limits<std::int32_t>;
  const auto* const text = value.if_string();
  const auto* const number = value.if_int64();
  const auto* const natural = value.if_uint64();
  const bool is_number = (number != nullptr && *number >= Limits::min() && *number <= Limits::max()) ||
                         (natural != nullptr && *natural <= static_cast<std::uint64_t>(Limits::max()));
  if (text == nullptr) return (is_number || value.is_bool()) && find_core(name) == nullptr;
  return check_value(name, value).has_value();
}

const boost::json::value* given(const Metadata* event, std::string_view name) {
  const auto* const value = event == nullptr ? nullptr : event->if_contains(name);
  return value != nullptr && is_good_attribute(name, *value) ? value : nullptr;
}

bool is_whole_event(const Metadata* event) {
  return given(event, "id") != nullptr && given(event, "source") != nullptr && given(event, "type") != nullptr;
}

// Ours are told apart by their beginning; a sender's own words are its own.
std::string event_type(const Message& message) {
  const std::string_view word = !message.type.empty()   ? std::string_view(message.type)
                                : message.topic.empty() ? "task"
                                                        : "event";
  const bool is_ours = type_number(word) != 0;
  if (!is_ours && is_attribute_text(word)) return std::string(word);
  return fmt::format("folkmoot.{}", is_ours ? word : "event");
}

void give(Metadata& out, std::string_view name, std::string_view text) {
  if (!text.empty() && !out.contains(name) && is_attribute_text(text)) out[name] = text;
}

// All but datacontenttype.
Metadata attributes_of(const Message& message, const DeliveryHead& held) {
  const auto* const event = event_of(message);
  Metadata out;
  out["specversion"] = "1.0";
  const auto required = [&](std::string_view name, const std::string& otherwise) {
    const auto* const value = given(event, name);
    out[name] = value != nullptr ? *value : boost::json::value(otherwise);
  };
  required("id", message.id.text());
  required("source", fmt::format("/agents/{}", uri_segment(message.from.empty() ? "anonymous" : message.from)));
  required("type", event_type(message));
  if (event != nullptr) {
    for (const auto& [name, value] : *event) {
      if (!out.contains(name) && is_good_attribute(name, value)) out[name] = value;
    }
  }
  if (!is_whole_event(event)) {
    give(out, "subject", message.topic);
    if (message.timestamp != 0) give(out, "time", format_time_ms(message.timestamp));
  }
  for (const auto name : kTraceAttributes) {
    const auto* const trace = message.metadata.if_contains(name);
    if (trace != nullptr && trace->is_string()) give(out, name, trace->get_string());
  }
  if (message.content_ref) give(out, "dataref", fmt::format("/api/content/{}", message.content_ref->hash.text()));
  give(out, "contentencoding", message.encoding);
  if (held.lease != 0) {
    out[kHeldId] = message.id.text();
    out[kHeldLease] = std::to_string(held.lease);
    out[kHeldDelivery] = held.delivery;
  }
  return out;
}

std::string canonical(const boost::json::value& value) {
  if (const auto* const text = value.if_string()) return std::string(*text);
  std::string out;
  JsonWriter(out).value(value);
  return out;
}

void append_data(JsonWriter& out, const Message& message) {
  if (message.content.empty() || message.content_ref) return;
  auto form = usual_form(message);
  const auto* const event = event_of(message);
  const auto* const said = event == nullptr ? nullptr : event->if_contains(kIsBase64);
  if (said != nullptr && said->is_bool()) {
    const bool may_be_text =
        message.encoding.empty() && !is_json_data(message.content_type) && is_utf8(message.content);
    if (said->get_bool()) {
      form = DataForm::base64;
    } else if (form == DataForm::base64 && may_be_text) {
      form = DataForm::text;
    }
  }
  switch (form) {
    case DataForm::json:
      out.key("data").raw(message.content);
      return;
    case DataForm::text:
      out.field("data", message.content);
      return;
    case DataForm::base64:
      out.field("data_base64", encode_base64(message.content));
  }
}

// One key for an event, however often it is sent: who sends events has promised that source and id are theirs alone.
std::string event_key(const Metadata& event) {
  auto key = fmt::format("{} {}", canonical(event.at("source")), canonical(event.at("id")));
  if (is_name(key)) return key;
  return Sha256::of(as_bytes(key)).text();
}

}  // namespace

Result<Message> message_from_event(const JsonElement& value) {
  if (!value.is_object())
    return failure(ErrorCode::malformed, fmt::format("a CloudEvent is a JSON object, not {}", shown(value)));
  Attributes attributes;
  std::optional<JsonElement> data, base64;
  for (const auto [name, element] : dom::object(value)) {
    if (name == "data" || name == "data_base64") {
      auto& slot = name == "data" ? data : base64;
      if (slot) return failure(ErrorCode::invalid_field, fmt::format("`{}` is there twice", name));
      slot = element;
    } else if (!element.is_null()) {  // the same as leaving it out
      auto read = attribute_value(name, element);
      if (!read) return std::unexpected(std::move(read.error()));
      if (auto done = attributes.add(name, std::move(*read)); !done) return std::unexpected(std::move(done.error()));
    }
  }
  if (base64 && base64->is_null()) base64.reset();
  if (base64 && data && !data->is_null())
    return failure(ErrorCode::invalid_field, "both `data` and `data_base64` are given; an event has one of them");
  Message message;
  auto done = attributes.give_to(message);
  if (done && base64) {
    done = read_base64(*base64, message);
  } else if (done && data) {
    done = read_data(*data, message);
  }
  if (!done) return std::unexpected(std::move(done.error()));
  return message;
}

Result<Message> message_from_event_fields(std::span<const HeaderField> fields, std::string_view data) {
  Attributes attributes;
  for (const auto& [field, value] : fields) {
    const bool is_type = field == "content-type";
    if (!is_type && !field.starts_with(kFieldPrefix)) continue;
    const auto name = is_type ? std::string_view("datacontenttype") : std::string_view(field).substr(3);
    if (!is_type && name == "datacontenttype")
      return failure(ErrorCode::invalid_field, "`ce-datacontenttype` is no field of HTTP: Content-Type says it");
    auto text = is_type ? Result<std::string>(value) : text_of_header(value);
    if (!text) return failure(text.error().code, fmt::format("`{}`: {}", cut(field), text.error().text));
    if (auto done = attributes.add(name, boost::json::value(*text)); !done)
      return std::unexpected(std::move(done.error()));
  }
  Message message;
  if (auto done = attributes.give_to(message); !done) return std::unexpected(std::move(done.error()));
  message.content = data;
  return message;
}

Result<void> check_address(const EventAddress& address) {
  if (!address.topic.empty() && !address.to.empty())
    return failure(ErrorCode::invalid_field, "both `topic` and `to` are given; an event goes to one of them");
  if (!address.to.empty() && !is_name(address.to))
    return failure(ErrorCode::invalid_name, "`to` is not 1 to 255 bytes of UTF-8 without control characters");
  if (!address.topic.empty() && !is_topic(address.topic)) {
    return failure(ErrorCode::invalid_topic,
                   fmt::format("`topic` is `{}`; it may be words joined by dots, none of them `*` or `>`",
                               escaped_controls(cut(address.topic), KeepLines::no)));
  }
  return {};
}

Result<void> address_event(Message& message, const EventAddress& address) {
  if (auto good = check_address(address); !good) return good;
  const auto* const event = event_of(message);
  message.mode = address.mode;
  if (!address.to.empty()) {
    message.to = address.to;
    message.type = "event";
    if (const auto* const partition = given(event, "partitionkey"); partition != nullptr) {
      message.group = canonical(*partition);
      if (!is_name(message.group))
        return refuse("partitionkey", message.group, "1 to 255 bytes: it is the group of what goes to a mailbox");
    }
    if (event != nullptr && address.mode == DeliveryMode::exactly_once) message.key = event_key(*event);
    return {};
  }
  const auto* const type = given(event, "type");
  message.topic = !address.topic.empty() || type == nullptr ? std::string(address.topic) : canonical(*type);
  if (is_topic(message.topic)) return {};
  return failure(ErrorCode::invalid_topic,
                 fmt::format("`type` is `{}`, which is no topic (words joined by dots, 255 bytes at most)",
                             escaped_controls(cut(message.topic), KeepLines::no)),
                 "say where the event goes: ?topic=TOPIC, or ?to=MAILBOX");
}

std::string event_content_type(const Message& message) {
  if (is_content_type(message.content_type)) return message.content_type;
  return is_whole_event(event_of(message)) || message.content.empty() ? "" : "application/octet-stream";
}

void append_event(JsonWriter& out, const Message& message, const DeliveryHead& held) {
  out.begin_object();
  for (const auto& [name, value] : attributes_of(message, held)) out.field(name, value);
  out.optional_field("datacontenttype", event_content_type(message));
  append_data(out, message);
  out.end_object();
}

std::vector<HeaderField> event_fields(const Message& message, const DeliveryHead& held) {
  std::vector<HeaderField> fields;
  for (const auto& [name, value] : attributes_of(message, held))
    fields.emplace_back(std::string(kFieldPrefix).append(name), header_value(canonical(value)));
  return fields;
}

}  // namespace folkmoot
