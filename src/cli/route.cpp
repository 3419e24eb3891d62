// folkmoot route: rules that find a recipient for messages sent without one.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string name, filter, strategy, hash_on;
  std::vector<std::string> targets;  // NAME or NAME=WEIGHT
  std::uint32_t order = 100;
  bool consumers_only = false;
};

// The server checks names and weights; here only what is a weight is told from what is a name.
void append_target(JsonWriter& out, const std::string& text) {
  const auto at = text.rfind('=');
  std::uint32_t weight = 1;
  if (at != std::string::npos) {
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + at + 1, end, weight);
    if (read.ec != std::errc{} || read.ptr != end) throw CLI::ValidationError("TARGET", text + " is not NAME or NAME=WEIGHT");
  }
  out.begin_object().field("name", std::string_view(text).substr(0, at)).field("weight", weight).end_object();
}

std::string to_json(const Options& options) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("name", options.name).field("order", options.order).optional_field("filter", options.filter);
  writer.optional_field("strategy", options.strategy).optional_field("hash_on", options.hash_on);
  if (options.consumers_only) writer.field("consumers_only", true);
  writer.key("targets").begin_array();
  for (const auto& target : options.targets) append_target(writer, target);
  writer.end_array().end_object();
  return out;
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* const found = object.if_contains(key);
  if (found == nullptr) return {};
  return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

std::string describe(const json::object& route) {
  std::string targets;
  if (const auto* const list = route.if_contains("targets"); list != nullptr && list->is_array()) {
    for (const auto& target : list->get_array()) {
      if (!target.is_object()) continue;
      const auto weight = text_of(target.get_object(), "weight");
      targets += fmt::format("{}{}{}", targets.empty() ? "" : ", ", text_of(target.get_object(), "name"), weight == "1" ? "" : "=" + weight);
    }
  }
  auto line = fmt::format("{}  order {}  to {} ({})", text_of(route, "name"), text_of(route, "order"), targets, text_of(route, "strategy"));
  if (const auto hash_on = text_of(route, "hash_on"); !hash_on.empty()) line += "  on " + hash_on;
  if (const auto filter = text_of(route, "filter"); !filter.empty()) line += "  if " + filter;
  return line + "  routed " + text_of(route, "routed");
}

void add_add(CLI::App& route) {
  auto* command = route.add_subcommand("add", "Add a rule, in the place of one of the same name");
  const auto options = std::make_shared<Options>();
  command->add_option("NAME", options->name, "By which it is removed again")->required();
  command->add_option("TARGET", options->targets, "Who gets the messages: a name, or NAME=WEIGHT; several share them")->required();
  command->add_option("--filter", options->filter, "Only messages that this holds for, such as \"type = 'task' AND priority <= 3\" (default: all)");
  command->add_option("--order", options->order, "Rules with lower numbers are asked first (default 100)");
  command->add_option("--strategy", options->strategy, "How several targets share: round_robin (default), weighted, least_loaded, random, hash")
      ->check(CLI::IsMember({"round_robin", "weighted", "least_loaded", "random", "hash"}));
  command->add_option("--hash-on", options->hash_on, "The field that strategy hash goes by, such as metadata.customer");
  command->add_flag("--consumers-only", options->consumers_only, "Pass over a target that has no free consumer");
  set_example(*command,
              "  $ folkmoot route add urgent expert --filter 'priority <= 3' --order 10\n"
              "  route urgent is set\n"
              "  $ folkmoot send '' \"the build is red\" --priority critical");
  command->callback([options] {
    const auto arguments = to_json(*options);
    Session session;
    value(session->call("route.set", arguments));
    print_line(fmt::format("route {} is set", options->name));
  });
}

void add_list(CLI::App& route) {
  auto* command = route.add_subcommand("list", "List the rules, in the order they are asked");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot route list\n"
              "  urgent  order 10  to expert (round_robin)  if priority <= 3  routed 4");
  command->callback([as_json] {
    Session session;
    boost::system::error_code wrong;
    const auto answer = json::parse(value(session->call("route.list")), wrong);
    const auto* const routes = answer.is_object() ? answer.get_object().if_contains("routes") : nullptr;
    if (wrong || routes == nullptr || !routes->is_array()) throw Failure({ErrorCode::malformed, "the server's list of routes is none"});
    for (const auto& one : routes->get_array()) {
      if (one.is_object()) print_line(*as_json ? json::serialize(one) : describe(one.get_object()));
    }
  });
}

void add_remove(CLI::App& route) {
  auto* command = route.add_subcommand("remove", "End one");
  const auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "As it was added")->required();
  set_example(*command,
              "  $ folkmoot route remove urgent\n"
              "  route urgent is removed");
  command->callback([name] {
    std::string arguments;
    JsonWriter(arguments).begin_object().field("name", *name).end_object();
    Session session;
    value(session->call("route.remove", arguments));
    print_line(fmt::format("route {} is removed", *name));
  });
}

}  // namespace

void add_route(CLI::App& app) {
  auto* command = app.add_subcommand("route", "Find recipients for messages that are sent without one (TO is '')");
  command->require_subcommand(1);
  add_add(*command);
  add_list(*command);
  add_remove(*command);
  set_example(*command, "  $ folkmoot route add reviews alice=3 bob --strategy weighted --filter \"type = 'review'\"");
}

}  // namespace folkmoot::cli
