// What reads a body says where in it the fault is, if it is asked to (message/json_fault.hpp). On the way of a request
// nobody asks: the server reads what a door only passes on, and what is read on every request would otherwise keep a
// place for the few that are refused. So one that was refused is read here once more. If that ends well, somebody else
// has refused what it says, and knows no document: then the fault is where the field is, or would be, that the refusal
// names.
#include "gateway/http/fault.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "gateway/http/answers.hpp"
#include "gateway/http/cloud_events.hpp"
#include "gateway/json_messages.hpp"
#include "message/cloud_event.hpp"
#include "message/json_fault.hpp"
#include "message/json_mapping.hpp"
#include "message/json_splice.hpp"
#include "operation/fields.hpp"
#include "operation/json_reading.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kPartsMax = 20'000;  // that are looked at for what a refusal names

// -- what a refusal names

class NamedFinder {
 public:
  explicit NamedFinder(std::string_view told) : told_(told), words_(quoted(told)) {}

  // A field of the object, or of an object in it, that the refusal names; empty: it names none.
  std::string find(const JsonElement& value) {
    if (auto here = in_object(value); !here.empty()) return here;
    dom::object object;
    if (value.get(object)) return {};
    for (const auto [key, member] : object) {
      if (++parts_ > kPartsMax) return {};
      if (is_content_field(key)) continue;  // what somebody else has written
      if (const auto inner = in_object(member); !inner.empty()) return pointer_part(key) + inner;
    }
    return {};
  }

 private:
  // What stands in backquotes: names of fields, mostly, and values.
  static std::vector<std::string_view> quoted(std::string_view text) {
    std::vector<std::string_view> words;
    for (auto at = text.find('`'); at < text.size();) {
      const auto end = text.find('`', at + 1);
      if (end == text.npos) break;
      words.push_back(text.substr(at + 1, end - at - 1));
      at = text.find('`', end + 1);
    }
    return words;
  }
  bool says(const JsonElement& value) const {
    std::string_view text;
    return !value.get(text) && std::ranges::find(words_, text) != words_.end();
  }
  std::string in_object(const JsonElement& value) {
    dom::object object;
    if (value.get(object)) return {};
    for (const auto& word : words_) {
      JsonElement ignored;
      const auto is_there = !object.at_key(word).get(ignored);
      if (is_there || told_.contains(fmt::format("`{}` is missing", word))) return pointer_part(word);
    }
    // "filter, column 3: ..."; or what is quoted is what a field says: "`never` has one field; a cron expression has
    // ..."
    for (const auto [key, member] : object) {
      if (told_.starts_with(key) && told_.substr(key.size()).starts_with(", ")) return pointer_part(key);
      if (says(member)) return pointer_part(key);
      if (++parts_ > kPartsMax) return {};
      if (is_content_field(key)) continue;
      if (auto inner = in_list(member); !inner.empty()) return pointer_part(key) + inner;
    }
    return {};
  }
  std::string in_list(const JsonElement& value) {
    dom::array array;
    if (value.get(array)) return {};
    std::size_t place = 0;
    for (const auto element : array) {
      if (++parts_ > kPartsMax) return {};
      if (says(element)) return fmt::format("/{}", place);
      ++place;
    }
    return {};
  }

  const std::string_view told_;
  const std::vector<std::string_view> words_;
  std::size_t parts_ = 0;
};

// -- read once more

// Nothing: it can be read.
using Fault = std::optional<JsonFault>;

Fault fault_of(const StructInfo& info, const JsonElement& body) {
  JsonFault fault;
  const auto made = info.make();
  const auto done = read_json(info, made.get(), body, fault);
  if (done) return std::nullopt;
  if (fault.text.empty()) fault.text = done.error().text;
  return fault;
}

Fault fault_of_message(const JsonElement& value) {
  JsonFault fault;
  if (const auto read = message_from_json(value, &fault); !read) {
    if (fault.text.empty()) fault.text = read.error().text;
    return fault;
  }
  const auto read = read_message(value);  // what a door takes beside a message's fields
  if (read) return std::nullopt;
  return JsonFault{.pointer = NamedFinder(read.error().text).find(value), .text = read.error().text};
}

Fault fault_of_event(const JsonElement& value) {
  const auto read = message_from_event(value);
  if (read) return std::nullopt;
  return JsonFault{.pointer = NamedFinder(read.error().text).find(value), .text = read.error().text};
}

