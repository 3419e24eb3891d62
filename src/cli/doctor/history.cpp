// The database of the history.
#include <fmt/format.h>

#include <filesystem>

#include "archive/history_tables.hpp"
#include "cli/doctor/findings.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::string_view kHistory = "history";

// What stands in it, if it is there: one that a server has yet to make is no problem.
void examine_sqlite(const ServerConfig& config, Findings& findings) {
  const auto file = config.server.data + "/history.sqlite";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    return findings.good_if_nothing_else(kHistory, "it is kept in the data folder, by SQLite");
  const auto opened = open_database({.file = file, .postgres = {}}, Database::Access::read_only);
  if (!opened) return findings.problem(kHistory, opened.error().text, opened.error().advice);
  auto& database = **opened;
  const auto version = version_of_tables(database);
  if (!version) {
    const bool says = !version.error().advice.empty();
    return findings.problem(kHistory, version.error().text,
                            says ? version.error().advice : "look at the file, and at who may read it");
  }
  if (*version > newest_tables()) {
    return findings.problem(kHistory,
                            fmt::format("{}: made by a newer folkmoot (tables of version {}; this one knows {})",
                                        database.called(), *version, newest_tables()),
                            "start that one, or move the file away: a new history begins with what is live");
  }
  const auto gaps = *version == 0 ? Result<std::int64_t>(0) : database.number("SELECT count(*) FROM folkmoot_gaps");
  if (gaps && *gaps > 0) {
    return findings.warn(
        kHistory, fmt::format("{}: something is missing in it ({} times)", file, *gaps),
        "`folkmoot history status` says what; it fell too far behind, or its file was removed or replaced while the "
        "server ran, or an older state of it was put back");
  }
  findings.good_if_nothing_else(kHistory, "it is kept in the data folder, by SQLite");
}

// Reads alone, as far as it comes.
void examine_postgres(const std::string& url, Findings& findings) {
  const auto opened = open_database({.file = {}, .postgres = url}, Database::Access::read_only);
  if (!opened) return findings.problem(kHistory, opened.error().text, opened.error().advice);
  auto& database = **opened;
  const auto version = version_of_tables(database);
  if (!version) {
    return findings.problem(kHistory, version.error().text,
                            version.error().advice.empty() ? "look at the database's log" : version.error().advice);
  }
  if (*version > newest_tables()) {
    return findings.problem(kHistory,
                            fmt::format("{}: made by a newer folkmoot (tables of version {}; this one knows {})",
                                        database.called(), *version, newest_tables()),
                            "start that one, or name another database in history.url");
  }
  const auto may_make =
      database.number("SELECT CAST(coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS integer)");
  if (!may_make) return findings.problem(kHistory, may_make.error().text, "look at the database's log");
  if (*version < newest_tables() && *may_make == 0) {
    return findings.problem(
        kHistory, fmt::format("{}: the user may not make tables there", database.called()),
        "GRANT CREATE, USAGE ON SCHEMA public TO the user of history.url, or make it the database's owner");
  }
  findings.good(kHistory, fmt::format("{}: it answers; {}", database.called(),
                                      *version == 0 ? std::string("its tables will be made at the start")
                                                    : fmt::format("its tables are of version {}", *version)));
}

}  // namespace

void examine_history(const ServerConfig& config, Findings& findings) {
  const auto& history = config.server.history;
  if (history.store == HistoryOptions::Store::none) return;
  if (config.server.journal.sync != SyncPolicy::always) {
    findings.problem(kHistory, "a history needs `sync = \"always\"`, and sync is set otherwise",
                     "set one of the two otherwise");
  }
  if (history.store == HistoryOptions::Store::sqlite) return examine_sqlite(config, findings);
  const auto source = config.sources.find("history.url");
  if (source != config.sources.end() && source->second == SettingSource::flag) {
    findings.warn(kHistory,
                  "history.url stands on the command line, where every user of this machine can read it (`ps`)",
                  "give it in DATABASE_URL, or in the configuration file");
  }
  if (history.url.empty()) {
    return findings.problem(kHistory, "history.store is postgres, and no database is named",
                            "set history.url, or DATABASE_URL in the environment");
  }
  examine_postgres(history.url, findings);
}

}  // namespace folkmoot::cli
