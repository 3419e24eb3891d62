// SQLite as the history uses it: a connection, and statements that are prepared once. Errors are values that name the
// file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace folkmoot {

class Database;

/// A prepared statement. Its database outlives it.
class Statement {
 public:
  Statement() = default;

  Statement& bind(int at, std::int64_t number);
  /// The bytes must live until the statement was run.
  Statement& bind(int at, std::string_view text);
  Statement& bind_null(int at);
  /// NULL for what is empty.
  Statement& bind_optional(int at, std::string_view text) { return text.empty() ? bind_null(at) : bind(at, text); }

  /// To the next row; false behind the last one. Errors: io_error, disk_full, timed_out.
  Result<bool> step();
  /// Runs it to its end, ready for the next time. Returns how many rows it has changed.
  Result<std::int64_t> run();
  /// Ready to be bound and run again.
  void reset();

  bool is_null(int column) const;
  std::int64_t number(int column) const;
  /// Lives until the next step().
  std::string_view text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(const Database& database, sqlite3_stmt* statement) : database_(&database), statement_(statement) {}

  const Database* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// A connection: one thread's at a time. Stays where it was made.
class Database {
 public:
  enum class Access { read_write, read_only };
  /// Makes the file if it may write. Errors: io_error, damaged (it is no database).
  static Result<std::unique_ptr<Database>> open(const std::string& path, Access access);

  /// Statements without an answer, with `;` between them.
  Result<void> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql) const;
  /// The first column of the first row; 0 if there is none.
  Result<std::int64_t> number(std::string_view sql) const;
  /// A step() that has worked for so long ends with timed_out; from now on.
  void limit_time(std::int64_t ms);

  /// What went wrong last.
  Error error() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}
  static int is_late(void* database);

  const std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
  std::int64_t give_up_at_ms_ = 0;  // by the steady clock
};

}  // namespace folkmoot
