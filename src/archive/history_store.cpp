#include "archive/history_store.hpp"

#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/hex.hpp"
#include "base/sha256.hpp"
#include "base/utf8.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kSchemaVersion = 1;
constexpr std::size_t kAgentsKnownMax = 100'000;

// Version 1. B1's indexes go on to the time of acceptance, in whose order everything is listed.
constexpr const char* kTables = R"sql(
CREATE TABLE folkmoot_schema (version INTEGER NOT NULL);
INSERT INTO folkmoot_schema VALUES (1);
CREATE TABLE folkmoot_position (shard INTEGER PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE folkmoot_names (shard INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (shard, number)) WITHOUT ROWID;
CREATE TABLE folkmoot_moved (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE folkmoot_gaps (shard INTEGER NOT NULL, from_position INTEGER NOT NULL, to_position INTEGER NOT NULL,
  noticed_at TEXT NOT NULL);
CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL DEFAULT '', endpoint TEXT,
  capabilities TEXT NOT NULL DEFAULT '[]', status TEXT DEFAULT 'active', heartbeat_at TEXT, created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL);
CREATE TABLE agent_messages (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  from_agent_id TEXT REFERENCES agents(id),
  to_agent_id TEXT REFERENCES agents(id), conversation_id TEXT, message_type TEXT NOT NULL, priority INTEGER DEFAULT 5,
  content TEXT NOT NULL, metadata TEXT DEFAULT '{}', status TEXT DEFAULT 'pending', retry_count INTEGER DEFAULT 0,
  expires_at TEXT, created_at TEXT NOT NULL, delivered_at TEXT, processed_at TEXT,
  shard INTEGER NOT NULL, key INTEGER NOT NULL, mode INTEGER NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
  correlation_id TEXT, cause_id TEXT, reason TEXT, content_type TEXT, content_bytes INTEGER NOT NULL, content_hash TEXT,
  UNIQUE (shard, key));
CREATE TABLE message_delivery_log (id INTEGER PRIMARY KEY, message_id TEXT NOT NULL REFERENCES agent_messages(id),
  attempt INTEGER NOT NULL, status TEXT NOT NULL, response_code INTEGER, response_body TEXT, attempted_at TEXT NOT NULL,
  holder TEXT, how TEXT NOT NULL, UNIQUE (message_id, attempt, attempted_at));
CREATE INDEX idx_agent_messages_status ON agent_messages(status, created_at, number);
CREATE INDEX idx_agent_messages_to_agent ON agent_messages(to_agent_id, status, created_at, number);
CREATE INDEX idx_agent_messages_to_agent_time ON agent_messages(to_agent_id, created_at, number);
CREATE INDEX idx_agent_messages_from_agent ON agent_messages(from_agent_id, created_at, number);
CREATE INDEX idx_agent_messages_priority ON agent_messages(priority, created_at, number);
CREATE INDEX idx_agent_messages_type ON agent_messages(message_type, created_at, number);
CREATE INDEX idx_agent_messages_time ON agent_messages(created_at, number);
CREATE INDEX idx_agent_messages_conversation ON agent_messages(conversation_id, created_at, number)
  WHERE conversation_id IS NOT NULL;
CREATE INDEX idx_agent_messages_correlation ON agent_messages(correlation_id, created_at, number)
  WHERE correlation_id IS NOT NULL;
CREATE INDEX idx_agent_messages_cause ON agent_messages(cause_id, created_at, number) WHERE cause_id IS NOT NULL;
CREATE VIRTUAL TABLE message_text USING fts5(content, content='agent_messages', content_rowid='number');
)sql";

std::string text_of(Instant at) { return at == 0 ? std::string() : format_time_ms(at.ms); }

HistoryState state_of(DeadReason reason) {
  if (reason == DeadReason::none) return HistoryState::pending;
  return reason == DeadReason::expired ? HistoryState::expired : HistoryState::failed;
}

std::string_view word(HistoryState state) { return kHistoryStateWords[static_cast<std::size_t>(state)]; }

std::int64_t number_of(MessageKey key) { return static_cast<std::int64_t>(key.value); }

}  // namespace

std::string agent_id(std::string_view name) {
  if (const auto given = Uuid::parse(name)) return given->text();
  Sha256 hash;
  hash.add(as_bytes("folkmoot agent "));
  hash.add(as_bytes(name));
  const auto digest = hash.finish();
  Uuid id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x80);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id.text();
}

