// folkmoot route: rules that find a recipient for messages sent without one.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "operation/json_codec.hpp"

namespace folkmoot::cli {
namespace {

struct RouteOptions {
  RouteRule rule;
  std::string strategy = "round_robin";
  std::vector<std::string> targets;  // NAME or NAME=WEIGHT
  bool json = false;
};

// The server checks names and weights; here only what is a weight is told from what is a name.
WeightedTarget target_of(const std::string& text) {
  const auto at = text.rfind('=');
  if (at == std::string::npos) return {text};
  WeightedTarget target{text.substr(0, at)};
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + at + 1, end, target.weight);
  if (read.ec != std::errc{} || read.ptr != end) throw_invalid("TARGET", text + " is not NAME or NAME=WEIGHT");
  return target;
}

std::string in_words(const RouteStatus& route) {
  const auto& rule = route.rule;
  std::string targets;
  for (const auto& target : rule.targets) {
    targets += fmt::format("{}{}", targets.empty() ? "" : ", ", target.name);
    if (target.weight != 1) targets += fmt::format("={}", target.weight);
  }
  auto line = fmt::format("{}  order {}  to {} ({})", rule.name, rule.order, targets, name(rule.strategy));
  if (!rule.hash_on.empty()) line += "  on " + rule.hash_on;
  if (!rule.filter.empty()) line += "  if " + rule.filter;
  return line + fmt::format("  routed {}", route.routed);
}

void add_route_add(App& route) {
  auto* command = route.add_subcommand("add", "Add a rule, in the place of one of the same name");
  const auto options = std::make_shared<RouteOptions>();
  command->add_option("NAME", options->rule.name, "By which it is removed again")->required();
  command->add_option("TARGET", options->targets, "Who gets the messages: a name, or NAME=WEIGHT; several share them")
      ->required();
  command->add_option("--filter", options->rule.filter,
                      "Only messages that this holds for, such as \"type = 'task' AND priority <= 3\" (default: all)");
  command->add_option("--order", options->rule.order, "Rules with lower numbers are asked first (default 100)");
  command
      ->add_option("--strategy", options->strategy,
                   "How several targets share: round_robin (default), weighted, least_loaded, random, hash")
      ->check(one_of({"round_robin", "weighted", "least_loaded", "random", "hash"}));
  command->add_option("--hash-on", options->rule.hash_on,
                      "The field that strategy hash goes by, such as metadata.customer");
  command->add_flag("--consumers-only", options->rule.consumers_only, "Pass over a target that has no free consumer");
  command->add_flag("--json", options->json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot route add urgent expert --filter 'priority <= 3' --order 10\n"
              "  route urgent is set\n"
              "  $ folkmoot send '' \"the build is red\" --priority critical");
  command->callback([options] {
    auto& rule = options->rule;
    for (const auto& target : options->targets) rule.targets.push_back(target_of(target));
    rule.strategy = parse_route_strategy(options->strategy).value_or(rule.strategy);
    Session session;
    value(session->call(rule));
    print_done(options->json, fmt::format("route {} is set", options->rule.name),
               {{"route", options->rule.name}, {"status", "set"}});
  });
}

void add_route_list(App& route) {
  auto* command = route.add_subcommand("list", "List the rules, in the order they are asked");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "One a line, as JSON");
  set_example(*command,
              "  $ folkmoot route list\n"
              "  urgent  order 10  to expert (round_robin)  if priority <= 3  routed 4");
  command->callback([as_json] {
    Session session;
    for (const auto& one : value(session->call(ListRoutes{})).routes)
      print_line(*as_json ? to_json_text(one, Sparse::as_described) : in_words(one));
  });
}

void add_route_remove(App& route) {
  auto* command = route.add_subcommand("remove", "End one");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("NAME", *name, "As it was added")->required();
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot route remove urgent\n"
              "  route urgent is removed");
  command->callback([name, json] {
    Session session;
    value(session->call(RemoveRoute{*name}));
    print_done(*json, fmt::format("route {} is removed", *name), {{"route", *name}, {"status", "removed"}});
  });
}

void add_load(App& route) {
  auto* command = route.add_subcommand(
      "load", "Say how busy the agent of --as is: strategy least_loaded adds it to what waits for it");
  const auto load = std::make_shared<std::uint32_t>(0);
  const auto json = std::make_shared<bool>(false);
  command->add_option("LOAD", *load, "In messages; holds until it says otherwise")
      ->required()
      ->check(in_range(0, 1'000'000'000));
  command->add_flag("--json", *json, "Print as JSON");
  set_example(*command,
              "  $ folkmoot --as expert route load 12\n"
              "  the load of expert is 12");
  command->callback([load, json] {
    Session session;
    value(session->call(ReportLoad{.load = *load}));
    print_done(*json, fmt::format("the load of {} is {}", globals().agent, *load),
               {{"agent", globals().agent}, {"status", "set"}});
  });
}

}  // namespace

void add_route(App& app) {
  auto* command = app.add_subcommand("route", "Find recipients for messages that are sent without one (TO is '')");
  command->require_subcommand(1);
  add_route_add(*command);
  add_route_list(*command);
  add_route_remove(*command);
  add_load(*command);
  set_example(*command, "  $ folkmoot route add reviews alice=3 bob --strategy weighted --filter \"type = 'review'\"");
}

}  // namespace folkmoot::cli
