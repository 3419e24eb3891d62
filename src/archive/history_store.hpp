// What is written into the history's tables, in SQLite or PostgreSQL. Everything that one reading of the journal brings
// is one transaction, with the position that the reading came to: so after any crash the history has each fact once.
//
// The tables agents, agent_messages and message_delivery_log have the columns of the older system's (document 002,
// section 1.1), and more; those named folkmoot_* are the history's own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "archive/history_policy.hpp"
#include "archive/sql.hpp"
#include "engine/fact_log.hpp"
#include "engine/facts.hpp"
#include "engine/stream_facts.hpp"
#include "folkmoot/operation/history.hpp"

namespace folkmoot {

/// By what the tables know an agent: its name if that is a UUID, else one made of the name (RFC 9562, version 8).
std::string agent_id(std::string_view name);
/// Likewise a conversation, where its column takes nothing but UUIDs.
std::string conversation_id(std::string_view name);

/// How far a shard was read, and of which journal.
struct HistoryPosition {
  Lsn lsn = 0;          // 0: it was never read
  std::string journal;  // its id; empty: it was not said
};

/// In message_delivery_log, how the attempt ended that a result came of.
inline constexpr std::string_view kResultHow = "processed";
/// ... or that an endpoint answered.
inline constexpr std::string_view kAnsweredHow = "answered";

/// A message as it was accepted, or as a copy of that says that it stands; or an event, without a key.
struct AcceptedMessage {
  MessageKey key = 0;
  Instant expires_at = 0;
  std::uint32_t attempts = 0;
  DeadReason dead = DeadReason::none;
  DeliveryMode mode{};
  Message message{};
};

/// What is registered of an agent, as the older system's table has it.
struct RegisteredRow {
  NameId name = 0;
  std::string type{}, endpoint{};
  std::string capabilities = "[]";  // JSON
  std::string_view status = "active";
  Instant registered_at = 0;
};

class HistoryStore {
 public:
  /// Makes the tables, or brings those of an older version up to date. Errors: those of open_database(), disk_full,
  /// unsupported_version (a newer program's), in_use (another server writes there), already_exists, not_permitted.
  static Result<std::unique_ptr<HistoryStore>> open(const HistoryPlace& place);

  Database& database() { return *database_; }
  const HistoryPolicy& policy() const { return policy_; }
  /// From the next message on.
  void obey(const HistoryPolicy& policy) {
    if (policy != policy_) policy_ = policy;
  }

  /// What is written from here on is there together, or not at all.
  Result<void> begin();
  /// `shard` was read up to `position` of the journal with this id.
  Result<void> commit(ShardNumber shard, Lsn position, std::string_view journal);
  void roll_back();
  /// From the next commit on: on disk before it returns, with all before it; or in the system's hands.
  Result<void> sync_commits(bool on);
  Result<HistoryPosition> position(ShardNumber shard);

  // -- Errors of the next ones: io_error, disk_full, connection_lost, timed_out; some are told by a later one of them,
  // by commit() at the latest.
  Result<void> name(ShardNumber shard, NameId number, std::string_view name);
  /// `at`: as of when it is so; of what is known so already nothing is changed.
  Result<void> registered(ShardNumber shard, const RegisteredRow& agent, Instant at);
  /// Its row stays, for its messages' sake.
  Result<void> unregistered(ShardNumber shard, NameId name, Instant at);
  /// Of a message that is known nothing is changed.
  Result<void> accepted(ShardNumber shard, const AcceptedMessage& accepted);
  /// A stream has kept it. An event is one row, however many do; of one that is older than what forget() has removed
  /// there is none.
  Result<void> happened(const StreamEventFact& fact, const AcceptedMessage& event);
  Result<void> settled(ShardNumber shard, MessageKey key, Instant at);
  Result<void> attempt(ShardNumber shard, const ReturnedFact& fact, std::string_view reason);
  /// What came of a message: JSON text. It is kept in message_delivery_log, as the body of the attempt that succeeded.
  Result<void> result(ShardNumber shard, const ResultFact& fact, std::string_view json);
  /// What an endpoint answered at an attempt: its code, and the beginning of its body.
  Result<void> answered(ShardNumber shard, const ResultFact& fact, std::string_view answer);
  /// `reason` in words. Of one that has ended nothing is changed.
  Result<void> ended(ShardNumber shard, MessageKey key, HistoryState state, Instant at, std::string_view reason);
  /// Another shard has it now, under another id: its row there is the message.
  Result<void> moved(const Uuid& id);
  /// Empty: it is not known.
  Result<std::string> name_of(ShardNumber shard, NameId number);
  Result<void> gap(ShardNumber shard, Lsn from, Lsn to, Instant at);
  /// Removes up to `most` messages that ended before `before`. Returns how many. A transaction of its own.
  Result<std::int64_t> forget(Instant before, std::int64_t most);

 private:
  explicit HistoryStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  Result<void> prepare();
  // Where a row stands, and what it is at first.
  struct Place {
    std::int64_t shard = 0, key = 0;
    Instant at = 0;
    HistoryState state{};
  };
  Result<void> insert(const Place& place, const AcceptedMessage& accepted);
  Result<void> forget(std::int64_t number);
  Result<void> know_agent(std::string_view name, const std::string& id, std::string_view at);

  using Prepared = std::unique_ptr<Statement>;
  std::unique_ptr<Database> database_;
  Prepared insert_message_, insert_words_, insert_agent_, settle_, end_, come_back_, insert_attempt_, insert_name_,
      set_position_, get_position_, insert_gap_, forget_words_, forget_attempts_, forget_message_, find_number_,
      insert_moved_, meet_moved_, forget_moved_, find_old_, find_name_, set_agent_, leave_agent_;
  Instant forgotten_before_ = 0;            // what ended earlier is gone
  bool has_moved_ = false;                  // some ids wait for their rows
  std::unordered_set<std::string> agents_;  // names that have their row
  HistoryPolicy policy_{};
};

/// What is asked of a history. A connection of its own, which sees what was committed.
class HistoryReader {
 public:
  /// Requires: a HistoryStore has made the tables. Errors: those of open_database().
  static Result<std::unique_ptr<HistoryReader>> open(const HistoryPlace& place);

  Database& database() { return *database_; }
  /// Errors: io_error, damaged, connection_lost, invalid_field (`after`), timed_out (after 5 s).
  Result<HistoryPage> find(const FindHistory& wanted);
  /// Errors: not_found, io_error, damaged.
  Result<HistoryRecord> show(const Uuid& id);
  /// Without its lag and its problem.
  Result<HistoryStatus> status();
  /// How the database goes about a find(), in its own words, a line each.
  Result<std::string> plan(const FindHistory& wanted);

 private:
  explicit HistoryReader(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  Result<std::unique_ptr<Statement>> prepare(const FindHistory& wanted, std::string_view before);

  std::unique_ptr<Database> database_;
  std::vector<std::string> texts_;  // what the statement being run was given
};

}  // namespace folkmoot
