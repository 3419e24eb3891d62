// CloudEvents: an input that begins with `{` is one in JSON, any other the fields of a header, a line each (`name:
// value`), with the data behind an empty line. What is taken must come out as a valid event, through an envelope, in
// JSON and in a header, and mean the same when it is read again.
#include <algorithm>
#include <cstdlib>

#include "message/cloud_event.hpp"
#include "message/cloud_event_text.hpp"
#include "message/envelope.hpp"

namespace folkmoot {
namespace {

Result<Message> read_json(std::string_view text) {
  JsonDocument document;
  const auto value = document.parse(text, Vocabulary::cloud_events);
  if (!value) return std::unexpected(value.error());
  return message_from_event(*value);
}

Result<Message> read_fields(std::string_view text) {
  std::vector<HeaderField> fields;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) break;
    const auto colon = std::min(line.find(": "), line.size());
    fields.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
  return message_from_event_fields(fields, text);
}

std::string written(const Message& message) {
  std::string out;
  JsonWriter json(out);
  append_event(json, message);
  return out;
}

void require(bool holds) {
  if (!holds) std::abort();
}

std::string_view without_blanks(std::string_view json) {
  const auto first = json.find_first_not_of(" \t\r\n");
  return first == json.npos ? json : json.substr(first, json.find_last_not_of(" \t\r\n") - first + 1);
}

// Blanks around data in JSON are none of it once it stands in an event in JSON.
void check(const Message& message) {
  const auto text = written(message);
  const auto again = read_json(text);
  require(again.has_value());
  const bool is_same = again->content == message.content;
  require(is_same ? written(*again) == text : again->content == without_blanks(message.content));
  auto fields = event_fields(message);
  if (auto type = event_content_type(message); !type.empty()) fields.emplace_back("content-type", std::move(type));
  const auto as_fields = message_from_event_fields(fields, message.content);
  require(as_fields.has_value() && event_fields(*as_fields) == event_fields(message));
  for (const auto& [name, value] : fields) {
    require(name == "content-type" || std::ranges::all_of(value, [](char c) { return c > ' ' && c <= '~'; }));
  }
}

}  // namespace
}  // namespace folkmoot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace folkmoot;
  const auto text = as_text({data, size});
  auto message = text.starts_with('{') ? read_json(text) : read_fields(text);
  if (!message) return 0;
  check(*message);
  if (!address_event(*message, {.to = "bob", .mode = DeliveryMode::exactly_once})) return 0;
  std::string envelope;
  if (!encode_envelope(*message, envelope)) return 0;
  const auto back = decode_message(as_bytes(envelope + message->content));
  require(back.has_value() && written(*back) == written(*message));
  return 0;
}
