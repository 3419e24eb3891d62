#include "archive/postgres.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>

#include "base/utf8.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kConnectMsMax = 5'000;
constexpr std::int64_t kGraceMs = 2'000;  // in which the server says itself that a statement took too long
constexpr int kLookMs = 100;              // whether there is a hurry
constexpr std::size_t kPipelineMax = 512;
constexpr std::size_t kPipelineBytesMax = std::size_t{1} << 20;
constexpr int kOldestServer = 150'000;  // 15.0
constexpr Oid kTimestampType = 1184;    // timestamptz
constexpr int kRowsThrownAwayMax = 64;  // before the connection is given up instead

std::int64_t postgres_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// "2026-12-02 01:02:03.04+00" as "2026-12-02T01:02:03.040Z": the session is in UTC and in ISO's style.
std::string rfc3339(std::string_view text) {
  constexpr std::size_t kDate = 10, kSeconds = 19, kWhole = 23;
  if (text.size() < kSeconds) return std::string(text);
  std::string out(text.substr(0, text.rfind('+')));
  out[kDate] = 'T';
  if (out.size() == kSeconds) out += '.';
  out.resize(kWhole, '0');
  return out + 'Z';
}

// `?` and `?7` as `$1` and `$7`.
std::string numbered(std::string_view sql) {
  std::string out;
  int last = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] != '?') {
      out += sql[i];
      continue;
    }
    out += '$';
    const bool is_numbered = i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9';
    if (!is_numbered) out += std::to_string(++last);
  }
  return out;
}

// Where a URL leads, for people.
struct Target {
  std::string called, password;
};

Result<Target> read_url(const LibPq& pq, const std::string& url) {
  // What the library says about a URL that it does not understand repeats parts of it, and so perhaps a password.
  auto* const options = pq.PQconninfoParse(url.c_str(), nullptr);
  if (options == nullptr) {
    return failure(ErrorCode::invalid_field,
                   "history.url is no address of a PostgreSQL database (it is not shown, for it may hold a password)",
                   "it is like postgresql://USER:PASSWORD@HOST:5432/DATABASE; what is special in a password is written "
                   "%XX");
  }
  std::string host, port, database, password;
  for (const auto* each = options; each->keyword != nullptr; ++each) {
    const std::string_view key = each->keyword;
    if (each->val == nullptr) continue;
    if (key == "host" || (key == "hostaddr" && host.empty())) host = each->val;
    if (key == "port") port = each->val;
    if (key == "dbname") database = each->val;
    if (key == "password") password = each->val;
  }
  pq.PQconninfoFree(options);
  return Target{fmt::format("PostgreSQL at {}{}{}, database {}", host.empty() ? "its default address" : host,
                            port.empty() ? "" : ":", port, database.empty() ? "of the user's name" : database),
                password};
}

ErrorCode code_of(std::string_view state) {
  if (state.starts_with("08") || state.starts_with("57P")) return ErrorCode::connection_lost;
  if (state.starts_with("28")) return ErrorCode::unauthorized;
  if (state == "3D000") return ErrorCode::not_found;
  if (state == "42501") return ErrorCode::not_permitted;
  if (state == "42P07" || state == "42723") return ErrorCode::already_exists;
  if (state == "53100") return ErrorCode::disk_full;
  if (state == "53300") return ErrorCode::connection_lost;  // too many connections, now
  if (state == "57014" || state == "55P03") return ErrorCode::timed_out;
  return ErrorCode::io_error;
}

std::string advice_on(ErrorCode code) {
  switch (code) {
    case ErrorCode::already_exists:
      return "it has tables of somebody else: give the history a database of its own, or a schema (add "
             "?options=-csearch_path%3DNAME to history.url)";
    case ErrorCode::not_permitted:
      return "the user needs to make tables there: GRANT CREATE, USAGE ON SCHEMA public TO it, or make it the owner";
    case ErrorCode::disk_full:
      return "make room on its disk";
    case ErrorCode::timed_out:
      return "ask for less: a shorter time, an agent, a state";
    case ErrorCode::unauthorized:
      return "look at the user and the password of history.url, and at the server's pg_hba.conf";
    case ErrorCode::not_found:
      return "make it (createdb), or name another one in history.url";
    case ErrorCode::connection_lost:
      return "is the server running, and can it be reached from here?";
    default:
      return {};
  }
}

}  // namespace

