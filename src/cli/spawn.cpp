#include "cli/spawn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cstring>

extern char** environ;

namespace folkmoot::cli {
namespace {

struct FileActions {
  posix_spawn_file_actions_t value;
  FileActions() { posix_spawn_file_actions_init(&value); }
  FileActions(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
};

struct Attributes {
  posix_spawnattr_t value;
  Attributes() { posix_spawnattr_init(&value); }
  Attributes(const Attributes&) = delete;
  ~Attributes() { posix_spawnattr_destroy(&value); }
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  return pointers;
}

}  // namespace

Result<pid_t> spawn(const std::string& program, std::vector<std::string> words, const SpawnOptions& options) {
  auto arguments = pointers_to(words);
  arguments.push_back(nullptr);
  std::vector<std::string> added;
  for (const auto& [key, value] : options.environment) added.push_back(fmt::format("{}={}", key, value));
  auto environment = pointers_to(added);
  for (char** one = environ; *one; ++one) environment.push_back(*one);
  environment.push_back(nullptr);

  FileActions actions;
  if (options.in >= 0) posix_spawn_file_actions_adddup2(&actions.value, options.in, STDIN_FILENO);
  if (options.out >= 0) {
    posix_spawn_file_actions_adddup2(&actions.value, options.out, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions.value, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  if (options.err >= 0) posix_spawn_file_actions_adddup2(&actions.value, options.err, STDERR_FILENO);
  if (options.third >= 0) posix_spawn_file_actions_adddup2(&actions.value, options.third, STDERR_FILENO + 1);
  posix_spawn_file_actions_addclosefrom_np(&actions.value, STDERR_FILENO + (options.third >= 0 ? 2 : 1));
  Attributes attributes;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes.value, &none);
  posix_spawnattr_setpgroup(&attributes.value, 0);
  posix_spawnattr_setflags(&attributes.value, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions.value, &attributes.value, arguments.data(), environment.data());
  if (error != 0) return failure(ErrorCode::io_error, fmt::format("starting {}: {}", program, std::strerror(error)));
  return pid;
}

}  // namespace folkmoot::cli
