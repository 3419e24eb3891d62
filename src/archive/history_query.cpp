// Questions to the history. All conditions of one hold together; what it answers is in the order of acceptance, newest
// first, which every index goes on to.
#include <fmt/format.h>

#include <charconv>

#include "archive/history_store.hpp"
#include "base/duration.hpp"
#include "base/utf8.hpp"
#include "message/topic.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kFindMsMax = 5'000;
constexpr std::size_t kPageBytesMax = std::size_t{3} << 20;  // of contents; what does not fit is for the next page
constexpr std::size_t kGapsMax = 1'000;
constexpr std::string_view kColumns =
    "m.id, m.status, m.sender, m.recipient, m.message_type, m.priority, m.retry_count, m.created_at, m.delivered_at, "
    "m.processed_at, m.expires_at, m.{}, m.correlation_id, m.cause_id, m.reason, m.content_type, m.content_bytes, "
    "m.content_hash, m.number, {}, m.provenance, m.topic";
constexpr int kNumberColumn = 18, kContentColumn = 19, kProvenanceColumn = 20, kTopicColumn = 21;

std::int64_t time_of(std::string_view text) { return text.empty() ? 0 : parse_time_ms(text).value_or(0); }

HistoryState state_named(std::string_view word) {
  for (std::size_t i = 0; i < std::size(kHistoryStateWords); ++i) {
    if (kHistoryStateWords[i] == word) return static_cast<HistoryState>(i);
  }
  return HistoryState::pending;
}

HistoryMessage message_at(const Statement& row, bool with_content) {
  HistoryMessage out;
  out.id = Uuid::parse(row.text(0)).value_or(Uuid{});
  out.state = state_named(row.text(1));
  out.from = row.text(2);
  out.to = row.text(3);
  out.type = row.text(4);
  out.priority = static_cast<std::uint8_t>(row.number(5));
  out.attempts = static_cast<std::uint32_t>(row.number(6));
  out.accepted_at = time_of(row.text(7));
  out.delivered_at = time_of(row.text(8));
  out.ended_at = time_of(row.text(9));
  out.expires_at = time_of(row.text(10));
  out.conversation = row.text(11);
  out.correlation = row.text(12);
  if (!row.is_null(13)) out.cause = Uuid::parse(row.text(13)).value_or(Uuid{});
  out.reason = row.text(14);
  out.content_type = row.text(15);
  out.content_bytes = static_cast<std::uint64_t>(row.number(16));
  out.content_hash = row.text(17);
  if (with_content) out.content.text = row.text(kContentColumn);
  out.topic = row.text(kTopicColumn);
  if (!row.is_null(kProvenanceColumn)) out.provenance.text = row.text(kProvenanceColumn);
  return out;
}

std::string columns(const Database& database, bool with_content) {
  return fmt::format(kColumns, database.is_postgres() ? "conversation" : "conversation_id",
                     with_content ? "m.content" : "NULL");
}

// The words one after the other, whatever marks of FTS5 are among them.
std::string phrase(std::string_view words) {
  std::string out = "\"";
  for (const char c : words) {
    out += c;
    if (c == '"') out += '"';
  }
  return out + '"';
}

// "2026-12-02T01:02:03.004Z/17"
std::string cursor(const Statement& row) { return fmt::format("{}/{}", row.text(7), row.number(kNumberColumn)); }

struct Cursor {
  std::string time;
  std::int64_t number = 0;
};

Result<Cursor> read_cursor(std::string_view text) {
  const auto slash = text.rfind('/');
  const auto number = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || error != std::errc{} || end != number.data() + number.size() ||
      !parse_time_ms(text.substr(0, slash))) {
    return failure(ErrorCode::invalid_field, "`after` is no place in a history", "give it `next` of the page before");
  }
  return Cursor{std::string(text.substr(0, slash)), value};
}

