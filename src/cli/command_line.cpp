#include "cli/command_line.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/nearest.hpp"

namespace folkmoot::cli {
namespace {

Check of(const CLI::Validator& validator) {
  return {[validator](std::string& text) { return validator(text); }, validator.get_description()};
}

// The program, and of its subcommands those that were named, outermost first.
std::vector<const CLI::App*> named(const CLI::App& program) {
  std::vector<const CLI::App*> chain{&program};
  for (;;) {
    const auto below = chain.back()->get_subcommands();
    if (below.empty()) return chain;
    chain.push_back(below.front());
  }
}

std::vector<std::string> names_of_subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* const each : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(each->get_name());
  return names;
}

std::string nearest_of(const std::string& word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  return did_you_mean(word, known);
}

std::string no_command(const std::string& word, const std::vector<std::string>& known) {
  return fmt::format("there is no command `{}`{}", word, nearest_of(word, known));
}

// What the arguments have that nobody declared; empty: they have nothing of that kind.
std::string unknown_word(const CLI::App& program, const std::vector<const CLI::App*>& chain) {
  const auto left = program.remaining(true);
  if (left.empty()) return {};
  const auto option = std::ranges::find_if(left, [](const auto& word) { return word.starts_with('-'); });
  if (option != left.end()) {
    const auto word = option->substr(0, option->find('='));
    std::vector<std::string> known;
    for (const auto* const app : chain) {
      for (const auto* const each : app->get_options()) {
        for (const auto& name : each->get_lnames()) known.push_back("--" + name);
      }
    }
    return fmt::format("there is no option {}{}", word, nearest_of(word, known));
  }
  const auto commands = names_of_subcommands(*chain.back());
  if (commands.empty()) return fmt::format("`{}` is one argument too many", left.front());
  return no_command(left.front(), commands);
}

// What is wrong with the arguments, in one line.
std::string told(const CLI::App& program, const CLI::ParseError& wrong) {
  const auto chain = named(program);
  std::string path;
  for (const auto* const app : chain) path.append(path.empty() ? "" : " ").append(app->get_name());
  auto text = unknown_word(program, chain);
  if (text.empty()) {
    const auto commands = names_of_subcommands(*chain.back());
    const bool lacks_command = !commands.empty() && dynamic_cast<const CLI::RequiredError*>(&wrong) != nullptr;
    text = lacks_command && chain.size() > 1 ? fmt::format("a command is missing: {}", fmt::join(commands, ", "))
           : lacks_command                   ? "a command is missing"
                                             : wrong.what();
  }
  return fmt::format("{}: {}; `{} --help` tells more", path, text, path);
}

}  // namespace

Check in_range(std::int64_t low, std::int64_t high) { return of(CLI::Range(low, high)); }
Check one_of(const std::vector<std::string>& words) { return of(CLI::IsMember(words)); }
Check existing_file() { return of(CLI::ExistingFile); }
Check existing_folder() { return of(CLI::ExistingDirectory); }

void throw_missing(const std::string& what) { throw CLI::RequiredError(what); }
void throw_invalid(const std::string& option, const std::string& text) { throw CLI::ValidationError(option, text); }

Option* Option::required(bool is_required) { return option_.required(is_required), this; }
Option* Option::check(const Check& check) { return option_.check(CLI::Validator(check.wrong, check.kind)), this; }
Option* Option::type_name(const std::string& name) { return option_.type_name(name), this; }
Option* Option::description(const std::string& text) { return option_.description(text), this; }
Option* Option::excludes(Option* other) { return option_.excludes(&other->option_), this; }
Option* Option::needs(Option* other) { return option_.needs(&other->option_), this; }
Option* Option::expected(int values) { return option_.expected(values), this; }
Option* Option::take_all() { return option_.take_all(), this; }
Option* Option::envname(const std::string& name) { return option_.envname(name), this; }
Option* Option::each(const std::function<void(std::string)>& seen) { return option_.each(seen), this; }
std::size_t Option::count() const { return option_.count(); }

App::App(const std::string& description, const std::string& name)
    : root_(std::make_unique<CLI::App>(description, name)), app_(*root_) {}
App::App(CLI::App& subcommand) : app_(subcommand) {}
App::~App() = default;

Option* App::keep(CLI::Option* option) { return &options_.emplace_back(*option); }

App* App::add_subcommand(const std::string& name, const std::string& description) {
  return subcommands_.emplace_back(new App(*app_.add_subcommand(name, description))).get();
}

Option* App::add_option(const std::string& names, std::string& into, const std::string& help) {
  return keep(app_.add_option(names, into, help));
}
Option* App::add_option(const std::string& names, std::vector<std::string>& into, const std::string& help) {
  return keep(app_.add_option(names, into, help));
}
Option* App::add_option(const std::string& names, std::int32_t& into, const std::string& help) {
  return keep(app_.add_option(names, into, help));
}
Option* App::add_option(const std::string& names, std::uint32_t& into, const std::string& help) {
  return keep(app_.add_option(names, into, help));
}
Option* App::add_option(const std::string& names, std::uint64_t& into, const std::string& help) {
  return keep(app_.add_option(names, into, help));
}
Option* App::add_option(const std::string& names, const std::function<void(const std::string&)>& take,
                        const std::string& help) {
  return keep(app_.add_option_function<std::string>(names, take, help));
}
Option* App::add_flag(const std::string& names, bool& into, const std::string& help) {
  return keep(app_.add_flag(names, into, help));
}
Option* App::add_flag(const std::string& names, std::string& into, const std::string& help) {
  return keep(app_.add_flag(names, into, help));
}
Option* App::add_flag(const std::string& names) { return keep(app_.add_flag(names)); }

App* App::description(const std::string& text) { return app_.description(text), this; }
App* App::footer(const std::string& text) { return app_.footer(text), this; }
App* App::callback(const std::function<void()>& run) { return app_.callback(run), this; }
bool App::got_subcommand() const { return !app_.get_subcommands().empty(); }
App* App::require_subcommand(int count) { return app_.require_subcommand(count), this; }
App* App::fallthrough() { return app_.fallthrough(), this; }
Option* App::set_version_flag(const std::string& names, const std::string& text) {
  return keep(app_.set_version_flag(names, text));
}

std::string App::wrong_command(const std::vector<std::string>& words) const {
  const auto* app = &app_;
  for (const auto& word : words) {
    const auto known = names_of_subcommands(*app);
    if (std::ranges::find(known, word) == known.end()) return no_command(word, known);
    app = app->get_subcommand(word);
  }
  return {};
}

int App::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& shown) {
    return app_.exit(shown);
  } catch (const CLI::ParseError& wrong) {
    tell("{}", told(app_, wrong));
    return 2;
  }
}

}  // namespace folkmoot::cli
