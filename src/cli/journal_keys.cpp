#include "cli/journal_keys.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>

#include "base/files.hpp"
#include "cli/run_command.hpp"
#include "crypto/primitives.hpp"
#include "folkmoot/failure.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::chrono::seconds kKeyCommandTime{30};
constexpr std::string_view kKeyFileVariable = "FOLKMOOT_JOURNAL_KEY_FILE";
constexpr std::string_view kKeyCommandVariable = "FOLKMOOT_JOURNAL_KEY_COMMAND";

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

// For its owner alone; or of root's and for a group as well, as systemd hands credentials over.
Result<void> check_is_private(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return std::unexpected(system_error(ErrorCode::io_error, path, errno));
  if (!S_ISREG(file.st_mode)) return failure(ErrorCode::io_error, fmt::format("{} is not a regular file", path));
  const mode_t others = file.st_uid == 0 ? 0037 : 0077;
  if ((file.st_mode & others) == 0) return {};
  return failure(ErrorCode::not_permitted,
                 fmt::format("{} has the key of a journal in it, and its mode {:04o} lets others at it", path,
                             file.st_mode & 07777),
                 fmt::format("chmod 0600 {}", path));
}

Result<std::string> read_key_text(const std::string& path) {
  if (auto good = check_is_private(path); !good) return std::unexpected(good.error());
  return read_small_file(path, kJournalKeyTextBytesMax);
}

Result<std::string> run_key_command(const std::string& command) {
  const auto until = std::chrono::steady_clock::now() + kKeyCommandTime;
  auto ran = run_command(command, {}, {}, kJournalKeyTextBytesMax,
                         [until] { return std::chrono::steady_clock::now() >= until; });
  if (!ran && ran.error().code == ErrorCode::cancelled) {
    return failure(ErrorCode::timed_out,
                   fmt::format("the command has not told the key within {} s", kKeyCommandTime.count()),
                   "try it in a shell: it must end by itself, and ask nobody");
  }
  if (!ran) return std::unexpected(ran.error());
  if (ran->status == 0) return std::move(ran->output);
  wipe_text(ran->output);
  return failure(
      ErrorCode::io_error,
      fmt::format("the command ended with status {}{}{}", ran->status, ran->errors.empty() ? "" : ": ", ran->errors),
      "try it in a shell, as the user that the server runs as");
}

}  // namespace

Result<std::shared_ptr<const JournalKeys>> read_journal_keys(const JournalKeySource& source) {
  if (source.file.empty() && source.command.empty()) return std::shared_ptr<const JournalKeys>();
  if (!source.file.empty() && !source.command.empty()) {
    return failure(ErrorCode::invalid_field, "the journal's key is to come from a file and from a command",
                   "give one of journal.key_file and journal.key_command");
  }
  const bool is_file = !source.file.empty();
  auto text = is_file ? read_key_text(source.file) : run_key_command(source.command);
  const std::string where = is_file ? source.file : "journal.key_command";
  if (!text) return is_file ? std::unexpected(text.error()) : std::unexpected(within(where, text.error()));
  auto keys = JournalKeys::parse(*text);
  wipe_text(*text);
  if (!keys) return std::unexpected(within(where, keys.error()));
  return keys;
}

void add_journal_key_options(App& command, JournalKeySource& source) {
  command.add_option("--key-file", source.file,
                     "Of a sealed journal: the file with its key (default: $FOLKMOOT_JOURNAL_KEY_FILE). Without a key "
                     "its records are checked, and not opened");
  command.add_option("--key-command", source.command,
                     "... or a shell command that writes it to stdout (default: $FOLKMOOT_JOURNAL_KEY_COMMAND)");
}

std::shared_ptr<const JournalKeys> given_journal_keys(JournalKeySource source) {
  if (source.file.empty() && source.command.empty()) {
    const auto variable = [](std::string_view name) {
      const char* const value = std::getenv(name.data());
      return std::string(value != nullptr ? value : "");
    };
    source = {.file = variable(kKeyFileVariable), .command = variable(kKeyCommandVariable)};
  }
  return value(read_journal_keys(source));
}

Result<std::uint32_t> add_journal_key(const std::string& file) {
  std::string before;
  struct stat there{};
  const bool is_new = ::stat(file.c_str(), &there) != 0;
  if (!is_new) {
    auto text = read_key_text(file);
    if (!text) return std::unexpected(text.error());
    if (auto good = JournalKeys::parse(*text); !good) return std::unexpected(within(file, good.error()));
    before = std::move(*text);
  }
  auto secret = random_bytes(kJournalKeyBytes);
  if (!secret) return std::unexpected(secret.error());
  std::string text;
  for (const auto byte : as_bytes(*secret)) text += fmt::format("{:02x}", byte);
  wipe_text(*secret);
  text += '\n' + before;
  wipe_text(before);
  const auto keys = JournalKeys::parse(text);
  auto written = !keys    ? Result<void>(std::unexpected(within(file, keys.error())))
                 : is_new ? write_new_file(file, text, FileFor::owner)
                          : replace_file(file, text, FileFor::owner);
  wipe_text(text);
  if (!written) return std::unexpected(written.error());
  return *(*keys)->current();
}

}  // namespace folkmoot::cli