// Conditions, and what stands for their question marks.
class Conditions {
 public:
  void add(std::string_view condition, std::initializer_list<std::string> values) {
    sql_ += sql_.empty() ? " WHERE " : " AND ";
    sql_ += condition;
    texts_.insert(texts_.end(), values);
  }
  void add_unless_empty(std::string_view condition, const std::string& value) {
    if (!value.empty()) add(condition, {value});
  }
  const std::string& sql() const { return sql_; }
  std::vector<std::string>& texts() { return texts_; }

 private:
  std::string sql_;
  std::vector<std::string> texts_;
};

// A pattern of topics in the words of PostgreSQL, for which `*` and `>` are something else.
std::string expression(std::string_view pattern) {
  std::string out = "^";
  for (bool more = true; more;) {
    const auto word = cut_word(pattern, more);
    if (word == "*") {
      out += "[^.]+";
    } else if (word == ">") {
      out += ".+";
    } else {
      for (const char c : word) {
        const bool is_plain =
            (c & 0x80) != 0 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_plain) out += '\\';
        out += c;
      }
    }
    if (more) out += "\\.";
  }
  return out + '$';
}

// What the topics of a pattern begin with: whole words, each with its dot.
std::string_view beginning(std::string_view pattern) {
  auto rest = pattern;
  for (bool more = true; more;) {
    const auto begin = pattern.size() - rest.size();
    const auto word = cut_word(rest, more);
    if (word == "*" || word == ">") return pattern.substr(0, begin);
  }
  return pattern;
}

// An index finds what begins as the pattern does before its first wildcard; of that the database looks at each.
Result<void> add_topic(Conditions& conditions, const std::string& pattern, bool is_postgres) {
  if (!is_pattern(pattern)) {
    return failure(ErrorCode::invalid_topic,
                   fmt::format("`topic` is `{}`, which is no pattern of topics", printable(pattern)),
                   "words joined by dots, in which `*` is one word and a last `>` the rest");
  }
  if (!has_wildcard(pattern)) return conditions.add("m.topic = ?", {pattern}), Result<void>{};
  if (const auto begin = beginning(pattern); !begin.empty()) {
    std::string behind(begin);
    ++behind.back();  // what comes after the dot
    conditions.add("m.topic >= ? AND m.topic < ?", {std::string(begin), behind});
  } else {
    conditions.add("m.topic IS NOT NULL", {});
  }
  if (is_postgres)
    conditions.add("m.topic ~ ?", {expression(pattern)});
  else
    conditions.add("folkmoot_topic_fits(?, m.topic)", {pattern});
  return {};
}

// What every row must be, whoever sent it to whom.
Result<void> add_conditions(Conditions& conditions, const FindHistory& wanted, bool is_postgres) {
  if (wanted.state)
    conditions.add("m.status = ?", {std::string(kHistoryStateWords[static_cast<std::size_t>(*wanted.state)])});
  conditions.add_unless_empty("m.message_type = ?", wanted.type);
  if (wanted.priority != 0) conditions.add(fmt::format("m.priority = {}", wanted.priority), {});
  const bool has_ids = is_postgres && !wanted.conversation.empty();
  conditions.add_unless_empty("m.conversation_id = ?",
                              has_ids ? conversation_id(wanted.conversation) : wanted.conversation);
  conditions.add_unless_empty("m.correlation_id = ?", wanted.correlation);
  if (!wanted.cause.is_nil()) conditions.add("m.cause_id = ?", {wanted.cause.text()});
  if (!wanted.text.empty() && is_postgres) {
    conditions.add("m.words @@ phraseto_tsquery('simple', regexp_replace(CAST(? AS text), '[^[:alnum:]]+', ' ', 'g'))",
                   {wanted.text});
  } else if (!wanted.text.empty()) {
    conditions.add("m.number IN (SELECT rowid FROM message_text WHERE message_text MATCH ?)", {phrase(wanted.text)});
  }
  if (wanted.since_ms != 0) conditions.add("m.created_at >= ?", {format_time_ms(wanted.since_ms)});
  if (wanted.until_ms != 0) conditions.add("m.created_at < ?", {format_time_ms(wanted.until_ms)});
  if (!wanted.topic.empty()) {
    if (auto added = add_topic(conditions, wanted.topic, is_postgres); !added) return added;
  }
  if (wanted.after.empty()) return {};
  const auto place = read_cursor(wanted.after);
  if (!place) return std::unexpected(place.error());
  conditions.add(fmt::format("(m.created_at, m.number) < (?, {})", place->number), {place->time});
  return {};
}

}  // namespace