// Of the first that cannot be read.
Fault fault_in_list(const JsonElement& list, Fault (*fault_of_one)(const JsonElement&)) {
  dom::array array;
  if (list.get(array)) return std::nullopt;
  std::size_t place = 0;
  for (const auto element : array) {
    if (auto fault = fault_of_one(element)) {
      fault->stands_in(std::to_string(place), {});
      return fault;
    }
    ++place;
  }
  return std::nullopt;
}

Fault fault_of_all(const JsonElement& value, Fault (*fault_of_one)(const JsonElement&)) {
  return value.is_array() ? fault_in_list(value, fault_of_one) : fault_of_one(value);
}

// Messages are read by their own reader, which takes more than is described of them, and says more.
Fault fault_in_messages(const StructInfo& shape, const JsonElement& body) {
  for (const auto& place : places(shape, shape.blank())) {
    const auto& type = place.type();
    const bool is_list = type.kind == Kind::list && type.element->kind == Kind::message;
    JsonElement value;
    if ((!is_list && type.kind != Kind::message) || body.at_key(place.field->name).get(value) || value.is_null())
      continue;
    if (auto fault = is_list ? fault_in_list(value, fault_of_message) : fault_of_message(value)) {
      fault->stands_in(place.field->name, {});
      return fault;
    }
  }
  return std::nullopt;
}

// `shape`: as the route's request is described, whatever reads it: it holds if both say the same.
Fault fault_in_shape(const StructInfo& shape, const JsonElement& body, std::string_view told) {
  if (!body.is_object()) return std::nullopt;
  if (auto fault = fault_in_messages(shape, body); fault && told.contains(fault->text)) return fault;
  if (auto fault = fault_of(shape, body); fault && told.contains(fault->text)) return fault;
  return std::nullopt;
}

// What is in the path stands in front of the body, as the server reads it.
Fault fault_in_arguments(const Exchange& exchange, const OperationInfo& operation, std::string_view in_path,
                         const JsonElement& body) {
  if (in_path.empty() || !body.is_object()) return fault_of(*operation.arguments, body);
  const auto whole = with_json_field(in_path, exchange.parameter, json_of(body));
  JsonDocument document;
  const auto read = document.parse(whole);
  return read ? fault_of(*operation.arguments, *read) : std::nullopt;
}

std::optional<std::string> pointer_to_fault(const Exchange& exchange, const HttpRoute& route, const JsonElement& body,
                                            std::string_view told) {
  const bool is_by_name = route.handler == call_by_name;
  const auto in_path = is_by_name ? std::string_view{} : field_in_path(route.pattern);
  const auto* const operation = is_by_name ? find_operation(exchange.parameter) : exchange.operation;
  JsonElement ignored;
  const bool is_in_body = !in_path.empty() && !body.at_key(in_path).get(ignored);
  Fault fault;
  if (operation != nullptr) {
    fault = fault_in_arguments(exchange, *operation, in_path, body);
    if (fault && !in_path.empty() && !is_in_body && fault->pointer == pointer_part(in_path)) return std::nullopt;
  } else if (route.about.body != nullptr && !body.is_array()) {
    fault = fault_in_shape(*route.about.body, body, told);
  } else {
    fault = fault_of_all(body, fault_of_message);
  }
  if (fault) return std::move(fault->pointer);
  // About the path: it is named first, and is none of the body's.
  if (!in_path.empty() && !is_in_body && told.starts_with(fmt::format("`{}`", in_path))) return std::nullopt;
  return NamedFinder(told).find(body);
}

}  // namespace

Result<JsonElement> read_body(Exchange& exchange, JsonDocument& document) {
  auto value = document.parse(exchange.request.body);
  exchange.is_body_read = value.has_value();
  return value;
}

Answer point_at_fault(const Exchange& exchange, const HttpRoute& route, Answer refusal) {
  const auto form = posted_event_form(exchange.request.head);
  const bool is_event = form == EventForm::structured || form == EventForm::batched;
  JsonDocument sent, said;
  const auto body = sent.parse(exchange.request.body, is_event ? Vocabulary::cloud_events : Vocabulary::ours);
  const auto answer = said.parse(refusal.body);
  std::string_view told;
  if (!body || !answer || answer->at_key("error").get(told)) return refusal;
  std::optional<std::string> where;
  if (is_event) {
    const auto fault = fault_of_all(*body, fault_of_event);
    where = fault ? fault->pointer : NamedFinder(told).find(*body);
  } else {
    where = pointer_to_fault(exchange, route, *body, told);
  }
  if (!where) return refusal;
  std::string pointer;
  JsonWriter(pointer).value(*where);
  refusal.body.replace(refusal.body.rfind('}'), 1, fmt::format(",\"pointer\":{}}}", pointer));
  refusal.status = 422;
  return refusal;
}

}  // namespace folkmoot