// Values are copied when they are bound: they go out later. It is made known to the server when it is run a second
// time, so that what is asked once leaves nothing there.
class PostgresDatabase::PostgresStatement final : public Statement {
 public:
  PostgresStatement(PostgresDatabase& database, std::string sql) : database_(database), sql_(std::move(sql)) {}

  Statement& bind(int at, std::int64_t number) override { return put(at, std::to_string(number)); }
  Statement& bind(int at, std::string_view text) override {
    const bool is_plain = is_utf8(text) && !text.contains('\0');
    return put(at, is_plain ? std::string(text) : std::string(printable(text)));
  }
  Statement& bind_null(int at) override { return put(at, std::nullopt); }

  Result<bool> step() override {
    if (!is_running_) {
      if (auto begun = start(); !begun) return std::unexpected(begun.error());
    }
    times_.clear();
    auto answer = database_.take_answer(until_ms_);
    if (!answer) {
      is_running_ = false;
      return std::unexpected(answer.error());
    }
    row_ = std::move(*answer);
    if (!row_) {
      is_running_ = false;
      return false;
    }
    const auto status = pq().PQresultStatus(row_.get());
    if (status == PGRES_SINGLE_TUPLE) return true;
    const auto error = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK
                           ? std::optional<Error>()
                           : std::optional(database_.error_of(row_.get()));
    is_running_ = false;
    row_.reset();
    if (auto ended = database_.finish_plain(); !ended) return std::unexpected(ended.error());
    if (error) return std::unexpected(*error);
    return false;
  }

