#include "gateway/websocket/asyncapi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/assert.hpp"
#include "gateway/asking.hpp"
#include "gateway/http/shapes.hpp"
#include "gateway/json_frames.hpp"
#include "gateway/websocket/shapes.hpp"
#include "message/json_writer.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/operations.hpp"
#include "operation/schema.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kChannel = "websocket";

/// An answer in JSON, but for `ok`, which is another after each operation.
struct AnswerWord {
  std::string_view word;
  std::string_view what;
  const StructInfo* fields;
  bool has_number = true;  // `request`
};
constexpr AnswerWord kAnswers[] = {
    {"welcome", "The server takes the connection", &describe<told::Welcome>()},
    {"confirm", "What became of a message", &describe<ConfirmAnswer>()},
    {"deliver", "A message, an event or a response", &describe<told::Deliver>()},
    {"settled", "What became of leases", &describe<told::Settled>()},
    {"lagged", "Events of a subscription were skipped", &describe<told::Lagged>()},
    {"gathered", "Enough agents have answered, or none can any more", &describe<GatheredAnswer>()},
    {"error", "What was asked is refused", &describe<ProblemAnswer>()},
    {"withdrawn", "A message is not the client's any more", &describe<told::Withdrawn>(), false},
    {"goodbye", "The server ends the connection", &describe<ProblemAnswer>()},
};
// These come unasked.
constexpr std::string_view kUnasked[] = {"withdrawn", "goodbye"};

/// What a frame's word may be answered with beside `error`, and what stands in its `ok`.
struct Answered {
  Opcode opcode;
  std::vector<std::string_view> words;
  const StructInfo* ok = nullptr;  // nullptr: nothing
};
const std::vector<Answered>& answered() {
  static const std::vector<Answered> all = {
      {Opcode::hello, {"welcome"}},
      {Opcode::publish, {"confirm"}},
      {Opcode::publish_batch, {"ok"}, &describe<told::ResultsOk>()},
      {Opcode::subscribe, {"ok", "deliver", "lagged"}},
      {Opcode::filter, {"ok"}},
      {Opcode::consume, {"ok", "deliver"}, &describe<told::ReadyOk>()},
      {Opcode::credit, {}},
      {Opcode::cancel, {"ok"}},
      {Opcode::receive, {"deliver", "ok"}, &describe<told::CountOk>()},
      {Opcode::ack, {"settled"}},
      {Opcode::nack, {"settled"}},
      {Opcode::extend, {"settled"}},
      {Opcode::request, {"deliver"}},
      {Opcode::receipt, {"ok"}, &describe<told::ReceiptsOk>()},
      {Opcode::wait, {"ok"}, &describe<told::WaitOk>()},
      {Opcode::stats, {"ok"}, &describe<told::StatsOk>()},
      {Opcode::ping, {"ok"}},
      {Opcode::mailbox, {"ok"}},
      {Opcode::complete, {"ok"}, &describe<told::ResultsOk>()},
      {Opcode::reject, {"settled"}},
      {Opcode::call, {"ok", "confirm"}, &describe<told::CallOk>()},
      {Opcode::content_open, {"ok"}, &describe<told::OpenedOk>()},
      {Opcode::content_write, {"ok"}},
      {Opcode::content_finish, {"ok"}, &describe<told::FinishedOk>()},
      {Opcode::content_stat, {"ok"}, &describe<told::SizeOk>()},
      {Opcode::content_read, {"ok"}, &describe<told::DataOk>()},
  };
  return all;
}

/// A word that a client may say: of a frame, of what asks agents, or an operation of the list.
struct Word {
  std::string_view word, what;
  const StructInfo* fields;
  bool may_be_quiet;                      // `quiet`
  std::vector<std::string_view> answers;  // but for `error`
  const StructInfo* ok = nullptr;         // what stands in `ok`; nullptr: nothing
  bool is_operation = false;              // it stands there as `result`
};

std::vector<Word> words() {
  std::vector<Word> all;
  for (const auto& frame : frames()) {
    const auto row = std::ranges::find(answered(), frame.opcode, &Answered::opcode);
    FOLKMOOT_ASSERT(row != answered().end());
    all.push_back({frame.word, frame.what, frame.fields, true, row->words, row->ok});
  }
  for (const auto& asking : asking_words())
    all.push_back({asking.word, asking.what, asking.fields, true, {"deliver", "gathered"}});
  for (const auto& operation : operations()) {
    const bool confirms = operation.layout == Layout::confirm;
    all.push_back({operation.name,
                   operation.what,
                   operation.arguments,
                   false,
                   {confirms ? "confirm" : "ok"},
                   confirms ? nullptr : operation.answer,
                   true});
  }
  return all;
}

// Keys of the document have letters, digits, hyphens and underscores.
std::string key_of(std::string_view word) {
  std::string key(word);
  std::ranges::replace(key, '.', '_');
  return key;
}

// `ok` is described once where nothing stands in it, else after its word.
std::string message_of(const Word& word, std::string_view answer) {
  return answer == "ok" && word.ok != nullptr ? fmt::format("{}_ok", key_of(word.word)) : std::string(answer);
}

void write_constant(JsonWriter& out, std::string_view name, std::string_view value) {
  out.key(name).begin_object().field("type", "string").field("const", value).end_object();
}

void write_number(JsonWriter& out, std::string_view what) {
  out.key("request").begin_object().field("type", "integer").field("minimum", 0).field("maximum", UINT32_MAX);
  out.field("description", what).end_object();
}