Result<std::unique_ptr<HistoryStore>> HistoryStore::open(const std::string& path) {
  auto database = Database::open(path, Database::Access::read_write);
  if (!database) return std::unexpected(database.error());
  auto& its = **database;
  if (auto set = its.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"); !set)
    return std::unexpected(set.error());
  const auto tables = its.number("SELECT count(*) FROM sqlite_master WHERE name = 'folkmoot_schema'");
  if (!tables) return std::unexpected(tables.error());
  if (*tables == 0) {
    auto made = its.execute("BEGIN IMMEDIATE");
    if (made) made = its.execute(kTables);
    if (made) made = its.execute("COMMIT");
    if (!made) return std::unexpected(made.error());
  }
  const auto version = its.number("SELECT version FROM folkmoot_schema");
  if (!version) return std::unexpected(version.error());
  if (*version > kSchemaVersion) {
    return failure(ErrorCode::unsupported_version,
                   fmt::format("{}: made by a newer folkmoot (tables of version {})", path, *version),
                   "start that one, or move the file away");
  }
  std::unique_ptr<HistoryStore> store(new HistoryStore(std::move(*database)));
  if (auto prepared = store->prepare(); !prepared) return std::unexpected(prepared.error());
  return store;
}

Result<void> HistoryStore::prepare() {
  const std::pair<Statement*, std::string_view> all[] = {
      {&insert_message_,
       "INSERT OR IGNORE INTO agent_messages (id, from_agent_id, to_agent_id, conversation_id, message_type, priority, "
       "content, metadata, status, retry_count, expires_at, created_at, shard, key, mode, sender, recipient, "
       "correlation_id, cause_id, reason, content_type, content_bytes, content_hash) "
       "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
      {&insert_words_,
       "INSERT INTO message_text (rowid, content) SELECT number, content FROM agent_messages WHERE shard = ? AND key = "
       "?"},
      {&insert_agent_, "INSERT OR IGNORE INTO agents (id, name, created_at, updated_at) VALUES (?, ?, ?3, ?3)"},
      {&settle_,
       "UPDATE agent_messages SET status = CASE mode WHEN 0 THEN 'delivered' ELSE 'processed' END, processed_at = ?3, "
       "delivered_at = coalesce(delivered_at, ?3) WHERE shard = ?1 AND key = ?2 AND status = 'pending'"},
      {&end_,
       "UPDATE agent_messages SET status = ?3, processed_at = ?4, reason = ?5 WHERE shard = ?1 AND key = ?2 AND status "
       "= 'pending'"},
      {&come_back_,
       "UPDATE agent_messages SET retry_count = max(retry_count, ?3), delivered_at = coalesce(delivered_at, ?4) WHERE "
       "shard = ?1 AND key = ?2"},
      {&insert_attempt_,
       "INSERT OR IGNORE INTO message_delivery_log (message_id, attempt, status, response_body, attempted_at, holder, "
       "how) SELECT id, ?3, ?4, ?5, ?6, ?7, ?8 FROM agent_messages WHERE shard = ?1 AND key = ?2"},
      {&holder_, "SELECT name FROM folkmoot_names WHERE shard = ? AND number = ?"},
      {&insert_name_, "INSERT OR REPLACE INTO folkmoot_names VALUES (?, ?, ?)"},
      {&set_position_, "INSERT OR REPLACE INTO folkmoot_position VALUES (?, ?)"},
      {&get_position_, "SELECT position FROM folkmoot_position WHERE shard = ?"},
      {&insert_gap_, "INSERT INTO folkmoot_gaps VALUES (?, ?, ?, ?)"},
      {&find_number_, "SELECT number FROM agent_messages WHERE id = ?"},
      {&insert_moved_, "INSERT OR IGNORE INTO folkmoot_moved VALUES (?)"},
      {&meet_moved_, "DELETE FROM folkmoot_moved WHERE id = ?"},
      {&forget_moved_, "DELETE FROM folkmoot_moved WHERE id < ?"},
      {&find_old_,
       "SELECT number FROM agent_messages WHERE created_at < ?1 AND status <> 'pending' AND coalesce(processed_at, "
       "created_at) < ?1 ORDER BY "
       "created_at LIMIT ?2"},
      {&forget_words_,
       "INSERT INTO message_text (message_text, rowid, content) SELECT 'delete', number, content FROM agent_messages "
       "WHERE number = ?"},
      {&forget_attempts_,
       "DELETE FROM message_delivery_log WHERE message_id = (SELECT id FROM agent_messages WHERE number = ?)"},
      {&forget_message_, "DELETE FROM agent_messages WHERE number = ?"},
  };
  for (const auto& [statement, sql] : all) {
    auto prepared = database_->prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  const auto moved = database_->number("SELECT count(*) FROM folkmoot_moved");
  if (!moved) return std::unexpected(moved.error());
  has_moved_ = *moved > 0;
  return {};
}

Result<void> HistoryStore::begin() { return database_->execute("BEGIN IMMEDIATE"); }

Result<void> HistoryStore::commit(ShardNumber shard, Lsn position) {
  auto set = set_position_.bind(1, std::int64_t{shard.value}).bind(2, static_cast<std::int64_t>(position.value)).run();
  if (!set) return std::unexpected(set.error());
  return database_->execute("COMMIT");
}

void HistoryStore::roll_back() {
  agents_.clear();
  (void)database_->execute("ROLLBACK");
}

Result<void> HistoryStore::sync_commits(bool on) {
  return database_->execute(on ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

Result<Lsn> HistoryStore::position(ShardNumber shard) {
  const auto row = get_position_.bind(1, std::int64_t{shard.value}).step();
  if (!row) return std::unexpected(row.error());
  const Lsn position(*row ? static_cast<std::uint64_t>(get_position_.number(0)) : std::uint64_t{0});
  get_position_.reset();
  return position;
}

Result<void> HistoryStore::name(ShardNumber shard, NameId number, std::string_view name) {
  auto done = insert_name_.bind(1, std::int64_t{shard.value}).bind(2, std::int64_t{number.value}).bind(3, name).run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> HistoryStore::know_agent(std::string_view name, const std::string& id, std::string_view at) {
  if (agents_.size() >= kAgentsKnownMax) agents_.clear();
  if (!agents_.emplace(name).second) return {};
  auto done = insert_agent_.bind(1, id).bind(2, name).bind(3, at).run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> HistoryStore::accepted(ShardNumber shard, const AcceptedMessage& accepted) {
  const auto& message = accepted.message;
  const auto from = agent_id(message.from), to = agent_id(message.to);
  const auto at = text_of(key_time(accepted.key)), expires = text_of(accepted.expires_at);
  for (const auto& [name, id] : {std::pair(std::string_view(message.from), from), {message.to, to}}) {
    if (auto known = know_agent(name, id, at); !known) return known;
  }
  const auto id = message.id.text();
  if (has_moved_) {
    const auto met = meet_moved_.bind(1, id).run();
    if (!met) return std::unexpected(met.error());
    if (*met > 0) return {};
  }
  const auto content = content_as_json(message);
  const auto metadata = json_text(message.metadata).text;
  const auto hash = message.content_ref ? message.content_ref->hash.text() : std::string();
  const auto cause = message.cause.is_nil() ? std::string() : message.cause.text();
  const auto bytes = message.content_ref ? message.content_ref->size : message.content.size();
  auto& to_row = insert_message_;
  to_row.bind(1, id).bind(2, from).bind(3, to).bind_optional(4, message.conversation).bind(5, message.type);
  to_row.bind(6, std::int64_t{message.priority}).bind(7, content).bind(8, metadata.empty() ? "{}" : metadata);
  to_row.bind(9, word(state_of(accepted.dead))).bind(10, std::int64_t{accepted.attempts});
  to_row.bind_optional(11, expires).bind(12, at).bind(13, std::int64_t{shard.value}).bind(14, number_of(accepted.key));
  to_row.bind(15, static_cast<std::int64_t>(accepted.mode)).bind(16, message.from).bind(17, message.to);
  to_row.bind_optional(18, message.correlation).bind_optional(19, cause);
  to_row.bind_optional(20, folkmoot::name(accepted.dead)).bind_optional(21, message.content_type);
  to_row.bind(22, static_cast<std::int64_t>(bytes)).bind_optional(23, hash);
  const auto inserted = to_row.run();
  if (!inserted) return std::unexpected(inserted.error());
  if (*inserted == 0) return {};
  auto words = insert_words_.bind(1, std::int64_t{shard.value}).bind(2, number_of(accepted.key)).run();
  return words ? Result<void>{} : std::unexpected(words.error());
}

Result<void> HistoryStore::settled(ShardNumber shard, MessageKey key, Instant at) {
  const auto text = text_of(at);
  auto done = settle_.bind(1, std::int64_t{shard.value}).bind(2, number_of(key)).bind(3, text).run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<std::string> HistoryStore::agent_numbered(ShardNumber shard, NameId number) {
  if (number == 0) return std::string();
  const auto row = holder_.bind(1, std::int64_t{shard.value}).bind(2, std::int64_t{number.value}).step();
  if (!row) return std::unexpected(row.error());
  std::string name(*row ? holder_.text(0) : std::string_view());
  holder_.reset();
  return name;
}

Result<void> HistoryStore::result(ShardNumber shard, const ResultFact& fact, std::string_view json) {
  const auto holder = agent_numbered(shard, fact.holder);
  if (!holder) return std::unexpected(holder.error());
  const auto at = text_of(fact.at);
  auto done = insert_attempt_.bind(1, std::int64_t{shard.value})
                  .bind(2, number_of(fact.message.key))
                  .bind(3, std::int64_t{fact.deliveries})
                  .bind(4, "success")
                  .bind(5, json)
                  .bind(6, at)
                  .bind_optional(7, *holder)
                  .bind(8, kResultHow)
                  .run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> HistoryStore::attempt(ShardNumber shard, const ReturnedFact& fact, std::string_view reason) {
  const auto holder = agent_numbered(shard, fact.holder);
  if (!holder) return std::unexpected(holder.error());
  const auto at = text_of(fact.at);
  const auto text = printable(reason);
  auto done = come_back_.bind(1, std::int64_t{shard.value})
                  .bind(2, number_of(fact.message.key))
                  .bind(3, std::int64_t{fact.deliveries})
                  .bind_optional(4, at)
                  .run();
  if (!done) return std::unexpected(done.error());
  const bool is_late = fact.end == AttemptEnd::lease_expired;
  done = insert_attempt_.bind(1, std::int64_t{shard.value})
             .bind(2, number_of(fact.message.key))
             .bind(3, std::int64_t{fact.deliveries})
             .bind(4, is_late ? "timeout" : "failed")
             .bind_optional(5, text)
             .bind(6, at)
             .bind_optional(7, *holder)
             .bind(8, folkmoot::name(fact.end))
             .run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<void> HistoryStore::ended(ShardNumber shard, MessageKey key, HistoryState state, Instant at,
                                 std::string_view reason) {
  const auto time = text_of(at);
  const auto text = printable(reason);
  auto done = end_.bind(1, std::int64_t{shard.value})
                  .bind(2, number_of(key))
                  .bind(3, word(state))
                  .bind_optional(4, time)
                  .bind_optional(5, text)
                  .run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

// The journal of the shard that has it now may be read before that of the one which had it: then the row is yet to
// come.
Result<void> HistoryStore::moved(const Uuid& id) {
  const auto text = id.text();
  const auto row = find_number_.bind(1, text).step();
  if (!row) return std::unexpected(row.error());
  const auto number = *row ? find_number_.number(0) : 0;
  find_number_.reset();
  if (number != 0) return forget(number);
  has_moved_ = true;
  auto noted = insert_moved_.bind(1, text).run();
  return noted ? Result<void>{} : std::unexpected(noted.error());
}

Result<void> HistoryStore::forget(std::int64_t number) {
  for (auto* const statement : {&forget_words_, &forget_attempts_, &forget_message_}) {
    if (auto done = statement->bind(1, number).run(); !done) return std::unexpected(done.error());
  }
  return {};
}

Result<void> HistoryStore::gap(ShardNumber shard, Lsn from, Lsn to, Instant at) {
  const auto text = text_of(at);
  auto done = insert_gap_.bind(1, std::int64_t{shard.value})
                  .bind(2, static_cast<std::int64_t>(from.value))
                  .bind(3, static_cast<std::int64_t>(to.value))
                  .bind(4, text)
                  .run();
  return done ? Result<void>{} : std::unexpected(done.error());
}

Result<std::int64_t> HistoryStore::forget(Instant before, std::int64_t most) {
  if (auto begun = begin(); !begun) return std::unexpected(begun.error());
  const auto text = text_of(before);
  std::vector<std::int64_t> old;
  find_old_.bind(1, text).bind(2, most);
  auto row = find_old_.step();
  for (; row && *row; row = find_old_.step()) old.push_back(find_old_.number(0));
  find_old_.reset();
  Result<void> done = row ? Result<void>{} : std::unexpected(row.error());
  for (const auto number : old) {
    if (done) done = forget(number);
  }
  // Ids begin with their time. What was copied forward in a journal says again that a message has moved, long after.
  if (const auto oldest = make_uuid({.key = make_key(before, 0)}).text(); done) {
    if (auto gone = forget_moved_.bind(1, oldest).run(); !gone) done = std::unexpected(gone.error());
  }
  if (done) done = database_->execute("COMMIT");
  if (!done) {
    roll_back();
    return std::unexpected(done.error());
  }
  return static_cast<std::int64_t>(old.size());
}

}  // namespace folkmoot
