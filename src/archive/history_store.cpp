#include "archive/history_store.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "archive/history_tables.hpp"
#include "base/base64.hpp"
#include "base/duration.hpp"
#include "base/hex.hpp"
#include "base/sha256.hpp"
#include "base/utf8.hpp"
#include "folkmoot/signing.hpp"
#include "message/json_mapping.hpp"
#include "message/json_text.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

// PostgreSQL's own number for "a folkmoot writes the history here", which it gives to one connection at a time.
constexpr std::int64_t kWriterLock = 0x666f'6c6b'6d6f'6f74;
constexpr std::chrono::milliseconds kLockWait{5'000}, kLockLook{50};
constexpr std::int64_t kWriteMsMax = 10'000;  // for a statement
constexpr std::size_t kAgentsKnownMax = 100'000;

std::string text_of(Instant at) { return at == 0 ? std::string() : format_time_ms(at.ms); }

HistoryState state_of(DeadReason reason) {
  if (reason == DeadReason::none) return HistoryState::pending;
  return reason == DeadReason::expired ? HistoryState::expired : HistoryState::failed;
}

std::string_view word(HistoryState state) { return kHistoryStateWords[static_cast<std::size_t>(state)]; }

std::int64_t number_of(MessageKey key) { return static_cast<std::int64_t>(key.value); }

}  // namespace

namespace {

std::string made_id(std::string_view kind, std::string_view name) {
  if (const auto given = Uuid::parse(name)) return given->text();
  Sha256 hash;
  hash.add(as_bytes(kind));
  hash.add(as_bytes(name));
  const auto digest = hash.finish();
  Uuid id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0f) | 0x80);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id.text();
}

// One that was killed lets go when the database has noticed.
Result<void> take_writer_lock(Database& database) {
  const auto give_up_at = std::chrono::steady_clock::now() + kLockWait;
  for (;;) {
    const auto taken = database.number(fmt::format("SELECT CAST(pg_try_advisory_lock({}) AS integer)", kWriterLock));
    if (!taken) return std::unexpected(taken.error());
    if (*taken == 1) return {};
    if (std::chrono::steady_clock::now() > give_up_at) break;
    std::this_thread::sleep_for(kLockLook);
  }
  return failure(ErrorCode::in_use, fmt::format("{}: another server writes its history there", database.called()),
                 "give each server a database of its own");
}

// The two differ in what a full-text index is, and in columns that are of a type of their own.
std::string insert_message_sql(const Database& database) {
  const bool is_postgres = database.is_postgres();
  return fmt::format(
      "INSERT INTO agent_messages (id, from_agent_id, to_agent_id, conversation_id, message_type, priority, content, "
      "metadata, status, retry_count, expires_at, created_at, shard, key, mode, sender, recipient, correlation_id, "
      "cause_id, reason, content_type, content_bytes, content_hash, provenance, topic{}) VALUES (?1, ?2, ?3, ?4, ?5, "
      "?6, {}, "
      "{}, ?9, ?10, "
      "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, {}, ?25{}) ON CONFLICT DO NOTHING",
      is_postgres ? ", conversation, words" : "", is_postgres ? "folkmoot_json(?7)" : "?7",
      is_postgres ? "folkmoot_json(?8)" : "?8", is_postgres ? "folkmoot_json(?24)" : "?24",
      is_postgres ? ", ?26, folkmoot_words(?7)" : "");
}

}  // namespace

std::string agent_id(std::string_view name) { return made_id("folkmoot agent ", name); }
std::string conversation_id(std::string_view name) { return made_id("folkmoot conversation ", name); }

Result<std::unique_ptr<HistoryStore>> HistoryStore::open(const HistoryPlace& place) {
  auto database = open_database(place, Database::Access::read_write);
  if (!database) return std::unexpected(database.error());
  auto& its = **database;
  its.limit_time(kWriteMsMax);
  auto ready = its.is_postgres()
                   ? take_writer_lock(its)
                   : its.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;");
  if (ready) ready = bring_tables_up_to_date(its);
  if (ready) ready = its.sync_commits(false);
  if (!ready) return std::unexpected(ready.error());
  std::unique_ptr<HistoryStore> store(new HistoryStore(std::move(*database)));
  if (auto prepared = store->prepare(); !prepared) return std::unexpected(prepared.error());
  return store;
}