void write_question(JsonWriter& out, const Word& word) {
  out.key(key_of(word.word)).begin_object().field("name", word.word).field("summary", word.what);
  out.key("payload").begin_object().field("type", "object").key("properties").begin_object();
  write_constant(out, "op", word.word);
  write_number(out, "By which the answers are known; left out: 0");
  if (word.may_be_quiet && find_place(*word.fields, nullptr, "quiet").field == nullptr) {
    out.key("quiet").begin_object().field("type", "boolean");
    out.field("description", "Only what goes wrong is answered").end_object();
  }
  write_properties(out, *word.fields, Side::question);
  out.end_object().key("required").begin_array().value("op");
  write_required(out, *word.fields, Side::question);
  out.end_array().field("additionalProperties", false).end_object().end_object();
}

void write_answer(JsonWriter& out, std::string_view name, std::string_view op, std::string_view what, bool has_number,
                  const auto& properties, const auto& required) {
  out.key(name).begin_object().field("name", name).field("summary", what);
  out.key("payload").begin_object().field("type", "object").key("properties").begin_object();
  write_constant(out, "op", op);
  if (has_number) write_number(out, "As it was asked; 0: of nothing in particular");
  properties();
  out.end_object().key("required").begin_array().value("op");
  if (has_number) out.value("request");
  required();
  out.end_array().end_object().end_object();
}

void write_ok(JsonWriter& out, const Word& word) {
  const auto properties = [&] {
    if (!word.is_operation) return write_properties(out, *word.ok, Side::answer);
    write_schema(out.key("result"), *word.ok, Side::answer);
  };
  const auto required = [&] {
    if (!word.is_operation) return write_required(out, *word.ok, Side::answer);
    out.value("result");
  };
  write_answer(out, message_of(word, "ok"), "ok", fmt::format("{}: done", word.word), true, properties, required);
}

void write_messages(JsonWriter& out, const std::vector<Word>& all) {
  for (const auto& word : all) {
    write_question(out, word);
    if (word.ok != nullptr) write_ok(out, word);
  }
  write_answer(out, "ok", "ok", "Done", true, [] {}, [] {});
  for (const auto& answer : kAnswers) {
    write_answer(
        out, answer.word, answer.word, answer.what, answer.has_number,
        [&] { write_properties(out, *answer.fields, Side::answer); },
        [&] { write_required(out, *answer.fields, Side::answer); });
  }
}

void refer(JsonWriter& out, std::string_view to) { out.begin_object().field("$ref", to).end_object(); }

void refer_to_message(JsonWriter& out, std::string_view name) {
  refer(out, fmt::format("#/channels/{}/messages/{}", kChannel, name));
}

void begin_operation(JsonWriter& out, std::string_view word, std::string_view what, std::string_view action) {
  out.key(key_of(word)).begin_object().field("action", action).field("summary", what).key("channel");
  refer(out, fmt::format("#/channels/{}", kChannel));
  out.key("messages").begin_array();
  refer_to_message(out, key_of(word));
  out.end_array();
}

// An application receives what its clients say.
void write_operations(JsonWriter& out, const std::vector<Word>& all) {
  for (const auto& word : all) {
    begin_operation(out, word.word, word.what, "receive");
    out.key("reply").begin_object().key("channel");
    refer(out, fmt::format("#/channels/{}", kChannel));
    out.key("messages").begin_array();
    for (const auto answer : word.answers) refer_to_message(out, message_of(word, answer));
    refer_to_message(out, "error");
    out.end_array().end_object().end_object();
  }
  for (const auto word : kUnasked) {
    const auto* const answer = std::ranges::find(kAnswers, word, &AnswerWord::word);
    begin_operation(out, word, answer->what, "send");
    out.end_object();
  }
}

void write_channel(JsonWriter& out, const std::vector<Word>& all) {
  out.key(kChannel).begin_object().field("address", "/ws");
  out.field("description", "Text messages are one JSON object each; binary ones native frames (docs/protocol.md)");
  out.key("messages").begin_object();
  write_messages(out, all);
  out.end_object().key("bindings").begin_object().key("ws").begin_object().field("method", "GET").key("query");
  write_schema(out, describe<AgentQuery>(), Side::question);
  out.field("bindingVersion", "0.1.0").end_object().end_object().end_object();
}

void write_server(JsonWriter& out) {
  out.key("folkmoot").begin_object().field("host", "{address}").field("protocol", "ws");
  out.field("description", "A server; the token is asked for if it was given one").key("variables").begin_object();
  out.key("address").begin_object().field("default", "127.0.0.1:7470").end_object().end_object();
  out.key("security").begin_array();
  refer(out, "#/components/securitySchemes/token");
  out.end_array().end_object();
}

std::string write_document() {
  const auto all = words();
  std::string text;
  JsonWriter out(text);
  out.begin_object().field("asyncapi", "3.0.0");
  out.key("info").begin_object().field("title", "folkmoot").field("version", "1");
  out.field("description", "A message bus for AI agents: its WebSocket door in JSON. docs/protocol.md says more.");
  out.end_object().field("defaultContentType", "application/json");
  out.key("servers").begin_object();
  write_server(out);
  out.end_object().key("channels").begin_object();
  write_channel(out, all);
  out.end_object().key("operations").begin_object();
  write_operations(out, all);
  out.end_object().key("components").begin_object().key("schemas").begin_object();
  write_shared_schemas(out);
  out.end_object().key("securitySchemes").begin_object().key("token").begin_object();
  out.field("type", "http").field("scheme", "bearer").end_object().end_object().end_object();
  out.end_object();
  return text;
}

}  // namespace

const std::string& asyncapi_document() {
  static const auto text = write_document();
  return text;
}

}  // namespace folkmoot
