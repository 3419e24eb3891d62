#include "gateway/http/openapi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "gateway/http/routes.hpp"
#include "gateway/http/shapes.hpp"
#include "gateway/json_events.hpp"
#include "gateway/websocket/asyncapi.hpp"
#include "message/json_writer.hpp"
#include "operation/fields.hpp"
#include "operation/operations.hpp"
#include "operation/schema.hpp"

namespace folkmoot {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

// An operation's own name; of other routes method and path in letters: "get_api_content_hash".
std::string id_of(const HttpRoute& route) {
  if (route.operation != nullptr) return std::string(route.operation->name);
  auto id = lower(route.method);
  for (const char c : route.pattern) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_letter) id += c;
    if (c == '/') id += '_';
  }
  return id;
}

void write_parameter(JsonWriter& out, const FieldInfo& field, std::string_view in, bool required) {
  out.begin_object().field("name", field.name).field("in", in).field("required", required);
  out.field("description", field.what).key("schema");
  write_written_schema(out, field);
  out.end_object();
}

void write_parameters(JsonWriter& out, const HttpRoute& route, const StructInfo* query, const StructInfo* all) {
  const auto in_path = field_in_path(route.pattern);
  out.key("parameters").begin_array();
  if (!in_path.empty()) {
    const auto place = all != nullptr ? find_place(*all, nullptr, in_path) : Place{};
    if (place.field != nullptr) {
      write_parameter(out, *place.field, "path", true);
    } else {
      out.begin_object().field("name", in_path).field("in", "path").field("required", true);
      out.key("schema").begin_object().field("type", "string");
      if (in_path == "id") out.field("format", "uuid");
      if (in_path == "hash") out.field("pattern", "^[0-9a-fA-F]{64}$");
      out.end_object().end_object();
    }
  }
  if (query != nullptr) {
    for (const auto& place : places(*query, query->blank())) {
      if (place.field->name != in_path) write_parameter(out, *place.field, "query", place.field->rules.required);
    }
  }
  out.begin_object().field("name", "X-Agent").field("in", "header").field("required", false);
  out.field("description", "Who asks").key("schema").begin_object().field("type", "string");
  out.field("maxLength", kNameBytesMax).field("pattern", R"(^[^\u0000-\u001f\u007f]*$)").end_object().end_object();
  out.end_array();
}

void refer(JsonWriter& out, std::string_view name) {
  out.begin_object().field("$ref", fmt::format("#/components/schemas/{}", name)).end_object();
}

bool has_required(const StructInfo& info, std::string_view without) {
  return std::ranges::any_of(places(info, info.blank()), [&](const Place& place) {
    return place.field->rules.required && place.field->name != without;
  });
}

// In their two forms in JSON; the third has the attributes in the header, and whatever body.
void write_event_forms(JsonWriter& out) {
  out.key(kEventType).begin_object().key("schema");
  refer(out, "CloudEvent");
  out.end_object().key(kEventBatchType).begin_object().key("schema");
  out.begin_object().field("type", "array").key("items");
  refer(out, "CloudEvent");
  out.end_object().end_object();
}

void write_cloud_event(JsonWriter& out) {
  out.begin_object().field("type", "object");
  out.field("description", "CloudEvents 1.0 in JSON; extensions are further attributes (docs/cloudevents.md)");
  out.key("properties").begin_object();
  out.key("specversion").begin_object().field("const", "1.0").end_object();
  for (const auto* name : {"id", "source", "type", "subject"})
    out.key(name).begin_object().field("type", "string").field("minLength", 1).end_object();
  out.key("time").begin_object().field("type", "string").field("format", "date-time").end_object();
  for (const auto* name : {"datacontenttype", "dataschema", "data_base64"})
    out.key(name).begin_object().field("type", "string").end_object();
  out.key("data").begin_object().end_object();
  out.end_object().key("required").begin_array();
  for (const auto* name : {"specversion", "id", "source", "type"}) out.value(name);
  out.end_array().end_object();
}