  Result<std::int64_t> run() override {
    if (auto settled = database_.settle(); !settled) return std::unexpected(settled.error());
    if (!put_out(false)) return std::unexpected(database_.lost("it takes no more"));
    const auto answer = database_.take_answer(database_.until());
    reset_values();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer) return 0;
    const auto status = pq().PQresultStatus(answer->get());
    const bool is_done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    std::int64_t rows = 0;
    const std::string_view told = is_done ? pq().PQcmdTuples(answer->get()) : "";
    std::from_chars(told.data(), told.data() + told.size(), rows);
    const auto error = is_done ? Error{} : database_.error_of(answer->get());
    if (auto ended = database_.finish_plain(); !ended) return std::unexpected(ended.error());
    if (!is_done) return std::unexpected(error);
    return rows;
  }

  Result<void> send() override {
    if (database_.is_lost_) return std::unexpected(database_.lost("the connection is gone"));
    if (database_.in_pipeline_ == 0 && pq().PQenterPipelineMode(database_.connection_) != 1)
      return std::unexpected(database_.lost("it takes no pipeline"));
    std::size_t bytes = sql_.size();
    for (const auto& value : values_) bytes += value ? value->size() : 0;
    const bool done = put_out(true);
    reset_values();
    return database_.sent(done, bytes);
  }

  void reset() override {
    row_.reset();
    for (int i = 0; is_running_ && i < kRowsThrownAwayMax; ++i) {
      if (const auto more = step(); !more || !*more) break;
    }
    if (is_running_) (void)database_.lost("too much was left of an answer");
    is_running_ = false;
    row_.reset();
    reset_values();
  }

  bool is_null(int column) const override { return pq().PQgetisnull(row_.get(), 0, column) == 1; }
  std::int64_t number(int column) const override {
    const auto text = raw(column);
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  std::string_view text(int column) const override {
    const auto text = raw(column);
    if (text.empty() || pq().PQftype(row_.get(), column) != kTimestampType) return text;
    return times_.emplace_back(rfc3339(text));
  }

  ~PostgresStatement() override { reset(); }

 private:
  const LibPq& pq() const { return database_.pq_; }
  std::string_view raw(int column) const {
    if (is_null(column)) return {};
    return {pq().PQgetvalue(row_.get(), 0, column), static_cast<std::size_t>(pq().PQgetlength(row_.get(), 0, column))};
  }
  Statement& put(int at, std::optional<std::string> value) {
    if (values_.size() < static_cast<std::size_t>(at)) values_.resize(static_cast<std::size_t>(at));
    values_[static_cast<std::size_t>(at) - 1] = std::move(value);
    return *this;
  }
  void reset_values() { values_.clear(); }

  Result<void> start() {
    if (auto settled = database_.settle(); !settled) return settled;
    until_ms_ = database_.until();
    if (!put_out(false) || pq().PQsetSingleRowMode(database_.connection_) != 1)
      return std::unexpected(database_.lost("it takes no question"));
    is_running_ = true;
    return {};
  }

  // Outside of a pipeline there is one query at a time: it has no name there, unless it has got one.
  bool put_out(bool in_pipeline) {
    if (database_.is_lost_) return false;
    auto* const connection = database_.connection_;
    if (name_.empty() && was_run_ && in_pipeline) {
      name_ = fmt::format("folkmoot_{}", ++database_.names_);
      if (pq().PQsendPrepare(connection, name_.c_str(), sql_.c_str(), 0, nullptr) != 1) return false;
      ++database_.in_pipeline_;
    }
    was_run_ = true;
    std::vector<const char*> values;
    values.reserve(values_.size());
    for (const auto& value : values_) values.push_back(value ? value->c_str() : nullptr);
    const auto count = static_cast<int>(values.size());
    if (!name_.empty())
      return pq().PQsendQueryPrepared(connection, name_.c_str(), count, values.data(), nullptr, nullptr, 0) == 1;
    return pq().PQsendQueryParams(connection, sql_.c_str(), count, nullptr, values.data(), nullptr, nullptr, 0) == 1;
  }

  PostgresDatabase& database_;
  const std::string sql_;
  std::string name_;  // by which the server knows it
  bool was_run_ = false, is_running_ = false;
  std::int64_t until_ms_ = 0;
  std::vector<std::optional<std::string>> values_;
  Answer row_;
  mutable std::deque<std::string> times_;  // of this row, as they were asked for
};

PostgresDatabase::PostgresDatabase(const LibPq& pq, std::string called, std::string password)
    : pq_(pq),
      called_(std::move(called)),
      password_(std::move(password)),
      give_up_at_ms_(std::numeric_limits<std::int64_t>::max()) {}

PostgresDatabase::~PostgresDatabase() {
  if (connection_ != nullptr) pq_.PQfinish(connection_);
}

Result<std::unique_ptr<Database>> PostgresDatabase::open(const std::string& url, Access access) {
  const auto pq = LibPq::load();
  if (!pq) return std::unexpected(pq.error());
  auto target = read_url(**pq, url);
  if (!target) return std::unexpected(target.error());
  std::unique_ptr<PostgresDatabase> database(
      new PostgresDatabase(**pq, std::move(target->called), std::move(target->password)));
  if (auto connected = database->connect(url, access); !connected) return std::unexpected(connected.error());
  return database;
}