Result<void> HistoryStore::prepare() {
  const auto insert_message = insert_message_sql(*database_);
  const std::pair<Prepared*, std::string_view> all[] = {
      {&insert_message_, insert_message},
      {&insert_agent_,
       "INSERT INTO agents (id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO NOTHING"},
      {&settle_,
       "UPDATE agent_messages SET status = CASE mode WHEN 0 THEN 'delivered' ELSE 'processed' END, processed_at = ?3, "
       "delivered_at = coalesce(delivered_at, ?3) WHERE shard = ?1 AND key = ?2 AND status = 'pending'"},
      {&end_,
       "UPDATE agent_messages SET status = ?3, processed_at = ?4, reason = ?5 WHERE shard = ?1 AND key = ?2 AND status "
       "= 'pending'"},
      {&come_back_,
       "UPDATE agent_messages SET retry_count = CASE WHEN retry_count < ?3 THEN ?3 ELSE retry_count END, delivered_at "
       "= coalesce(delivered_at, ?4) WHERE shard = ?1 AND key = ?2"},
      {&insert_attempt_,
       "INSERT INTO message_delivery_log (message_id, attempt, status, response_body, attempted_at, holder, how, "
       "response_code) SELECT id, ?3, ?4, ?5, ?6, (SELECT name FROM folkmoot_names WHERE shard = ?1 AND number = ?7), "
       "?8, "
       "?9 FROM "
       "agent_messages WHERE shard = ?1 AND key = ?2 ON CONFLICT DO NOTHING"},
      {&insert_name_,
       "INSERT INTO folkmoot_names (shard, number, name) VALUES (?1, ?2, ?3) ON CONFLICT (shard, number) DO UPDATE SET "
       "name = excluded.name"},
      {&set_position_,
       "INSERT INTO folkmoot_position (shard, position, journal) VALUES (?1, ?2, ?3) ON CONFLICT (shard) DO UPDATE SET "
       "position = excluded.position, journal = excluded.journal"},
      {&get_position_, "SELECT position, journal FROM folkmoot_position WHERE shard = ?1"},
      {&insert_gap_,
       "INSERT INTO folkmoot_gaps (shard, from_position, to_position, noticed_at) VALUES (?1, ?2, ?3, ?4)"},
      {&find_number_, "SELECT number FROM agent_messages WHERE id = ?1"},
      {&insert_moved_, "INSERT INTO folkmoot_moved (id) VALUES (?1) ON CONFLICT DO NOTHING"},
      {&meet_moved_, "DELETE FROM folkmoot_moved WHERE id = ?1"},
      {&forget_moved_, "DELETE FROM folkmoot_moved WHERE id < ?1"},
      {&find_old_,
       "SELECT number FROM agent_messages WHERE created_at < ?1 AND status <> 'pending' AND coalesce(processed_at, "
       "created_at) < ?1 ORDER BY created_at LIMIT ?2"},
      {&forget_attempts_,
       "DELETE FROM message_delivery_log WHERE message_id = (SELECT id FROM agent_messages WHERE number = ?1)"},
      {&find_name_, "SELECT name FROM folkmoot_names WHERE shard = ?1 AND number = ?2"},
      {&set_agent_,
       "INSERT INTO agents (id, name, type, endpoint, capabilities, status, created_at, updated_at) VALUES (?1, ?2, "
       "?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO UPDATE SET type = excluded.type, endpoint = excluded.endpoint, "
       "capabilities = excluded.capabilities, status = excluded.status, updated_at = excluded.updated_at WHERE "
       "agents.type <> excluded.type OR coalesce(agents.endpoint, '') <> coalesce(excluded.endpoint, '') OR "
       "agents.capabilities <> excluded.capabilities OR agents.status <> excluded.status"},
      {&leave_agent_,
       "UPDATE agents SET status = 'inactive', updated_at = ?3 WHERE status <> 'inactive' AND name = (SELECT name FROM "
       "folkmoot_names WHERE shard = ?1 AND number = ?2)"},
      {&forget_message_, "DELETE FROM agent_messages WHERE number = ?1"},
      {&insert_words_,
       "INSERT INTO message_text (rowid, content) SELECT number, content FROM agent_messages WHERE shard = ?1 AND key "
       "= "
       "?2"},
      {&forget_words_,
       "INSERT INTO message_text (message_text, rowid, content) SELECT 'delete', number, content FROM agent_messages "
       "WHERE number = ?1"},
  };
  for (const auto& [statement, sql] : all) {
    const bool is_of_fts5 = statement == &insert_words_ || statement == &forget_words_;
    if (is_of_fts5 && database_->is_postgres()) continue;  // there the words are a column
    auto prepared = database_->prepare(sql);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  const auto moved = database_->number("SELECT count(*) FROM folkmoot_moved");
  if (!moved) return std::unexpected(moved.error());
  has_moved_ = *moved > 0;
  return {};
}

// Each transaction has its own time: SQLite counts from when it is told.
Result<void> HistoryStore::begin() {
  database_->limit_time(kWriteMsMax);
  return database_->begin();
}

Result<void> HistoryStore::commit(ShardNumber shard, Lsn position, std::string_view journal) {
  set_position_->bind(1, std::int64_t{shard.value}).bind(2, static_cast<std::int64_t>(position.value));
  if (auto set = set_position_->bind(3, journal).send(); !set) return set;
  return database_->commit();
}

void HistoryStore::roll_back() {
  agents_.clear();
  database_->roll_back();
}

Result<void> HistoryStore::sync_commits(bool on) { return database_->sync_commits(on); }

Result<HistoryPosition> HistoryStore::position(ShardNumber shard) {
  const auto row = get_position_->bind(1, std::int64_t{shard.value}).step();
  if (!row) return std::unexpected(row.error());
  HistoryPosition position;
  if (*row) {
    position = {.lsn = Lsn{static_cast<std::uint64_t>(get_position_->number(0))},
                .journal = std::string(get_position_->text(1))};
  }
  get_position_->reset();
  return position;
}

Result<void> HistoryStore::name(ShardNumber shard, NameId number, std::string_view name) {
  insert_name_->bind(1, std::int64_t{shard.value}).bind(2, std::int64_t{number.value});
  return insert_name_->bind(3, name).send();
}

Result<std::string> HistoryStore::name_of(ShardNumber shard, NameId number) {
  const auto row = find_name_->bind(1, std::int64_t{shard.value}).bind(2, std::int64_t{number.value}).step();
  if (!row) return std::unexpected(row.error());
  auto name = *row ? std::string(find_name_->text(0)) : std::string();
  find_name_->reset();
  return name;
}

Result<void> HistoryStore::registered(ShardNumber shard, const RegisteredRow& agent, Instant at) {
  const auto name = name_of(shard, agent.name);
  if (!name) return std::unexpected(name.error());
  if (name->empty()) return {};  // what named it is in a gap
  const auto id = agent_id(*name), since = text_of(agent.registered_at), now = text_of(at);
  set_agent_->bind(1, id).bind(2, *name).bind(3, agent.type).bind_optional(4, agent.endpoint);
  set_agent_->bind(5, agent.capabilities).bind(6, agent.status).bind(7, since).bind(8, now);
  return set_agent_->send();
}

Result<void> HistoryStore::unregistered(ShardNumber shard, NameId name, Instant at) {
  const auto now = text_of(at);
  leave_agent_->bind(1, std::int64_t{shard.value}).bind(2, std::int64_t{name.value});
  return leave_agent_->bind(3, now).send();
}

Result<void> HistoryStore::know_agent(std::string_view name, const std::string& id, std::string_view at) {
  if (agents_.size() >= kAgentsKnownMax) agents_.clear();
  if (!agents_.emplace(name).second) return {};
  return insert_agent_->bind(1, id).bind(2, name).bind(3, at).send();
}

Result<void> HistoryStore::accepted(ShardNumber shard, const AcceptedMessage& accepted) {
  if (has_moved_) {
    const auto id = accepted.message.id.text();
    const auto met = meet_moved_->bind(1, id).run();
    if (!met) return std::unexpected(met.error());
    if (*met > 0) return {};
  }
  return insert({.shard = std::int64_t{shard.value},
                 .key = number_of(accepted.key),
                 .at = key_time(accepted.key),
                 .state = state_of(accepted.dead)},
                accepted);
}

// An event has no key: its stream and its number there are as good, below zero where no shard is.
Result<void> HistoryStore::happened(const StreamEventFact& fact, const AcceptedMessage& event) {
  if (fact.at < forgotten_before_) return {};
  return insert({.shard = -std::int64_t{fact.stream.value},
                 .key = static_cast<std::int64_t>(fact.sequence.value),
                 .at = fact.at,
                 .state = HistoryState::event},
                event);
}

Result<void> HistoryStore::insert(const Place& place, const AcceptedMessage& accepted) {
  const auto& message = accepted.message;
  const bool is_event = place.state == HistoryState::event;
  const auto from = agent_id(message.from), to = is_event ? std::string() : agent_id(message.to);
  const auto at = text_of(place.at), expires = text_of(accepted.expires_at);
  for (const auto& [name, id] : {std::pair(std::string_view(message.from), from), {message.to, to}}) {
    if (id.empty()) continue;
    if (auto known = know_agent(name, id, at); !known) return known;
  }
  // What nobody here can read would be kept in vain, and for longer than its sender may have thought.
  const bool is_withheld = !message.content_ref && (is_sealed(message) || !policy_.keeps_content(message));
  const auto content = is_withheld ? std::string("null") : content_as_json(message);
  // A statement keeps what it is bound to by its place, until it has run.
  const auto id = message.id.text();
  auto metadata = json_text(message.metadata).text;
  if (metadata.empty()) metadata = "{}";
  const auto hash = message.content_ref ? message.content_ref->hash.text()
                    : is_withheld       ? Sha256::of(as_bytes(message.content)).text()
                                        : std::string();
  const auto cause = message.cause.is_nil() ? std::string() : message.cause.text();
  const auto bytes = message.content_ref ? message.content_ref->size : message.content.size();
  auto& to_row = *insert_message_;
  const bool has_ids = database_->is_postgres() && !message.conversation.empty();
  const auto conversation = has_ids ? conversation_id(message.conversation) : message.conversation;
  to_row.bind(1, id).bind(2, from).bind_optional(3, to).bind_optional(4, conversation).bind(5, message.type);
  to_row.bind(6, std::int64_t{message.priority}).bind(7, content).bind(8, metadata);
  to_row.bind(9, word(place.state)).bind(10, std::int64_t{accepted.attempts});
  to_row.bind_optional(11, expires).bind(12, at).bind(13, place.shard).bind(14, place.key);
  to_row.bind(15, static_cast<std::int64_t>(accepted.mode)).bind(16, message.from).bind(17, message.to);
  to_row.bind_optional(18, message.correlation).bind_optional(19, cause);
  to_row.bind_optional(20, folkmoot::name(accepted.dead)).bind_optional(21, message.content_type);
  to_row.bind(22, static_cast<std::int64_t>(bytes)).bind_optional(23, hash);
  const auto provenance = message.provenance ? to_json(*message.provenance) : std::string();
  to_row.bind_optional(24, provenance).bind_optional(25, is_event ? message.topic : message.event_topic);
  if (database_->is_postgres()) return to_row.bind_optional(26, message.conversation).send();
  const auto inserted = to_row.run();
  if (!inserted) return std::unexpected(inserted.error());
  if (*inserted == 0) return {};
  return insert_words_->bind(1, place.shard).bind(2, place.key).send();
}

Result<void> HistoryStore::settled(ShardNumber shard, MessageKey key, Instant at) {
  const auto text = text_of(at);
  return settle_->bind(1, std::int64_t{shard.value}).bind(2, number_of(key)).bind(3, text).send();
}

Result<void> HistoryStore::result(ShardNumber shard, const ResultFact& fact, std::string_view json) {
  const auto at = text_of(fact.at);
  insert_attempt_->bind(1, std::int64_t{shard.value}).bind(2, number_of(fact.message.key));
  insert_attempt_->bind(3, std::int64_t{fact.deliveries}).bind(4, "success").bind(5, json).bind(6, at);
  insert_attempt_->bind(7, std::int64_t{fact.holder.value}).bind(8, kResultHow).bind_null(9);
  return insert_attempt_->send();
}

// The fact that it came back follows at the same time, and finds its row there.
Result<void> HistoryStore::answered(ShardNumber shard, const ResultFact& fact, std::string_view answer) {
  const auto at = text_of(fact.at);
  const auto text = escaped_controls(answer, KeepLines::yes);
  const bool is_success = fact.code >= 200 && fact.code <= 299;
  insert_attempt_->bind(1, std::int64_t{shard.value}).bind(2, number_of(fact.message.key));
  insert_attempt_->bind(3, std::int64_t{fact.deliveries}).bind(4, is_success ? "success" : "failed");
  insert_attempt_->bind_optional(5, text).bind(6, at).bind(7, std::int64_t{fact.holder.value});
  insert_attempt_->bind(8, kAnsweredHow).bind(9, std::int64_t{fact.code});
  return insert_attempt_->send();
}

Result<void> HistoryStore::attempt(ShardNumber shard, const ReturnedFact& fact, std::string_view reason) {
  const auto at = text_of(fact.at);
  const auto text = escaped_controls(reason, KeepLines::yes);
  const std::int64_t its_shard{shard.value}, attempts{fact.deliveries};
  come_back_->bind(1, its_shard).bind(2, number_of(fact.message.key)).bind(3, attempts).bind_optional(4, at);
  if (auto done = come_back_->send(); !done) return done;
  const bool is_late = fact.end == AttemptEnd::lease_expired;
  insert_attempt_->bind(1, its_shard).bind(2, number_of(fact.message.key)).bind(3, attempts);
  insert_attempt_->bind(4, is_late ? "timeout" : "failed").bind_optional(5, text).bind(6, at);
  insert_attempt_->bind(7, std::int64_t{fact.holder.value}).bind(8, folkmoot::name(fact.end));
  insert_attempt_->bind_null(9);
  return insert_attempt_->send();
}

Result<void> HistoryStore::ended(ShardNumber shard, MessageKey key, HistoryState state, Instant at,
                                 std::string_view reason) {
  const auto time = text_of(at);
  const auto text = escaped_controls(reason, KeepLines::yes);
  end_->bind(1, std::int64_t{shard.value}).bind(2, number_of(key)).bind(3, word(state));
  return end_->bind_optional(4, time).bind_optional(5, text).send();
}

// The journal of the shard that has it now may be read before that of the one which had it: then the row is yet to
// come.
Result<void> HistoryStore::moved(const Uuid& id) {
  const auto text = id.text();
  const auto row = find_number_->bind(1, text).step();
  if (!row) return std::unexpected(row.error());
  const auto number = *row ? find_number_->number(0) : 0;
  find_number_->reset();
  if (number != 0) return forget(number);
  has_moved_ = true;
  return insert_moved_->bind(1, text).send();
}

Result<void> HistoryStore::forget(std::int64_t number) {
  for (const auto* const statement : {&forget_words_, &forget_attempts_, &forget_message_}) {
    if (*statement == nullptr) continue;
    if (auto done = (*statement)->bind(1, number).send(); !done) return done;
  }
  return {};
}

Result<void> HistoryStore::gap(ShardNumber shard, Lsn from, Lsn to, Instant at) {
  const auto text = text_of(at);
  insert_gap_->bind(1, std::int64_t{shard.value}).bind(2, static_cast<std::int64_t>(from.value));
  return insert_gap_->bind(3, static_cast<std::int64_t>(to.value)).bind(4, text).send();
}

Result<std::int64_t> HistoryStore::forget(Instant before, std::int64_t most) {
  if (auto begun = begin(); !begun) return std::unexpected(begun.error());
  const auto text = text_of(before);
  forgotten_before_ = before;
  std::vector<std::int64_t> old;
  find_old_->bind(1, text).bind(2, most);
  auto row = find_old_->step();
  for (; row && *row; row = find_old_->step()) old.push_back(find_old_->number(0));
  find_old_->reset();
  Result<void> done = row ? Result<void>{} : std::unexpected(row.error());
  for (const auto number : old) {
    if (done) done = forget(number);
  }
  // Ids begin with their time. What was copied forward in a journal says again that a message has moved, long after.
  if (const auto oldest = make_uuid({.key = make_key(before, 0)}).text(); done) {
    done = forget_moved_->bind(1, oldest).send();
  }
  if (done) done = database_->commit();
  if (!done) {
    roll_back();
    return std::unexpected(done.error());
  }
  return static_cast<std::int64_t>(old.size());
}

}  // namespace folkmoot
