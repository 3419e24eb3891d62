// folkmoot describe: the operations of the list, what each takes and what it answers.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "gateway/http/openapi.hpp"
#include "gateway/websocket/asyncapi.hpp"
#include "operation/description.hpp"
#include "operation/fields.hpp"
#include "operation/operations.hpp"

namespace folkmoot::cli {
namespace {

std::string indented(std::size_t depth, std::string_view text) { return fmt::format("{:{}}{}", "", 2 * depth, text); }

void describe_fields(const StructInfo& info, std::size_t depth, bool is_question) {
  for (const auto& place : places(info, info.blank())) {
    const auto& field = *place.field;
    const auto needed = is_question && field.rules.required ? ", required" : "";
    const auto unit = field.rules.unit.empty() ? std::string() : fmt::format(" ({})", field.rules.unit);
    print_line(
        indented(depth, fmt::format("{:<16} {}{}{}; {}", field.name,
                                    is_question ? allowed(field) : kind_name(*field.type), unit, needed, field.what)));
    const auto& type = field.type->kind == Kind::list ? *field.type->element : *field.type;
    if (type.kind == Kind::object) describe_fields(*type.object, depth + 1, is_question);
  }
}

void describe_one(const OperationInfo& operation) {
  print_line(fmt::format("{}: {}", operation.name, operation.what));
  print_line(fmt::format("  over HTTP: {}", operation.http.empty() ? fmt::format("POST /api/call/{}", operation.name)
                                                                   : fmt::format("{}, or POST /api/call/{}",
                                                                                 operation.http, operation.name)));
  print_line(fmt::format("  right: {}", kRightWords[static_cast<std::size_t>(operation.right)]));
  print_line(operation.arguments->fields.empty() ? "  takes nothing" : "  takes");
  describe_fields(*operation.arguments, 2, true);
  print_line(operation.answer->fields.empty() ? "  answers that it is done" : "  answers");
  describe_fields(*operation.answer, 2, false);
}

void print_described(const std::string& name) {
  if (name.empty()) {
    for (const auto& operation : operations()) print_line(fmt::format("{:<20} {}", operation.name, operation.what));
    return;
  }
  const auto* const operation = find_operation(name);
  if (operation == nullptr) throw_invalid("NAME", no_such_operation(name));
  describe_one(*operation);
}

}  // namespace

void add_describe(App& app) {
  auto* command = app.add_subcommand("describe", "List the operations of `folkmoot call`, or tell all about one");
  const auto name = std::make_shared<std::string>();
  const auto openapi = std::make_shared<bool>(false), asyncapi = std::make_shared<bool>(false);
  const auto json = std::make_shared<bool>(false);
  auto* const which = command->add_option("NAME", *name, "Which");
  auto* const of_http = command->add_flag("--openapi", *openapi,
                                          "The OpenAPI 3.1 document of the HTTP door, as GET /openapi.json gives it");
  auto* const of_websocket = command->add_flag(
      "--asyncapi", *asyncapi, "The AsyncAPI 3.0 document of JSON on WebSockets, as GET /asyncapi.json gives it");
  auto* const of_all =
      command->add_flag("--json", *json, "All operations and frames with their fields, for programs that read them");
  of_http->excludes(which)->excludes(of_websocket)->excludes(of_all);
  of_websocket->excludes(which)->excludes(of_all);
  of_all->excludes(which);
  set_example(*command,
              "  $ folkmoot describe route.remove\n"
              "  route.remove: Ends a rule\n"
              "    over HTTP: DELETE /api/routes/{name}, or POST /api/call/route.remove");
  command->callback([name, openapi, asyncapi, json] {
    if (*openapi) return print_line(openapi_document());
    if (*asyncapi) return print_line(asyncapi_document());
    if (*json) return print_line(description_json());
    print_described(*name);
  });
}

}  // namespace folkmoot::cli