Result<std::unique_ptr<HistoryReader>> HistoryReader::open(const HistoryPlace& place) {
  auto database = open_database(place, Database::Access::read_only);
  if (!database) return std::unexpected(database.error());
  (*database)->limit_time(kFindMsMax);
  return std::unique_ptr<HistoryReader>(new HistoryReader(std::move(*database)));
}

Result<std::unique_ptr<Statement>> HistoryReader::prepare(const FindHistory& wanted, std::string_view before) {
  const auto limit = std::uint64_t{wanted.limit} + 1;
  std::string sql(before);
  texts_.clear();
  const auto select = [&](std::initializer_list<std::pair<std::string_view, std::string>> parties) -> Result<void> {
    Conditions conditions;
    for (const auto& [condition, value] : parties) conditions.add(condition, {value});
    if (!wanted.to.empty()) conditions.add("m.to_agent_id = ?", {agent_id(wanted.to)});
    if (!wanted.from.empty()) conditions.add("m.from_agent_id = ?", {agent_id(wanted.from)});
    if (auto added = add_conditions(conditions, wanted, database_->is_postgres()); !added) return added;
    sql += fmt::format("SELECT {} FROM agent_messages m{} ORDER BY m.created_at DESC, m.number DESC LIMIT {}",
                       columns(*database_, wanted.content), conditions.sql(), limit);
    texts_.insert(texts_.end(), conditions.texts().begin(), conditions.texts().end());
    return {};
  };
  Result<void> done;
  if (wanted.agent.empty()) {
    done = select({});
  } else {  // each half by its own index, and no more of it than a page
    const auto id = agent_id(wanted.agent);
    sql += "SELECT * FROM (SELECT * FROM (";
    done = select({{"m.to_agent_id = ?", id}});
    sql += ") AS received UNION ALL SELECT * FROM (";
    if (done) done = select({{"m.from_agent_id = ?", id}, {"m.to_agent_id IS DISTINCT FROM ?", id}});
    sql += fmt::format(") AS sent) AS both_ways ORDER BY created_at DESC, number DESC LIMIT {}", limit);
  }
  if (!done) return std::unexpected(done.error());
  auto statement = database_->prepare(sql);
  if (!statement) return statement;
  for (std::size_t i = 0; i < texts_.size(); ++i) (*statement)->bind(static_cast<int>(i) + 1, texts_[i]);
  return statement;
}

Result<HistoryPage> HistoryReader::find(const FindHistory& wanted) {
  auto prepared = prepare(wanted, "");
  if (!prepared) return std::unexpected(prepared.error());
  auto& rows = **prepared;
  database_->limit_time(kFindMsMax);
  HistoryPage page;
  std::string last;
  std::size_t bytes = 0;
  for (;;) {
    const auto more = rows.step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return page;
    auto message = message_at(rows, wanted.content);
    bytes += message.content.text.size();
    const bool is_full = page.messages.size() == wanted.limit || (bytes > kPageBytesMax && !page.messages.empty());
    if (is_full) {
      page.next = last;
      return page;
    }
    last = cursor(rows);
    page.messages.push_back(std::move(message));
  }
}

