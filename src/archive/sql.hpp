// A database as the history uses it, whichever it is: a connection, and statements that are run again and again. SQL is
// the part that both understand, with `?` or `?1` for values; what differs asks which it is. Errors are values that
// name the database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace folkmoot {

/// Its database outlives it.
class Statement {
 public:
  virtual ~Statement() = default;

  virtual Statement& bind(int at, std::int64_t number) = 0;
  /// The bytes must live until the statement was run.
  virtual Statement& bind(int at, std::string_view text) = 0;
  virtual Statement& bind_null(int at) = 0;
  /// NULL for what is empty.
  Statement& bind_optional(int at, std::string_view text) { return text.empty() ? bind_null(at) : bind(at, text); }

  /// To the next row; false behind the last one. Errors: io_error, disk_full, timed_out, connection_lost.
  virtual Result<bool> step() = 0;
  /// Runs it to its end, ready for the next time. Returns how many rows it has changed.
  virtual Result<std::int64_t> run() = 0;
  /// The same, but what went wrong with it may be told by a later call, the commit at the latest.
  virtual Result<void> send() = 0;
  /// Ready to be bound and run again.
  virtual void reset() = 0;

  virtual bool is_null(int column) const = 0;
  virtual std::int64_t number(int column) const = 0;
  /// Lives until the next step(). A time is RFC 3339 in UTC, with milliseconds.
  virtual std::string_view text(int column) const = 0;
};

/// A connection: one thread's at a time, but for hurry(). Stays where it was made.
class Database {
 public:
  enum class Kind : std::uint8_t { sqlite, postgres };
  enum class Access : std::uint8_t { read_write, read_only };

  virtual ~Database() = default;

  virtual Kind kind() const = 0;
  bool is_postgres() const { return kind() == Kind::postgres; }
  /// What people call it: a path, or where it is reached; without any secret.
  virtual const std::string& called() const = 0;

  /// Statements without an answer, with `;` between them.
  virtual Result<void> execute(const char* sql) = 0;
  virtual Result<std::unique_ptr<Statement>> prepare(std::string_view sql) = 0;
  virtual Result<void> begin() = 0;
  virtual Result<void> commit() = 0;
  /// Nothing happens if none was begun, or the connection is gone.
  virtual void roll_back() = 0;
  /// Whether a commit waits for the disk.
  virtual Result<void> sync_commits(bool on) = 0;
  /// What is asked from here on and takes longer ends with timed_out.
  virtual void limit_time(std::int64_t ms) = 0;
  /// Whether it can still be asked: no connection was lost, and a file is still the one of its name.
  virtual bool is_open() = 0;
  /// Any thread: nothing that is waited for takes longer than this from now.
  virtual void hurry(std::int64_t ms) = 0;

  /// The first column of the first row; 0 if there is none.
  Result<std::int64_t> number(std::string_view sql);
};

/// Which database a history is in.
struct HistoryPlace {
  std::string file;      // of SQLite
  std::string postgres;  // a URL of PostgreSQL, with its secrets; empty: it is the file
};

/// Errors: io_error, damaged (it is no database), connection_lost (it cannot be reached now), invalid_field (the URL),
/// unauthorized.
Result<std::unique_ptr<Database>> open_database(const HistoryPlace& place, Database::Access access);

}  // namespace folkmoot
