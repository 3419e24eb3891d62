// The history in PostgreSQL, by its own library. What nothing is asked back of goes out in a pipeline, hundreds at a
// time; every wait is for the socket, and bounded: a server that says nothing more is a connection that was lost.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "archive/libpq.hpp"
#include "archive/sql.hpp"

namespace folkmoot {

class PostgresDatabase final : public Database {
 public:
  /// `url`: "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full", or what else libpq takes. Errors:
  /// invalid_field (the URL, which is not repeated), connection_lost (there is no server, or not now), unauthorized,
  /// not_found (no such database), unsupported_version, io_error.
  static Result<std::unique_ptr<Database>> open(const std::string& url, Access access);
  ~PostgresDatabase() override;

  Kind kind() const override { return Kind::postgres; }
  const std::string& called() const override { return called_; }
  Result<void> execute(const char* sql) override;
  Result<std::unique_ptr<Statement>> prepare(std::string_view sql) override;
  Result<void> begin() override;
  Result<void> commit() override;
  void roll_back() override;
  Result<void> sync_commits(bool on) override;
  void limit_time(std::int64_t ms) override { limit_ms_ = ms; }
  bool is_open() override;
  void hurry(std::int64_t ms) override;

 private:
  class PostgresStatement;
  struct Clear {
    const LibPq* pq = nullptr;
    void operator()(PGresult* result) const { pq->PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;

  PostgresDatabase(const LibPq& pq, std::string called, std::string password);
  Result<void> connect(const std::string& url, Access access);
  // Waits for the socket until the time is up. Errors: connection_lost.
  Result<void> wait(short events, std::int64_t until_ms);
  std::int64_t until() const;
  // What comes next; null: the end of one query's answer.
  Result<Answer> take_answer(std::int64_t until_ms);
  // One more in the pipeline, which is emptied when it is long.
  Result<void> sent(bool done, std::size_t bytes);
  // Waits for all that is in the pipeline. The error of the first of it that failed.
  Result<void> settle();
  // Runs what was just sent outside of a pipeline to its end.
  Result<void> finish_plain();
  Error error_of(const PGresult* result) const;
  Error lost(std::string_view why);
  std::string clean(std::string_view text) const;

  const LibPq& pq_;
  const std::string called_, password_;
  PGconn* connection_ = nullptr;
  bool is_lost_ = false, in_transaction_ = false;
  std::size_t in_pipeline_ = 0, pipeline_bytes_ = 0;
  std::int64_t limit_ms_ = 10'000, limit_told_ms_ = 0;
  std::uint64_t names_ = 0;                  // of prepared statements
  std::atomic<std::int64_t> give_up_at_ms_;  // by the steady clock
};

}  // namespace folkmoot
