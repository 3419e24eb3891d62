// Requests and commands, to one agent or to many, as the doors that speak JSON have them (docs/protocol.md, sections 11
// and 13): native REQUEST frames with numbers in a row, and what came of each.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/describe.hpp"
#include "gateway/json_messages.hpp"
#include "gateway/limits.hpp"
#include "message/gather.hpp"
#include "message/json_fields.hpp"

namespace folkmoot {

/// What a request says, to one agent or to many.
struct AskBody {
  JsonText to{}, need{};
  Message message{};
  std::vector<Message> messages{};
  std::chrono::milliseconds timeout{30'000};
  bool stream = false;

  static constexpr auto fields() {
    return std::array{
        field<&AskBody::to>(0, "to", "A name, or a list of them", {.shape = "Names"}),
        field<&AskBody::message>(1, "message", "What each is asked"),
        field<&AskBody::messages>(2, "messages", "Or one for each", {.min = 1, .max = kGatherMax}),
        field<&AskBody::need>(3, "need", "How many answers are enough: all, first or a number", {.shape = "Need"}),
        field<&AskBody::timeout>(4, "timeout_ms", "How long to wait", {.min = 1, .max = kAskTimeoutMsMax}),
        field<&AskBody::stream>(5, "stream", "Messages of type status are wanted too"),
    };
  }
};

/// And a command.
struct CommandBody {
  JsonText to{}, need{}, parameters{};
  std::string command{};
  Message message{};
  std::chrono::milliseconds timeout{30'000};
  bool stream = true;

  static constexpr auto fields() {
    return std::array{
        field<&CommandBody::to>(0, "to", "A name, or a list of them", {.required = true, .shape = "Names"}),
        field<&CommandBody::command>(1, "command", "What is to be done", {.required = true}),
        field<&CommandBody::parameters>(2, "parameters", "An object"),
        field<&CommandBody::message>(3, "message", "Other fields of the message"),
        field<&CommandBody::need>(4, "need", "How many answers are enough: all, first or a number", {.shape = "Need"}),
        field<&CommandBody::timeout>(5, "timeout_ms", "How long to wait", {.min = 1, .max = kAskTimeoutMsMax}),
        field<&CommandBody::stream>(6, "stream", "Messages of type status are told in any case"),
    };
  }
};

struct Asking {
  std::vector<Message> messages;        // one for each, or one for all of the recipients
  std::vector<std::string> recipients;  // whom each of them goes to
  std::size_t need = 0;                 // as Gather's
  std::uint32_t timeout_ms = 30'000;
  bool is_many = false;  // a list was given, if only of one
  bool with_status = false;

  std::size_t size() const { return recipients.size(); }
};

/// `message` and `to` (a name or a list), or `messages`; `need`, `timeout_ms`, `stream`. Errors: invalid_field,
/// out_of_range, content_too_large, those of a message.
Result<Asking> read_request(JsonFields& fields, std::string_view from);
/// `to`, `command`, `parameters`; `need`, `timeout_ms`; `message` with more of its fields.
Result<Asking> read_command(JsonFields& fields, std::string_view from);

/// A word of the JSON doors that asks one agent or many. It is REQUESTs, read in a way of its own.
struct AskingWord {
  std::string_view word{};
  std::string_view what{};
  const StructInfo* fields = nullptr;
  Result<Asking> (*read)(JsonFields&, std::string_view) = nullptr;
};
/// request_many and command.
std::span<const AskingWord> asking_words();

/// Appends the request to the recipient at `index`. Errors: as append_request().
Result<void> append_asked(std::string& out, std::uint32_t number, const Asking& asking, std::size_t index);

/// What became of the requests of one asking.
class Responses {
 public:
  explicit Responses(const Asking& asking);

  bool is_open(std::size_t index) const { return open_[index]; }
  bool is_over() const { return gather_.is_over(); }
  bool has_enough() const { return gather_.has_enough(); }
  const std::string& recipient(std::size_t index) const { return recipients_[index]; }

  /// Requires: is_open(index), !is_over().
  void answered(std::size_t index, const Message& answer);
  void failed(std::size_t index, Error why);
  /// Takes the rest as not needed any more: their places, for CANCELs.
  std::vector<std::size_t> end(const Error& why);

  /// Why there is no answer of this one. Requires: it failed, or was open at the end.
  const Error& why(std::size_t index) const;

  /// enough, answers (their number), missing: [{index, recipient, code, error}].
  void append_end_fields(JsonWriter& out) const;

 private:
  struct Missing {
    std::size_t index = 0;
    Error why{};
  };
  void close(std::size_t index) { open_[index] = false; }

  std::vector<std::string> recipients_;
  std::vector<bool> open_;
  std::vector<Missing> missing_;
  std::size_t answers_ = 0;
  Gather gather_;
};

}  // namespace folkmoot
