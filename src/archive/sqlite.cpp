#include "archive/sqlite.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>

#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr int kBusyMs = 5'000;
constexpr int kOpcodesBetweenLooks = 10'000;

std::int64_t clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// folkmoot_topic_fits(pattern, topic), of a pattern that is one.
void topic_fits(sqlite3_context* context, int, sqlite3_value** values) {
  const auto text = [](sqlite3_value* value) {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_value_text(value));
    return std::string_view(bytes == nullptr ? "" : bytes, static_cast<std::size_t>(sqlite3_value_bytes(value)));
  };
  const auto topic = text(values[1]);
  sqlite3_result_int(context, is_topic(topic) && topic_matches(text(values[0]), topic) ? 1 : 0);
}

// Prepared once.
class SqliteStatement final : public Statement {
 public:
  SqliteStatement(const SqliteDatabase& database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  Statement& bind(int at, std::int64_t number) override {
    sqlite3_bind_int64(statement_.get(), at, number);
    return *this;
  }
  Statement& bind(int at, std::string_view text) override {
    sqlite3_bind_text64(statement_.get(), at, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& bind_null(int at) override {
    sqlite3_bind_null(statement_.get(), at);
    return *this;
  }
  Result<bool> step() override {
    switch (sqlite3_step(statement_.get())) {
      case SQLITE_ROW:
        return true;
      case SQLITE_DONE:
        return false;
      default:
        return std::unexpected(database_.error());
    }
  }
  Result<std::int64_t> run() override {
    auto more = step();
    while (more && *more) more = step();
    reset();
    if (!more) return std::unexpected(more.error());
    return sqlite3_changes64(sqlite3_db_handle(statement_.get()));
  }
  Result<void> send() override {
    const auto done = run();
    return done ? Result<void>{} : std::unexpected(done.error());
  }
  void reset() override {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
  }
  bool is_null(int column) const override { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
  std::int64_t number(int column) const override { return sqlite3_column_int64(statement_.get(), column); }
  std::string_view text(int column) const override {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return {text == nullptr ? "" : text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  const SqliteDatabase& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace

void SqliteDatabase::Close::operator()(sqlite3* handle) const { sqlite3_close(handle); }

Result<std::unique_ptr<Database>> SqliteDatabase::open(const std::string& path, Access access) {
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(path));
  const int flags = access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  database->handle_.reset(handle);
  if (code != SQLITE_OK) return std::unexpected(database->error());
  sqlite3_busy_timeout(handle, kBusyMs);
  if (sqlite3_create_function_v2(handle, "folkmoot_topic_fits", 2,
                                 SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, nullptr, topic_fits, nullptr,
                                 nullptr, nullptr) != SQLITE_OK)
    return std::unexpected(database->error());
  return database;
}

Result<void> SqliteDatabase::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(error());
}

Result<std::unique_ptr<Statement>> SqliteDatabase::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK)
    return std::unexpected(error());
  return std::make_unique<SqliteStatement>(*this, statement);
}

Result<void> SqliteDatabase::sync_commits(bool on) {
  return execute(on ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

// What is written into a file that has no name any more is gone when it is closed, and nobody finds it before.
bool SqliteDatabase::is_open() {
  int has_moved = 0;
  return sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) != SQLITE_OK || has_moved == 0;
}

int SqliteDatabase::is_late(void* database) {
  return clock_ms() > static_cast<SqliteDatabase*>(database)->give_up_at_ms_ ? 1 : 0;
}

void SqliteDatabase::limit_time(std::int64_t ms) {
  give_up_at_ms_ = clock_ms() + ms;
  sqlite3_progress_handler(handle_.get(), kOpcodesBetweenLooks, is_late, this);
}

Error SqliteDatabase::error() const {
  const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle_.get());
  const auto text = fmt::format("{}: {}", path_, handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_.get()));
  switch (code) {
    case SQLITE_FULL:
      return {ErrorCode::disk_full, text, "make room on its disk"};
    case SQLITE_INTERRUPT:
      return {ErrorCode::timed_out, "the search took too long", "ask for less: a shorter time, an agent, a state"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::damaged, text, "move it away: a new history begins with what the journal still has"};
    default:
      return {ErrorCode::io_error, text, {}};
  }
}

}  // namespace folkmoot
