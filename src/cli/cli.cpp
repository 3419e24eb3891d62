#include "cli/cli.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/duration.hpp"
#include "client/address.hpp"
#include "message/limits.hpp"

namespace folkmoot::cli {

Globals& globals() {
  static Globals given;
  return given;
}

ClientOptions client_options() {
  ClientOptions options;
  options.address = globals().server;
  options.token = globals().token;
  options.agent = globals().agent;
  options.tls = globals().tls;
  options.software = "folkmoot";
  options.while_open = WhileOpen::buffer;  // a person or a script would only try again
  if (const auto address = parse_address(address_or_default(options.address)); !address)
    throw_invalid(options.address.empty() ? "FOLKMOOT_ADDRESS" : "--server", address.error().text);
  struct stat found{};
  constexpr const char* kSocket = "folkmoot-data/folkmoot.sock";
  const char* const said = std::getenv("FOLKMOOT_ADDRESS");  // empty: nothing is said, as for all FOLKMOOT_*
  const bool is_said = !options.address.empty() || (said != nullptr && *said != '\0');
  if (!is_said && ::stat(kSocket, &found) == 0 && S_ISSOCK(found.st_mode)) {
    if (::access(kSocket, R_OK | W_OK) == 0) options.address.assign("unix:").append(kSocket);
  }
  return options;
}

Option* add_duration(App& app, const std::string& names, Milliseconds& into, const std::string& help) {
  return app
      .add_option(
          names,
          [&into, names](const std::string& text) {
            const auto ms = parse_duration_ms(text);
            if (!ms) throw_invalid(names, ms.error().text);
            into = Milliseconds(*ms);
          },
          help)
      ->type_name("DURATION");
}

Option* add_time(App& app, const std::string& names, std::int64_t& into, const std::string& help) {
  return app
      .add_option(
          names,
          [&into, names](const std::string& text) {
            const auto ms = parse_time_ms(text);
            if (!ms) throw_invalid(names, ms.error().text);
            into = *ms == 0 ? 1 : *ms;  // 0 stands for none given
          },
          help)
      ->type_name("TIME");
}

Check at_least_one() {
  return {[](const std::string& text) -> std::string {
            std::uint64_t number = 0;
            const auto* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            const bool is_good = error == std::errc{} && stop == end && number > 0;
            return is_good ? "" : fmt::format("`{}` must be a whole number, 1 or more", text);
          },
          "POSITIVE"};
}

Check not_empty() {
  return {[](const std::string& text) -> std::string { return text.empty() ? "must not be empty" : ""; }, ""};
}

Check longer_than_zero() {
  return {[](const std::string& text) -> std::string {
            return parse_duration_ms(text) == 0 ? fmt::format("`{}` must be longer than 0, such as 30s", text) : "";
          },
          ""};
}

Uuid parse_id(const std::string& text) {
  const auto id = Uuid::parse(text);
  if (!id) throw_invalid("ID", fmt::format("`{}` is not a message id, as send and recv print it", text));
  return *id;
}

void add_help(App& app) {
  auto* const command = app.add_subcommand("help", "Tell about a command: folkmoot help recv, folkmoot help dead list");
  set_example(*command, "  $ folkmoot help recv");
}

void set_example(App& app, const std::string& example) { app.footer("\nExample:\n" + example); }

std::string read_content(const std::string& argument) {
  if (argument != "-") return argument;
  std::string content;
  char block[64 * 1024];
  for (;;) {
    const auto got = ::read(STDIN_FILENO, block, sizeof block);
    if (got == 0) return content;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(system_error(ErrorCode::io_error, "reading stdin", errno));
    content.append(block, static_cast<std::size_t>(got));
    if (content.size() > kFrameBytesDefault) {
      throw Failure({ErrorCode::content_too_large, fmt::format("stdin gave more than {} bytes", kFrameBytesDefault),
                     "put it into a file and send that with --file"});
    }
  }
}

}  // namespace folkmoot::cli
