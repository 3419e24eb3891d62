// Who reads a body says what is wrong and not where: what is read on every request would otherwise keep a path for the
// few that are refused, and the engine, which refuses some of it, knows no document. So the parts of the body are read
// here once more, each alone; where that says the same as the refusal, there the fault is. What only the whole shows (a
// field that is missing, two that exclude each other) is where the field is, or would be, that the refusal names.
#include "gateway/http/fault.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "gateway/http/answers.hpp"
#include "gateway/http/cloud_events.hpp"
#include "message/cloud_event.hpp"
#include "message/json_mapping.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kPartsMax = 20'000;  // that are read again: twice as many as a batch may have messages
constexpr std::string_view kFirstEntry = ", entry 0: ";

class FaultFinder {
 public:
  explicit FaultFinder(std::string_view told) : told_(told) {}

  const std::string& pointer() const { return pointer_; }

  // Each is true once the pointer leads to the fault.
  bool in_message(const JsonElement& message);
  bool in_messages(const JsonElement& list);
  bool in_events(const JsonElement& list);
  bool in_struct(const StructInfo& info, const JsonElement& object);
  // A field of the object, or of an object in it, that the refusal names.
  bool in_named(const JsonElement& object);

 private:
  template <class Inner>
  bool below(std::string_view key, Inner inner) {
    const auto before = pointer_.size();
    pointer_ += '/';
    for (const char c : key) pointer_.append(c == '~' ? "~0" : c == '/' ? "~1" : std::string_view(&c, 1));
    if (inner()) return true;
    pointer_.resize(before);
    return false;
  }
  template <class Inner>
  bool each_below(const JsonElement& list, Inner inner) {
    dom::array array;
    if (list.get(array)) return false;
    std::size_t place = 0;
    for (const auto element : array) {
      if (below(std::to_string(place++), [&] { return inner(element); })) return true;
      if (parts_ >= kPartsMax) return false;
    }
    return false;
  }
  bool in_named_here(const JsonElement& value);
  bool in_type(const TypeInfo& type, const JsonElement& value);
  bool in_retry(const JsonElement& policy);
  // Whether reading an object that has nothing but this ends as the refusal says.
  bool is_it(std::string_view key, std::string_view value, auto read, std::string_view after = {});

  const std::string_view told_;
  std::string pointer_;
  std::size_t parts_ = 0;
  JsonDocument part_;
};

// What stands in backquotes: names of fields, mostly, and values.
std::vector<std::string_view> quoted(std::string_view text) {
  std::vector<std::string_view> words;
  for (auto at = text.find('`'); at < text.size();) {
    const auto end = text.find('`', at + 1);
    if (end == text.npos) break;
    words.push_back(text.substr(at + 1, end - at - 1));
    at = text.find('`', end + 1);
  }
  return words;
}

std::string text_of(std::string_view key, const JsonElement& value) {
  const auto content = is_content_field(key) ? content_text(value) : std::nullopt;
  return content ? std::string(*content) : json_of(value);
}

bool FaultFinder::is_it(std::string_view key, std::string_view value, auto read, std::string_view after) {
  if (++parts_ > kPartsMax) return false;
  std::string text;
  JsonWriter(text).begin_object().key(key).raw(value).end_object();
  const auto part = part_.parse(text);
  if (!part) return false;
  const auto done = read(*part);
  if (done) return false;
  const auto begin = after.empty() ? 0 : done.error().text.find(after);
  if (begin == std::string::npos) return false;
  const auto said = std::string_view(done.error().text).substr(begin + after.size());
  return !said.empty() && told_.contains(said);
}

bool FaultFinder::in_message(const JsonElement& message) {
  dom::object object;
  if (message.get(object)) return false;
  for (const auto [key, value] : object) {
    const auto inner = [&, key = key, value = value] {
      if (key.starts_with("retry") && in_retry(value)) return true;
      return is_it(key, text_of(key, value), [](const JsonElement& part) { return message_from_json(part); });
    };
    if (below(key, inner)) return true;
  }
  return in_named(message);
}

bool FaultFinder::in_retry(const JsonElement& policy) {
  dom::object object;
  if (policy.get(object)) return false;
  for (const auto [key, value] : object) {
    const auto inner = [&, key = key, value = value] { return is_it(key, json_of(value), retry_from_json); };
    if (below(key, inner)) return true;
  }
  return false;
}

bool FaultFinder::in_messages(const JsonElement& list) {
  return each_below(list, [&](const JsonElement& each) {
    const auto read = message_from_json(each);
    if (read || ++parts_ > kPartsMax || !told_.contains(read.error().text)) return false;
    in_message(each);  // as near as that is known
    return true;
  });
}

bool FaultFinder::in_events(const JsonElement& list) {
  return each_below(list, [&](const JsonElement& each) {
    const auto read = message_from_event(each);
    if (read || ++parts_ > kPartsMax || !told_.contains(read.error().text)) return false;
    in_named(each);
    return true;
  });
}

