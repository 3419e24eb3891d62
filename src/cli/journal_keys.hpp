// The keys that a journal is sealed with (docs/journal.md, "Sealed journals"), from a file or from a command that
// writes them to stdout: of `folkmoot serve`, and of what looks at a data folder.
#pragma once

#include <memory>
#include <string>

#include "cli/cli.hpp"
#include "journal/sealing.hpp"

namespace folkmoot::cli {

struct JournalKeySource {
  std::string file, command;  // one of them, or none
};

/// Null if no source is given. Errors: invalid_field (both are given, or what is there are no keys), not_permitted
/// (others could read the file), io_error (it cannot be read, or the command failed), timed_out. None has a key in it.
Result<std::shared_ptr<const JournalKeys>> read_journal_keys(const JournalKeySource& source);

/// `--key-file` and `--key-command`; without either, the environment's FOLKMOOT_JOURNAL_KEY_FILE and
/// FOLKMOOT_JOURNAL_KEY_COMMAND, as the server has them.
void add_journal_key_options(App& command, JournalKeySource& source);
/// What the options and the environment say. Throws Failure.
std::shared_ptr<const JournalKeys> given_journal_keys(JournalKeySource source);

/// Puts a new key before those of the file, or makes the file with it; its number. Errors: those of
/// read_journal_keys(), and of writing the file.
Result<std::uint32_t> add_journal_key(const std::string& file);

}  // namespace folkmoot::cli
