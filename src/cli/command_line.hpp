// What the program's command line is declared with: CLI11 behind an interface of its own. CLI11's header costs every
// file that includes it four seconds of compiling, and the program two pages of memory, since each makes a set of
// validators as the program starts; so one file includes it (command_line.cpp).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace folkmoot::cli {

/// Looks at what an option is given, which it may put into another form: says what is wrong with it, or nothing.
struct Check {
  std::function<std::string(std::string&)> wrong;
  std::string kind;  // shown in --help, such as POSITIVE; may be empty
};

/// A whole number from `low` to `high`; one of these words; a file, a folder that is there.
Check in_range(std::int64_t low, std::int64_t high);
Check one_of(const std::vector<std::string>& words);
Check existing_file();
Check existing_folder();

/// Ends a callback: the program says it and exits with 2, as for all that is wrong with its arguments.
[[noreturn]] void throw_missing(const std::string& what);
[[noreturn]] void throw_invalid(const std::string& option, const std::string& text);

/// An option, a flag or a positional; lives as long as the App that made it.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(option) {}

  Option* required(bool is_required = true);
  Option* check(const Check& check);
  /// What --help calls its value.
  Option* type_name(const std::string& name);
  Option* description(const std::string& text);
  /// Not together with `other`; only together with it.
  Option* excludes(Option* other);
  Option* needs(Option* other);
  /// So many values each time it is given.
  Option* expected(int values);
  /// May be given several times; all of them count.
  Option* take_all();
  Option* envname(const std::string& name);
  /// Calls `seen` with each value.
  Option* each(const std::function<void(std::string)>& seen);
  /// How often it was given.
  std::size_t count() const;

 private:
  CLI::Option& option_;
};

/// The program, or one of its subcommands. What options write into must live until the arguments are parsed.
class App {
 public:
  /// The program: `name` and what it is.
  App(const std::string& description, const std::string& name);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  App* add_subcommand(const std::string& name, const std::string& description);
  Option* add_option(const std::string& names, std::string& into, const std::string& help);
  Option* add_option(const std::string& names, std::vector<std::string>& into, const std::string& help);
  Option* add_option(const std::string& names, std::int32_t& into, const std::string& help);
  Option* add_option(const std::string& names, std::uint32_t& into, const std::string& help);
  Option* add_option(const std::string& names, std::uint64_t& into, const std::string& help);
  /// Given to a function, which may throw_invalid().
  Option* add_option(const std::string& names, const std::function<void(const std::string&)>& take,
                     const std::string& help);
  Option* add_flag(const std::string& names, bool& into, const std::string& help);
  /// A flag that may have a value, `--flag=value`; without one it is "true".
  Option* add_flag(const std::string& names, std::string& into, const std::string& help);
  /// For its count().
  Option* add_flag(const std::string& names);
  App* description(const std::string& text);
  /// Shown below --help.
  App* footer(const std::string& text);
  /// Called when it was given and all arguments are good.
  App* callback(const std::function<void()>& run);
  /// Whether one of its subcommands was given; in its callback.
  bool got_subcommand() const;
  /// So many subcommands must be given.
  App* require_subcommand(int count);
  /// Options of this may stand after the subcommand, too.
  App* fallthrough();
  Option* set_version_flag(const std::string& names, const std::string& text);

  /// What is wrong with `words` as a command and those below it, in a line; empty if there is such a command.
  std::string wrong_command(const std::vector<std::string>& words) const;

  /// Parses the arguments and calls the callback of the subcommand they name; what it throws goes through. Says in a
  /// line what is wrong with them, an unknown command or option with the nearest one there is; or what --help and
  /// --version ask for. Returns the program's exit status: 0, or 2 if they are wrong.
  int run(int argc, char** argv);

 private:
  explicit App(CLI::App& subcommand);
  Option* keep(CLI::Option* option);

  std::unique_ptr<CLI::App> root_;  // of the program alone
  CLI::App& app_;
  std::deque<Option> options_;
  std::deque<std::unique_ptr<App>> subcommands_;
};

}  // namespace folkmoot::cli