Result<HistoryRecord> HistoryReader::show(const Uuid& id) {
  const auto text = id.text();
  auto prepared =
      database_->prepare(fmt::format("SELECT {} FROM agent_messages m WHERE m.id = ?", columns(*database_, true)));
  if (!prepared) return std::unexpected(prepared.error());
  auto& row = **prepared;
  database_->limit_time(kFindMsMax);
  const auto found = row.bind(1, text).step();
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    return failure(ErrorCode::not_found, fmt::format("the history has no message {}", text),
                   "it was accepted before the history began, is older than it keeps, or was never durable");
  }
  HistoryRecord record{.message = message_at(row, true), .attempts = {}, .result = {}};
  row.reset();
  auto log = database_->prepare(
      "SELECT attempted_at, holder, how, response_body, response_code FROM message_delivery_log WHERE message_id = ? "
      "ORDER BY attempt, attempted_at LIMIT 10000");
  if (!log) return std::unexpected(log.error());
  auto& attempts = (*log)->bind(1, text);
  auto more = attempts.step();
  for (; more && *more; more = attempts.step()) {
    if (attempts.text(2) == kResultHow) {
      record.result.text = attempts.text(3);
      continue;
    }
    record.attempts.push_back({.at_ms = time_of(attempts.text(0)),
                               .holder = std::string(attempts.text(1)),
                               .end = std::string(attempts.text(2)),
                               .reason = std::string(attempts.text(3)),
                               .code = static_cast<std::uint32_t>(attempts.is_null(4) ? 0 : attempts.number(4))});
  }
  if (!more) return std::unexpected(more.error());
  return record;
}

Result<HistoryStatus> HistoryReader::status() {
  HistoryStatus status;
  database_->limit_time(kFindMsMax);
  const auto count = database_->number("SELECT count(*) FROM agent_messages");
  if (!count) return std::unexpected(count.error());
  status.messages = static_cast<std::uint64_t>(*count);
  const auto bytes = database_->number(
      database_->is_postgres()
          ? "SELECT CAST(sum(pg_total_relation_size(to_regclass(name))) AS bigint) FROM (VALUES ('agent_messages'), "
            "('message_delivery_log'), ('agents'), ('folkmoot_names'), ('folkmoot_moved')) AS tables (name)"
          : "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
  if (!bytes) return std::unexpected(bytes.error());
  status.bytes = static_cast<std::uint64_t>(*bytes);
  const auto oldest = database_->prepare("SELECT min(created_at) FROM agent_messages");
  if (!oldest) return std::unexpected(oldest.error());
  const auto found = (*oldest)->step();
  if (!found) return std::unexpected(found.error());
  if (*found) status.oldest_at = time_of((*oldest)->text(0));
  (*oldest)->reset();
  const auto prepared = database_->prepare(
      fmt::format("SELECT shard, from_position, to_position, noticed_at FROM folkmoot_gaps ORDER BY noticed_at DESC, "
                  "from_position DESC LIMIT {}",
                  kGapsMax));
  if (!prepared) return std::unexpected(prepared.error());
  auto& gaps = **prepared;
  auto more = gaps.step();
  for (; more && *more; more = gaps.step()) {
    status.gaps.push_back({.shard = static_cast<std::uint32_t>(gaps.number(0)),
                           .from = static_cast<std::uint64_t>(gaps.number(1)),
                           .to = static_cast<std::uint64_t>(gaps.number(2)),
                           .noticed_at = time_of(gaps.text(3))});
  }
  if (!more) return std::unexpected(more.error());
  return status;
}

Result<std::string> HistoryReader::plan(const FindHistory& wanted) {
  const bool is_postgres = database_->is_postgres();
  const auto prepared = prepare(wanted, is_postgres ? "EXPLAIN " : "EXPLAIN QUERY PLAN ");
  if (!prepared) return std::unexpected(prepared.error());
  auto& rows = **prepared;
  std::string out;
  auto more = rows.step();
  for (; more && *more; more = rows.step()) {
    out += rows.text(is_postgres ? 0 : 3);
    out += '\n';
  }
  if (!more) return std::unexpected(more.error());
  return out;
}

}  // namespace folkmoot