void write_body(JsonWriter& out, const HttpRoute& route, const StructInfo* body) {
  const auto shape = route.about.body_shape;
  if (body == nullptr && shape.empty()) return;
  if (shape == "events") {
    out.key("requestBody").begin_object().field("required", true).key("content").begin_object();
    write_event_forms(out);
    out.end_object().end_object();
    return;
  }
  out.key("requestBody")
      .begin_object()
      .field("required",
             body != nullptr ? has_required(*body, field_in_path(route.pattern)) : shape.starts_with("message"))
      .key("content")
      .begin_object();
  out.key(shape == "bytes" ? "application/octet-stream" : "application/json").begin_object().key("schema");
  if (body != nullptr) {
    write_schema(out, *body, Side::question, field_in_path(route.pattern));
  } else if (shape == "message") {
    refer(out, "MessageInput");
  } else if (shape == "messages") {
    out.begin_object().key("anyOf").begin_array();
    refer(out, "MessageInput");
    out.begin_object().field("type", "array").key("items");
    refer(out, "MessageInput");
    out.end_object().end_array().end_object();
  } else {
    out.begin_object();
    if (shape == "arguments") out.field("type", "object");
    out.end_object();
  }
  out.end_object().end_object().end_object();
}

// What is answered event by event: told apart by their names, and each an object.
void write_told(JsonWriter& out) {
  out.key("text/event-stream").begin_object().end_object();
  for (const auto* type : {"application/jsonl", "application/x-ndjson"}) out.key(type).begin_object().end_object();
}

void write_answer_schema(JsonWriter& out, const StructInfo& answer, const RouteAbout& about) {
  out.key("schema");
  if (about.other == nullptr && about.others == nullptr) return write_schema(out, answer, Side::answer);
  out.begin_object().key("anyOf").begin_array();
  write_schema(out, answer, Side::answer);
  if (about.other != nullptr) write_schema(out, *about.other, Side::answer);
  if (about.others != nullptr) {
    out.begin_object().field("type", "array").key("items");
    write_schema(out, *about.others, Side::answer);
    out.end_object();
  }
  out.end_array().end_object();
}

void write_done(JsonWriter& out, const HttpRoute& route, const StructInfo* answer, std::string_view what) {
  const auto& about = route.about;
  const auto type = route.operation != nullptr ? std::string_view("application/json") : about.answer_type;
  out.begin_object().field("description", what);
  if (!type.empty()) {
    out.key("content").begin_object();
    if (!(about.is_told && type == "text/event-stream")) {
      out.key(type).begin_object();
      if (answer != nullptr) write_answer_schema(out, *answer, about);
      out.end_object();
    }
    if (about.is_told) write_told(out);
    if (about.has_events) write_event_forms(out);
    out.end_object();
  }
  out.end_object();
}

void write_problem(JsonWriter& out, const HttpRoute& route, std::string_view what,
                   std::string_view schema = "Problem") {
  out.begin_object().field("description", what);
  if (route.method != "HEAD") {
    out.key("content").begin_object();
    for (const auto type : {std::string_view("application/json"), kProblemType}) {
      out.key(type).begin_object().key("schema");
      refer(out, schema);
      out.end_object();
    }
    out.end_object();
  }
  out.end_object();
}

// What is JSON, and wrong by its fields.
void write_fault(JsonWriter& out) {
  out.begin_object().field("type", "object").key("properties").begin_object();
  for (const auto& [name, what] : {std::pair("code", "docs/protocol.md, section 10"),
                                   {"error", "What happened, to what"},
                                   {"advice", "What to do"},
                                   {"pointer", "Where in the body: a JSON pointer (RFC 6901); empty: all of it"}})
    out.key(name).begin_object().field("type", "string").field("description", what).end_object();
  out.end_object().key("required").begin_array().value("code").value("error").value("pointer").end_array();
  out.end_object();
}

// Statuses of 500 and more that do not say that the server is broken.
void write_unable(JsonWriter& out, const HttpRoute& route) {
  const bool is_look = route.method == "GET" || route.method == "HEAD";
  if (!route.about.unable.empty()) {
    write_done(out.key("503"), route, route.about.answer, route.about.unable);
  } else {
    write_problem(out.key("503"), route,
                  "no_consumer, busy, shutting_down, connection_lost or circuit_open: try again");
  }
  write_problem(out.key("504"), route, "timed_out: nobody has answered in time");
  if (!is_look) write_problem(out.key("507"), route, "disk_full: durable messages are refused");
}

