// folkmoot call: any operation of the list by its name. What one takes and answers is told by `folkmoot describe`.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/nearest.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/fields.hpp"
#include "operation/json_codec.hpp"
#include "operation/operations.hpp"

namespace folkmoot::cli {
namespace {

struct CallOptions {
  std::string name;
  std::vector<std::string> fields;
  bool json = false;
};

// Beside what was wrong with a value of it.
std::string how_lists_are_written(const FieldInfo& field) {
  if (field.type->kind != Kind::list) return {};
  return fmt::format("; it is a list, of which one value is given each time: {0}=ONE {0}=TWO", field.name);
}

// FIELD=VALUE into the arguments. A field that is given twice takes its last value, one that is a list all of them.
void set_field(const OperationInfo& operation, void* arguments, const std::string& pair) {
  const auto equals = pair.find('=');
  if (equals == std::string::npos || equals == 0) throw_invalid(pair, "is not FIELD=VALUE, such as limit=10");
  const auto name = pair.substr(0, equals);
  const auto place = find_place(*operation.arguments, arguments, name);
  if (place.field == nullptr) {
    const auto known = names(*operation.arguments);
    throw_invalid(name, fmt::format("is no field of {}{}; `folkmoot describe {}` tells them", operation.name,
                                    did_you_mean(name, known), operation.name));
  }
  const auto done = read_written(*place.field, place.at, std::string_view(pair).substr(equals + 1));
  if (!done) throw_invalid(name, done.error().text + how_lists_are_written(*place.field));
}

// What is no text has some value though nobody gave one.
void check_all_given(const OperationInfo& operation, const std::vector<std::string>& pairs) {
  for (const auto& field : operation.arguments->fields) {
    if (!field.rules.required || field.type->kind == Kind::text) continue;
    const auto start = fmt::format("{}=", field.name);
    if (std::ranges::none_of(pairs, [&](const auto& pair) { return pair.starts_with(start); }))
      throw_invalid(std::string(field.name),
                    fmt::format("is missing; `folkmoot describe {}` tells what it may be", operation.name));
  }
}

void call(const CallOptions& options) {
  const auto* const operation = find_operation(options.name);
  if (operation == nullptr) {
    throw_invalid("NAME", no_such_operation(options.name) + ". `folkmoot describe` lists them all");
  }
  const auto arguments = operation->arguments->make();
  for (const auto& pair : options.fields) set_field(*operation, arguments.get(), pair);
  check_all_given(*operation, options.fields);
  Session session;
  const auto answer = value(session->carry_out(*operation, arguments.get()));
  if (operation->layout == Layout::confirm)
    return print_line(cli::to_json(*static_cast<const PublishReceipt*>(answer.get())));
  std::string out;
  JsonWriter writer(out);
  write_json(writer, *operation->answer, answer.get(), Sparse::as_described);
  print_line(out);
}

}  // namespace

void add_call(App& app) {
  auto* command = app.add_subcommand("call", "Carry out any operation by its name; the answer is JSON");
  const auto options = std::make_shared<CallOptions>();
  command->add_option("NAME", options->name, "Which; `folkmoot describe` lists them")->required();
  command
      ->add_option("FIELD", options->fields,
                   "FIELD=VALUE: durations with their unit, what has parts as JSON; of a list one value each time")
      ->type_name("FIELD=VALUE");
  command->add_flag("--json", options->json, "As it is without: the answer is JSON");
  set_example(*command,
              "  $ folkmoot call dead.list mailbox=reviewer limit=10\n"
              "  {\"dead\":[],\"next\":null}\n"
              "  $ folkmoot call route.set name=reviews targets=alice targets=bob filter=\"type = 'review'\"\n"
              "  {}\n"
              "  $ folkmoot call consumer.set stream=orders name=billing\n"
              "  {}\n"
              "  $ folkmoot call consumer.ack stream=orders name=billing sequences=1 sequences=2\n"
              "  {}");
  command->callback([options] { call(*options); });
}

}  // namespace folkmoot::cli