bool FaultFinder::in_struct(const StructInfo& info, const JsonElement& value) {
  dom::object object;
  if (value.get(object)) return false;
  const auto all = places(info, info.blank());
  const auto is_missing = [&](const Place& place) {
    return told_.contains(fmt::format("`{}` is missing", place.field->name));
  };
  const auto reads = [&](const JsonElement& part) -> Result<void> {
    const auto made = info.make();
    auto done = read_json(info, made.get(), part);
    // Alone, it is without whatever else must be there.
    const bool lacks_others =
        !done && done.error().text.ends_with(" is missing") && std::ranges::any_of(all, is_missing);
    return lacks_others ? Result<void>{} : done;
  };
  for (const auto [key, member] : object) {
    const auto place = find_place(info, nullptr, key);
    const auto inner = [&, key = key, member = member] {
      if (place.field == nullptr) return told_.contains(fmt::format("`{}`", key));
      if (in_type(place.type(), member)) return true;
      if (place.type().kind == Kind::list && each_below(member, [&](const JsonElement& each) {
            return is_it(key, fmt::format("[{}]", json_of(each)), reads, kFirstEntry);
          }))
        return true;
      return is_it(key, text_of(key, member), reads);
    };
    if (below(key, inner)) return true;
  }
  for (const auto& place : all) {
    JsonElement ignored;
    if (is_missing(place) && object.at_key(place.field->name).get(ignored))
      return below(place.field->name, [] { return true; });
  }
  return false;
}

bool FaultFinder::in_type(const TypeInfo& type, const JsonElement& value) {
  switch (type.kind) {
    case Kind::message:
      return in_messages(value) || in_message(value);
    case Kind::retry:
      return in_retry(value);
    case Kind::object:
      return in_struct(*type.object, value);
    case Kind::list:
      if (type.element->kind == Kind::message) return in_messages(value);
      return each_below(value, [&](const JsonElement& each) { return in_type(*type.element, each); });
    default:
      return false;
  }
}

bool FaultFinder::in_named_here(const JsonElement& value) {
  dom::object object;
  if (value.get(object)) return false;
  const auto here = [] { return true; };
  const auto words = quoted(told_);
  for (const auto& word : words) {
    JsonElement ignored;
    const auto is_there = !object.at_key(word).get(ignored);
    if (is_there || told_.contains(fmt::format("`{}` is missing", word))) return below(word, here);
  }
  // "filter, column 3: ..."; or what is quoted is what a field says: "`never` has one field; a cron expression has ..."
  for (const auto [key, member] : object) {
    if (told_.starts_with(key) && told_.substr(key.size()).starts_with(", ")) return below(key, here);
    const auto says = [&](const JsonElement& said) {
      std::string_view text;
      return !said.get(text) && std::ranges::find(words, text) != words.end();
    };
    if (says(member)) return below(key, here);
    if (++parts_ > kPartsMax) return false;
    if (!is_content_field(key) && below(key, [&, member = member] { return each_below(member, says); })) return true;
  }
  return false;
}

bool FaultFinder::in_named(const JsonElement& value) {
  if (in_named_here(value)) return true;
  dom::object object;
  if (value.get(object)) return false;
  for (const auto [key, member] : object) {
    if (++parts_ > kPartsMax) return false;
    if (is_content_field(key)) continue;  // what somebody else has written
    if (below(key, [&, member = member] { return in_named_here(member); })) return true;
  }
  return false;
}

// As the route's request is described.
bool find_fault(FaultFinder& finder, const Exchange& exchange, const HttpRoute& route, const JsonElement& body) {
  const auto* operation = exchange.operation;
  if (route.handler == call_by_name) operation = find_operation(exchange.parameter);
  const auto* const shape = operation != nullptr ? operation->arguments : route.about.body;
  const bool may_be_message = shape == nullptr || body.is_array();
  if (shape != nullptr && finder.in_struct(*shape, body)) return true;
  if (may_be_message && (finder.in_messages(body) || finder.in_message(body))) return true;
  return finder.in_named(body);
}

// Whether it is about what stands in the path: the field that is named first, and is none of the body's.
bool is_of_path(const HttpRoute& route, std::string_view told, const JsonElement& body) {
  const auto name = field_in_path(route.pattern);
  JsonElement ignored;
  return !name.empty() && told.starts_with(fmt::format("`{}`", name)) && body.at_key(name).get(ignored);
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
  if (!body || !answer || answer->at_key("error").get(told) || is_of_path(route, told, *body)) return refusal;
  FaultFinder finder(told);
  if (!is_event) {
    find_fault(finder, exchange, route, *body);
  } else if (!finder.in_events(*body)) {
    finder.in_named(*body);
  }
  std::string pointer;
  JsonWriter(pointer).value(finder.pointer());
  refusal.body.replace(refusal.body.rfind('}'), 1, fmt::format(",\"pointer\":{}}}", pointer));
  refusal.status = 422;
  return refusal;
}

}  // namespace folkmoot