Result<void> PostgresDatabase::connect(const std::string& url, Access access) {
  const std::array keywords{
      "dbname",           "fallback_application_name",      "client_encoding", "keepalives_idle", "keepalives_interval",
      "keepalives_count", static_cast<const char*>(nullptr)};
  const std::array values{url.c_str(), "folkmoot", "UTF8", "10", "5", "3", static_cast<const char*>(nullptr)};
  connection_ = pq_.PQconnectStartParams(keywords.data(), values.data(), 1);
  const auto until_ms = postgres_clock_ms() + kConnectMsMax;
  auto state = PGRES_POLLING_WRITING;
  while (connection_ != nullptr && pq_.PQstatus(connection_) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
    if (auto ready = wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ms); !ready) return ready;
    state = pq_.PQconnectPoll(connection_);
    if (state == PGRES_POLLING_FAILED) break;
  }
  if (state != PGRES_POLLING_OK) {
    const auto why = connection_ == nullptr ? std::string("out of memory") : clean(pq_.PQerrorMessage(connection_));
    // The library keeps no code of what was refused before a session had begun.
    const auto code = why.contains("password") || why.contains("pg_hba.conf") || why.contains("role \"")
                          ? ErrorCode::unauthorized
                      : why.contains("database \"") ? ErrorCode::not_found
                                                    : ErrorCode::connection_lost;
    return failure(code, fmt::format("{}: {}", called_, why), advice_on(code));
  }
  pq_.PQsetNoticeReceiver(connection_, [](void*, const PGresult*) {}, nullptr);
  if (pq_.PQsetnonblocking(connection_, 1) != 0) return std::unexpected(lost("it cannot be asked without waiting"));
  if (const int version = pq_.PQserverVersion(connection_); version < kOldestServer) {
    return failure(ErrorCode::unsupported_version,
                   fmt::format("{}: it is version {}; a history needs 15 or newer", called_, version / 10'000),
                   "name a newer server in history.url");
  }
  auto set = execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET standard_conforming_strings = on");
  if (set && access == Access::read_only) set = execute("SET default_transaction_read_only = on");
  return set;
}

std::int64_t PostgresDatabase::until() const { return postgres_clock_ms() + limit_ms_ + kGraceMs; }

void PostgresDatabase::hurry(std::int64_t ms) { give_up_at_ms_ = postgres_clock_ms() + ms; }

bool PostgresDatabase::is_open() {
  if (is_lost_ || connection_ == nullptr) return false;
  // Nothing was asked: what can be read now is that the other side has gone, or will.
  if (pq_.PQconsumeInput(connection_) != 1 || pq_.PQstatus(connection_) != CONNECTION_OK) is_lost_ = true;
  return !is_lost_;
}

Error PostgresDatabase::lost(std::string_view why) {
  is_lost_ = true;
  in_transaction_ = false;
  const auto said = connection_ == nullptr ? std::string() : clean(pq_.PQerrorMessage(connection_));
  return {ErrorCode::connection_lost, fmt::format("{}: {}", called_, said.empty() ? why : said),
          advice_on(ErrorCode::connection_lost)};
}

// One line, without the password, wherever it came from.
std::string PostgresDatabase::clean(std::string_view text) const {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string out(text);
  if (!is_utf8(out)) out = "(it says so in an encoding that is not UTF-8)";
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  for (std::size_t at = 0; !password_.empty() && (at = out.find(password_, at)) != std::string::npos;)
    out.replace(at, password_.size(), "...");
  return out;
}

Error PostgresDatabase::error_of(const PGresult* result) const {
  const auto* const state = pq_.PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const auto* const what = pq_.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const auto code = state == nullptr ? ErrorCode::connection_lost : code_of(state);
  return {code,
          fmt::format("{}: {}{}{}", called_, clean(what == nullptr ? "it said no more" : what),
                      state == nullptr ? "" : ", SQLSTATE ", state == nullptr ? "" : state),
          advice_on(code)};
}

Result<void> PostgresDatabase::wait(short events, std::int64_t until_ms) {
  for (;;) {
    pollfd socket{pq_.PQsocket(connection_), events, 0};
    if (socket.fd < 0) return std::unexpected(lost("there is no connection"));
    const auto left = std::min(until_ms, give_up_at_ms_.load()) - postgres_clock_ms();
    if (left <= 0) return std::unexpected(lost("it does not answer"));
    if (::poll(&socket, 1, static_cast<int>(std::min<std::int64_t>(left, kLookMs))) > 0) return {};
  }
}

