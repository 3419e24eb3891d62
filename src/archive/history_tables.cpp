#include "archive/history_tables.hpp"

#include <fmt/format.h>

namespace folkmoot {
namespace {

// Version 1. B1's indexes go on to the time of acceptance, in whose order everything is listed. Times are text, which
// compares as the times do.
constexpr const char* kTablesOfSqlite = R"sql(
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

// Version 1. The same with PostgreSQL's own types. What JSONB cannot hold (a NUL in a string, half a character of two,
// a number beyond its range) is kept as a string of that JSON; of what is too long to be searched, the beginning is.
// Both functions are told the text, and never fail: one message must not stop the history.
constexpr const char* kTablesOfPostgres = R"sql(
CREATE TABLE folkmoot_schema (version BIGINT NOT NULL);
INSERT INTO folkmoot_schema VALUES (1);
CREATE TABLE folkmoot_position (shard INTEGER PRIMARY KEY, position BIGINT NOT NULL);
CREATE TABLE folkmoot_names (shard INTEGER NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (shard, number));
CREATE TABLE folkmoot_moved (id UUID PRIMARY KEY);
CREATE TABLE folkmoot_gaps (shard INTEGER NOT NULL, from_position BIGINT NOT NULL, to_position BIGINT NOT NULL,
  noticed_at TIMESTAMPTZ NOT NULL);
CREATE FUNCTION folkmoot_json(given TEXT) RETURNS JSONB LANGUAGE plpgsql IMMUTABLE AS $body$
BEGIN
  RETURN given::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
  RETURN to_jsonb(given);
END $body$;
CREATE FUNCTION folkmoot_words(given TEXT) RETURNS TSVECTOR LANGUAGE plpgsql IMMUTABLE AS $body$
BEGIN
  RETURN to_tsvector('simple'::regconfig, regexp_replace(left(given, 1000000), '[^[:alnum:]]+', ' ', 'g'));
EXCEPTION WHEN program_limit_exceeded THEN
  RETURN to_tsvector('simple'::regconfig, regexp_replace(left(given, 100000), '[^[:alnum:]]+', ' ', 'g'));
END $body$;
CREATE TABLE agents (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL DEFAULT '', endpoint TEXT, capabilities JSONB NOT NULL DEFAULT '[]', status TEXT DEFAULT 'active',
  heartbeat_at TIMESTAMPTZ, created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE agent_messages (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), from_agent_id UUID REFERENCES agents(id),
  to_agent_id UUID REFERENCES agents(id), conversation_id UUID, message_type TEXT NOT NULL, priority INTEGER DEFAULT 5,
  content JSONB NOT NULL, metadata JSONB DEFAULT '{}', status TEXT DEFAULT 'pending', retry_count INTEGER DEFAULT 0,
  expires_at TIMESTAMPTZ, created_at TIMESTAMPTZ NOT NULL DEFAULT now(), delivered_at TIMESTAMPTZ,
  processed_at TIMESTAMPTZ, number BIGINT NOT NULL GENERATED BY DEFAULT AS IDENTITY UNIQUE, shard INTEGER NOT NULL,
  key BIGINT NOT NULL, mode INTEGER NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL, conversation TEXT,
  correlation_id TEXT, cause_id UUID, reason TEXT, content_type TEXT, content_bytes BIGINT NOT NULL, content_hash TEXT,
  words TSVECTOR, UNIQUE (shard, key));
CREATE TABLE message_delivery_log (id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  message_id UUID REFERENCES agent_messages(id), attempt INTEGER NOT NULL, status TEXT NOT NULL, response_code INTEGER,
  response_body TEXT, attempted_at TIMESTAMPTZ NOT NULL DEFAULT now(), holder TEXT, how TEXT NOT NULL,
  UNIQUE (message_id, attempt, attempted_at));
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
CREATE INDEX idx_agent_messages_words ON agent_messages USING gin (words);
)sql";

// Version 2: whose journal a position is in.
constexpr const char* kJournalsNamed = "ALTER TABLE folkmoot_position ADD COLUMN journal TEXT NOT NULL DEFAULT '';";

// Version 3: whose credentials a message came with, as JSON.
constexpr const char* kProvenanceOfSqlite = "ALTER TABLE agent_messages ADD COLUMN provenance TEXT;";
constexpr const char* kProvenanceOfPostgres = "ALTER TABLE agent_messages ADD COLUMN provenance JSONB;";

// Version 4: events, which have a topic and no recipient. Topics are compared by their bytes in both.
constexpr const char* kTopicsOfSqlite =
    "ALTER TABLE agent_messages ADD COLUMN topic TEXT;"
    "CREATE INDEX idx_agent_messages_topic ON agent_messages(topic, created_at, number) WHERE topic IS NOT NULL;";
constexpr const char* kTopicsOfPostgres =
    "ALTER TABLE agent_messages ADD COLUMN topic TEXT COLLATE \"C\";"
    "CREATE INDEX idx_agent_messages_topic ON agent_messages(topic, created_at, number) WHERE topic IS NOT NULL;";

struct Version {
  const char *of_sqlite, *of_postgres;
};
constexpr Version kVersions[] = {{kTablesOfSqlite, kTablesOfPostgres},
                                 {kJournalsNamed, kJournalsNamed},
                                 {kProvenanceOfSqlite, kProvenanceOfPostgres},
                                 {kTopicsOfSqlite, kTopicsOfPostgres}};

Result<void> make_version(Database& database, std::int64_t version) {
  const auto& its = kVersions[version - 1];
  auto done = database.begin();
  if (done) done = database.execute(database.is_postgres() ? its.of_postgres : its.of_sqlite);
  if (done) done = database.execute(fmt::format("UPDATE folkmoot_schema SET version = {}", version).c_str());
  if (done) done = database.commit();
  if (!done) database.roll_back();
  return done;
}

}  // namespace

std::int64_t newest_tables() { return std::ssize(kVersions); }

Result<std::int64_t> version_of_tables(Database& database) {
  const auto tables = database.number(database.is_postgres()
                                          ? "SELECT count(*) FROM pg_class WHERE oid = to_regclass('folkmoot_schema')"
                                          : "SELECT count(*) FROM sqlite_master WHERE name = 'folkmoot_schema'");
  if (!tables || *tables == 0) return tables;
  return database.number("SELECT version FROM folkmoot_schema");
}

Result<void> bring_tables_up_to_date(Database& database) {
  const auto version = version_of_tables(database);
  if (!version) return std::unexpected(version.error());
  if (*version > newest_tables()) {
    return failure(
        ErrorCode::unsupported_version,
        fmt::format("{}: made by a newer folkmoot (tables of version {}; this one knows {})", database.called(),
                    *version, newest_tables()),
        database.is_postgres() ? "start that one, or name another database" : "start that one, or move the file away");
  }
  for (auto next = *version + 1; next <= newest_tables(); ++next) {
    if (auto made = make_version(database, next); !made) return made;
  }
  return {};
}

}  // namespace folkmoot