void write_responses(JsonWriter& out, const HttpRoute& route, const StructInfo* answer, int status, bool takes_json) {
  const bool is_content = route.handler == fetch_content;
  out.key("responses").begin_object();
  write_done(out.key(std::to_string(status)), route, answer, "Done");
  if (route.about.has_events)
    out.key("204").begin_object().field("description", "As one CloudEvent: there is none").end_object();
  if (route.handler == publish_messages || route.handler == publish_events) {
    out.key("200").begin_object().field("description", "Of a list: what became of each, in their order");
    out.key("content").begin_object().key("application/json").begin_object().key("schema");
    out.begin_object().field("type", "array").key("items");
    write_schema(out, describe<OneResult>(), Side::answer);
    out.end_object().end_object().end_object().end_object();
  } else if (route.handler == store_content) {
    write_done(out.key("200"), route, answer, "It was stored before");
  } else if (is_content) {
    write_done(out.key("206"), route, answer, "The range that was asked for");
  } else if (route.handler == call_by_name) {
    write_done(out.key("201"), route, &describe<PublishedMessage>(), "Sent: of operations that publish");
  }
  if (takes_json) {
    write_problem(out.key("422"), route, "The body is JSON, and wrong by its fields: `pointer` says where", "Fault");
  }
  write_unable(out, route);
  write_problem(out.key("default"), route, "Refused: what happened, to what, and what to do");
  out.end_object();
}

void write_route(JsonWriter& out, const HttpRoute& route) {
  const bool by_query = route.method == "GET" || route.method == "DELETE" || route.method == "HEAD";
  const auto* const operation = route.operation;
  const auto* const all = operation != nullptr ? operation->arguments : nullptr;
  const auto* const query = operation == nullptr ? route.about.query : by_query ? all : nullptr;
  const auto* const body = operation == nullptr ? route.about.body : by_query ? nullptr : all;
  const bool confirms = operation != nullptr && operation->layout == Layout::confirm;
  const auto* const answer = confirms               ? &describe<PublishedMessage>()
                             : operation != nullptr ? operation->answer
                                                    : route.about.answer;
  out.key(lower(route.method)).begin_object().field("operationId", id_of(route));
  out.field("summary", operation != nullptr ? operation->what : route.about.what);
  if (route.is_open) out.key("security").begin_array().end_array();
  write_parameters(out, route, query, all);
  write_body(out, route, body);
  write_responses(out, route, answer,
                  confirms               ? 201
                  : operation != nullptr ? 200
                                         : route.about.status,
                  body != nullptr || (!route.about.body_shape.empty() && route.about.body_shape != "bytes"));
  out.end_object();
}

std::string write_document() {
  std::string text;
  JsonWriter out(text);
  out.begin_object().field("openapi", "3.1.0");
  out.key("info").begin_object().field("title", "folkmoot").field("version", "1");
  out.field("description", "A message bus for AI agents; docs/protocol.md says more.").end_object();
  std::map<std::string_view, std::vector<const HttpRoute*>> by_path;
  for (const auto& route : routes()) by_path[route.pattern].push_back(&route);
  out.key("paths").begin_object();
  for (const auto& [path, rows] : by_path) {
    out.key(path).begin_object();
    for (const auto* const route : rows) write_route(out, *route);
    out.end_object();
  }
  out.end_object();
  out.key("components").begin_object().key("schemas").begin_object();
  write_shared_schemas(out);
  write_cloud_event(out.key("CloudEvent"));
  write_fault(out.key("Fault"));
  out.end_object().key("securitySchemes").begin_object().key("token").begin_object();
  out.field("type", "http").field("scheme", "bearer").end_object().end_object().end_object();
  out.key("security").begin_array().begin_object().end_object();
  out.begin_object().key("token").begin_array().end_array().end_object().end_array();
  out.end_object();
  return text;
}

}  // namespace

const std::string& openapi_document() {
  static const auto text = write_document();
  return text;
}

asio::awaitable<Answer> show_openapi(Exchange&) { co_return json_answer(200, openapi_document()); }

asio::awaitable<Answer> show_asyncapi(Exchange&) { co_return json_answer(200, asyncapi_document()); }

}  // namespace folkmoot