Result<PostgresDatabase::Answer> PostgresDatabase::take_answer(std::int64_t until_ms) {
  if (is_lost_) return std::unexpected(lost("the connection is gone"));
  for (;;) {
    const int unsent = pq_.PQflush(connection_);
    if (unsent < 0) return std::unexpected(lost("it hears nothing more"));
    if (unsent == 0 && pq_.PQisBusy(connection_) == 0) break;
    const auto ready = wait(static_cast<short>(unsent == 1 ? POLLIN | POLLOUT : POLLIN), until_ms);
    if (!ready) return std::unexpected(ready.error());
    if (pq_.PQconsumeInput(connection_) != 1) return std::unexpected(lost("it says nothing more"));
  }
  Answer answer(pq_.PQgetResult(connection_), Clear{&pq_});
  if (pq_.PQstatus(connection_) == CONNECTION_BAD) return std::unexpected(lost("the connection is gone"));
  return answer;
}

Result<void> PostgresDatabase::finish_plain() {
  for (;;) {
    const auto answer = take_answer(until());
    if (!answer) return std::unexpected(answer.error());
    if (!*answer) return {};
  }
}

Result<void> PostgresDatabase::sent(bool done, std::size_t bytes) {
  if (!done) return std::unexpected(lost("it takes no more"));
  pipeline_bytes_ += bytes;
  if (++in_pipeline_ < kPipelineMax && pipeline_bytes_ < kPipelineBytesMax) return {};
  return settle();
}

Result<void> PostgresDatabase::settle() {
  if (is_lost_) return std::unexpected(lost("the connection is gone"));
  if (in_pipeline_ == 0) return {};
  if (pq_.PQpipelineSync(connection_) != 1) return std::unexpected(lost("it takes no more"));
  std::optional<Error> first;
  for (; in_pipeline_ > 0; --in_pipeline_) {
    for (;;) {
      const auto answer = take_answer(until());
      if (!answer) return std::unexpected(answer.error());
      if (!*answer) break;
      const auto status = pq_.PQresultStatus(answer->get());
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_ABORTED && !first)
        first = error_of(answer->get());
    }
  }
  pipeline_bytes_ = 0;
  const auto synced = take_answer(until());
  if (!synced) return std::unexpected(synced.error());
  if (pq_.PQexitPipelineMode(connection_) != 1) return std::unexpected(lost("its pipeline does not end"));
  if (first) return std::unexpected(*first);
  return {};
}

Result<void> PostgresDatabase::execute(const char* sql) {
  if (auto settled = settle(); !settled) return settled;
  if (pq_.PQsendQuery(connection_, sql) != 1) return std::unexpected(lost("it takes no more"));
  std::optional<Error> first;
  for (;;) {
    const auto answer = take_answer(until());
    if (!answer) return std::unexpected(answer.error());
    if (!*answer) break;
    const auto status = pq_.PQresultStatus(answer->get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY && !first)
      first = error_of(answer->get());
    // A transaction that had failed ends well, but as another command.
    const std::string_view ended = pq_.PQcmdStatus(answer->get());
    if (!first && std::string_view(sql) == "COMMIT" && ended != "COMMIT")
      first = Error{ErrorCode::io_error, fmt::format("{}: the transaction had failed", called_), {}};
  }
  if (first) return std::unexpected(*first);
  return {};
}

Result<std::unique_ptr<Statement>> PostgresDatabase::prepare(std::string_view sql) {
  if (limit_told_ms_ != limit_ms_) {
    if (auto set = execute(fmt::format("SET statement_timeout = {}", limit_ms_).c_str()); !set)
      return std::unexpected(set.error());
    limit_told_ms_ = limit_ms_;
  }
  return std::make_unique<PostgresStatement>(*this, numbered(sql));
}

Result<void> PostgresDatabase::begin() {
  auto begun = execute("BEGIN");
  in_transaction_ = begun.has_value();
  return begun;
}

Result<void> PostgresDatabase::commit() {
  auto done = execute("COMMIT");
  if (done) in_transaction_ = false;
  return done;
}

void PostgresDatabase::roll_back() {
  if (is_lost_) return;
  (void)settle();
  if (in_transaction_ && !is_lost_) (void)execute("ROLLBACK");
  in_transaction_ = false;
}

Result<void> PostgresDatabase::sync_commits(bool on) {
  return execute(on ? "SET synchronous_commit = on" : "SET synchronous_commit = off");
}

}  // namespace folkmoot
