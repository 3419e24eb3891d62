// The history in a file, by SQLite.
#pragma once

#include "archive/sql.hpp"

struct sqlite3;

namespace folkmoot {

class SqliteDatabase final : public Database {
 public:
  /// Makes the file if it may write. Errors: io_error, damaged (it is no database).
  static Result<std::unique_ptr<Database>> open(const std::string& path, Access access);

  Kind kind() const override { return Kind::sqlite; }
  const std::string& called() const override { return path_; }
  Result<void> execute(const char* sql) override;
  Result<std::unique_ptr<Statement>> prepare(std::string_view sql) override;
  Result<void> begin() override { return execute("BEGIN IMMEDIATE"); }
  Result<void> commit() override { return execute("COMMIT"); }
  void roll_back() override { (void)execute("ROLLBACK"); }
  Result<void> sync_commits(bool on) override;
  void limit_time(std::int64_t ms) override;
  bool is_open() override;
  void hurry(std::int64_t) override {}  // a file is waited for as long as others have it locked, which is bounded

  /// What went wrong last.
  Error error() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit SqliteDatabase(std::string path) : path_(std::move(path)) {}
  static int is_late(void* database);

  const std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
  std::int64_t give_up_at_ms_ = 0;  // by the steady clock
};

}  // namespace folkmoot
