#include "cli/exit_status.hpp"

#include <fmt/format.h>

#include <string_view>

namespace folkmoot::cli {
namespace {

struct Meaning {
  ExitStatus status;
  std::string_view what;
};
constexpr Meaning kMeanings[] = {
    {ExitStatus::done, "done"},
    {ExitStatus::failed, "refused by the server, or failed; an answer that is an error, damage that was found"},
    {ExitStatus::usage, "wrong usage: the command, an argument, a name or a setting cannot be"},
    {ExitStatus::nothing, "no mail (recv, reply --once)"},
    {ExitStatus::timed_out, "timed out (wait, request, command)"},
    {ExitStatus::unreachable, "the server is not reachable, or is being stopped"},
};

}  // namespace

ExitStatus exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::timed_out:
      return ExitStatus::timed_out;
    case ErrorCode::connection_lost:
    case ErrorCode::circuit_open:
    case ErrorCode::shutting_down:
      return ExitStatus::unreachable;
    // What can only go right with other words, whoever noticed it.
    case ErrorCode::invalid_field:
    case ErrorCode::invalid_name:
    case ErrorCode::invalid_topic:
    case ErrorCode::invalid_filter:
    case ErrorCode::out_of_range:
      return ExitStatus::usage;
    default:
      return ExitStatus::failed;
  }
}

std::string exit_status_help() {
  std::string out = "Exit status:\n";
  for (const auto& [status, what] : kMeanings) out += fmt::format("  {}  {}\n", static_cast<int>(status), what);
  return out;
}

}  // namespace folkmoot::cli
