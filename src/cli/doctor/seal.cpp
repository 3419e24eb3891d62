// The key of the journal, and what it does not cover.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/doctor/findings.hpp"
#include "cli/journal_keys.hpp"
#include "server/data_folder.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kSeal = "seal";

// What is there beside the journal, as whoever sent it has sent it. Contents and streams are made by clients: the
// settings say nothing of them.
void examine_covered(const ServerConfig& config, Findings& findings) {
  std::vector<std::string_view> plain;
  std::error_code none;
  const auto has_files = [&](const std::string& folder) {
    return std::filesystem::is_directory(folder, none) && !std::filesystem::is_empty(folder, none);
  };
  if (has_files(config.server.data + "/content")) plain.emplace_back("contents by reference (content/)");
  if (has_files(streams_folder(config.server.data))) plain.emplace_back("events of streams (streams/)");
  if (config.server.history.store != HistoryOptions::Store::none) plain.emplace_back("the history (history.store)");
  if (plain.empty()) return;
  findings.warn(kSeal, fmt::format("the journal is sealed, and beside it stand unsealed: {}", fmt::join(plain, ", ")),
                "put the data folder on an encrypted disk, or do without them (docs/security.md, \"At rest\")");
}

}  // namespace

void examine_seal(const ServerConfig& config, Findings& findings) {
  const auto& source = config.journal_key;
  const auto keys = read_journal_keys({source.file, source.command});
  if (!keys) return findings.problem(kSeal, keys.error().text, keys.error().advice);
  if (!*keys) return;
  if (const auto key = (*keys)->current()) {
    examine_covered(config, findings);
    return findings.good_if_nothing_else(kSeal, fmt::format("the journal is sealed with the key {}", key_name(*key)));
  }
  findings.warn(kSeal, "keys of the journal are given, and new segments are plain: the first line says so",
                "that is how sealing is ended; take journal.key_file out once no segment is sealed any more "
                "(`folkmoot journal info`)");
}

}  // namespace folkmoot::cli
