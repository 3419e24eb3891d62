// What must be true of messages, told in the plainest way: a map of messages, each with where it stands, and with where
// it may stand after a crash.
//
// The model hears three things: what agents asked for (publish, ack, ...), the facts the engine appends, and how much
// of the log is durable. A fact moves one message, and the model checks that it may. What the log promised to keep
// survives a crash; behind that, any part of it may be cut off. So a message carries the list of what the facts since
// its last durable one say; after a crash it must stand where one of them says.
//
// What the engine's other parts keep has a checker each (checkers.hpp), and so have the things that belong to several
// messages: keys, groups, bounces. model.cpp has publishing and the way to the receiver, model_deaths.cpp failures
// and dead letters, model_crash.cpp what the disk makes certain and a crash takes back.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "simulation/all_or_none.hpp"
#include "simulation/bounces.hpp"
#include "simulation/checkers.hpp"
#include "simulation/groups.hpp"
#include "simulation/keys.hpp"
#include "simulation/published.hpp"
#include "simulation/random.hpp"
#include "simulation/rules.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

/// `blocked`: behind another of its group. `doomed`: dead when it came, and not durable yet.
enum class Stand : std::uint8_t { pending, ready, blocked, scheduled, leased, handing, gone, dead, doomed };
std::string_view name(Stand stand);

/// One delivery that failed, as its fact told.
struct Attempted {
  std::uint32_t deliveries = 0;
  std::int64_t at = 0;
  std::string holder, reason;
  AttemptEnd end{};
};

struct ModelMessage {
  std::uint64_t number = 0;
  std::uint64_t content = 0;  // the number its content begins with: of what it was before it was sent again
  Published asked;
  MessageKey key = 0;
  Uuid id;
  Stand stand = Stand::pending;
  std::uint32_t deliveries = 0;
  std::int64_t expires_at = 0, due = 0;
  bool seen = false;  // delivered at least once, in any life
  std::uint64_t ready_since = 0;
  std::uint64_t came_due = 0;  // during which call, also of one that became durable
  LeaseToken lease = 0;
  Lsn handed_at = 0;  // of the fact that it goes out, of one that is at most once
  std::int64_t dead_at = 0;
  DeadReason doom = DeadReason::none;
  std::vector<Attempted> attempts;
  /// Where the log says it stands (gone, ready for any way of waiting, dead), from the last durable fact on.
  struct Possible {
    Stand stand = Stand::gone;
    Lsn lsn = 0;
    bool soft = false;  // for want of room the fact may not have been kept
    std::int64_t due = 0;
    std::uint32_t deliveries = 0;
    std::int64_t died = 0;  // of one that is dead: when
  };
  std::vector<Possible> possible;
  DeadReason died_of{};
  bool death_unsaid = false;  // the log had no room for it: then it may be dated by its publishing
  bool due_unknown = false;   // after a crash: `due` is the latest it may be

  bool waits() const { return stand == Stand::ready || stand == Stand::blocked || stand == Stand::scheduled; }
};

struct ModelMailbox {
  MailboxLimits limits;
  std::uint8_t own = 0;       // which of them are its own (MailboxSetting)
  std::size_t in_flight = 0;  // handing
  std::size_t load = 0;       // pending, ready, blocked, scheduled, leased
  bool made_room = false;     // a message was dropped for one that is about to come
  std::set<MessageKey> ready, dead;
  struct Setting {
    MailboxLimits limits;
    Lsn lsn = 0;
    std::uint8_t own = 0;
  };
  std::vector<Setting> settings;  // possible after a crash; the first is durable
};

/// What comes of each message that is settled by its id.
inline constexpr std::string_view kResultText = R"({"n":1})";

class Model {
 public:
  Model(std::vector<std::string> names, const EngineOptions& options, RuleCounts& rules);

  /// A message that is about to be published.
  std::uint64_t add(const Published& published);
  const Published& published(std::uint64_t number) const { return published_[number]; }

  // What the engine is being asked right now: a fact must have a cause.
  std::set<LeaseToken> settling;  // tokens given to ack or nack
  SessionId closing = 0;
  std::uint64_t cancelling = 0;  // number of the message being taken back; 0: none
  bool settling_by_id = false;   // it is not taken back, but settled as it waits
  std::int64_t nack_delay = 0;   // asked for; -1: as the policy says
  bool rejecting = false;        // `settling` were given to reject
  bool purging = false;
  std::optional<std::size_t> deleting;                 // a mailbox
  std::optional<ModelMailbox::Setting> configuring{};  // what it is about to be
  std::map<std::size_t, std::size_t> arriving;         // messages on their way together, by mailbox
  bool stopping = false;
  bool room_refused = false;                   // the log had no room for a settling fact
  std::set<std::uint32_t> unnoted_contents{};  // of messages that ended in this life, and the log does not say so
  std::optional<Violation> broken;             // found while the engine was ending a group, where nothing may be thrown
  bool disk_limited = false;                   // durable messages may be refused
  bool memory_limited = false;                 // what waits in memory may be refused, or may have to wait
  Checkers checkers;                           // of the parts that have one

  const EngineOptions& options() const { return options_; }
  /// Those that wait in memory for a mailbox that is deleted: no fact tells of them.
  void drop_all_transient(std::size_t mailbox);

  AllOrNone& together() { return together_; }
  void begin_group();
  void end_group();
  void on_fact(FactKind kind, FactPlace place, Bytes body, std::int64_t now);
  void after_call(std::int64_t now);
  void on_durable(Lsn end, std::int64_t now);
  /// After Engine::on_durable(): what was settled before it was handed out has been handed out, by facts up to `to`.
  void handed_out(Lsn to = kLsnMax);
  void advanced(Engine& engine, std::int64_t now);
  /// A transient message entered, of which no fact tells.
  void entered(Engine& engine, std::uint64_t number, std::int64_t expires_at);
  void saw_key(MessageKey key);
  /// All who get an event get it under one key.
  void saw_event(MessageKey key) {
    if (key != any_key_) saw_key(key);
  }
  /// Events that go out now that facts are durable.
  struct DueEvent {
    std::string topic;
    std::uint64_t schedule = 0, fired = 0;  // 0: the server's own
    SessionId session = 0;                  // of one that came of a message: whose it is,
    RequestNumber request = 0;              // and under which number it is answered
    std::optional<Caused> caused{};
  };
  /// It goes out behind all that was noted so far.
  void hold_event(DueEvent event) { held_events_.emplace(last_fact_, std::move(event)); }
  std::vector<DueEvent> take_due_events() { return std::exchange(due_events_, {}); }
  /// What is known of a message that names `cause` and claims to have `said` hops.
  Caused caused_by(const Uuid& cause, std::uint32_t said);
  /// Whether it answers somebody who expects no reply, as far as the server knows its cause.
  bool is_unwanted(const Published& asked);
  /// One of the messages that were settled in this life; nil: there is none.
  Uuid any_settled(Random& random) const {
    if (settled_.empty()) return {};
    auto at = settled_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random.below(settled_.size())));
    return at->second.id;
  }
  /// Why a message that is published now must be dead when it comes.
  DeadReason verdict(const Published& asked, std::int64_t now);
  bool has_died(MessageKey key) {
    return find_key(key) != nullptr && (find_key(key)->stand == Stand::dead || find_key(key)->stand == Stand::doomed);
  }
  Published& published(std::uint64_t number) { return published_[number]; }
  /// A schedule could not send, and no event was delivered that says so.
  bool take_unheard_failure() { return std::exchange(unheard_failure_, false); }
  std::size_t bus() const { return names_.size() - 2; }
  std::size_t unrouted() const { return names_.size() - 1; }
  bool has_room(std::size_t mailbox, bool may_drop = true) const;
  void leased(ModelMessage& message, LeaseToken token);
  void left(ModelMessage& message, Stand stand, Lsn lsn = 0);
  /// Takes over what the engine says of messages whose facts had no room.
  void resync(Engine& engine);

  /// Everything not durable may be gone. Then the engine has recovered: each message must stand where it may.
  void crash();
  void on_recovered_fact(FactKind kind, Bytes body);
  void recovered(Engine& engine);
  void starting(std::int64_t now);

  /// Numbers of the engine against ours. `deep`: also every receipt.
  void compare(Engine& engine, bool deep);

  const KeyChecker& keys() const { return used_keys_; }
  RetryPolicy policy(const ModelMessage& message);
  std::size_t newcomers(std::size_t mailbox) const { return arriving.contains(mailbox) ? arriving.at(mailbox) : 1; }
  ModelMessage* find(std::uint64_t number);
  ModelMessage* find_key(MessageKey key);
  ModelMailbox& mailbox(std::size_t index) { return mailboxes_[index]; }
  std::map<MessageKey, ModelMessage>& messages() { return messages_; }
  const std::vector<std::string>& names() const { return names_; }
  static std::string conversation(std::uint32_t number) {
    return number == 0 ? "" : fmt::format("conversation-{}", number);
  }
  std::size_t count(Stand stand) const { return counts_[static_cast<std::size_t>(stand)]; }
  std::uint64_t turn() { return ++turn_; }

 private:
  void move(ModelMessage& message, Stand to);
  std::uint64_t identify(const AcceptedFact& fact, const Routing& routing, std::uint64_t content, std::int64_t now);
  void check_noted(const Published& asked, const AcceptedFact& fact, std::uint64_t number);
  void check_causes(const Published& asked, const AcceptedFact& fact, const Routing& routing);
  void owe_bounce(const ModelMessage& message, DeadReason reason);
  void settle_bounces();
  void begin_death();
  bool is_alive(MessageKey key);
  bool is_dead(MessageKey key);
  std::size_t index_of(std::string_view name) const;
  void say(ModelMessage& message, Stand stand, Lsn lsn, std::int64_t due = 0);
  void on_accepted(FactPlace place, Bytes body, std::int64_t now);
  void on_settled(FactPlace place, Bytes body);
  void on_named(FactKind kind, FactPlace place, Bytes body, std::int64_t now);
  void on_purged(FactPlace place, MessageKey key, std::int64_t now);
  void check_reason(const ModelMessage& message, DeadReason reason, std::int64_t now);
  void check_delay(const ModelMessage& message, const ReturnedFact& fact, std::int64_t now);
  void check_attempts(Engine& engine, const ModelMessage& message);
  void check_death(const ModelMessage& message, Stand is, std::int64_t at);
  void leave_group(const ModelMessage& message);
  void expire_transient(std::int64_t now);
  void drop_transient(std::size_t mailbox, std::size_t more);
  void come_due(std::int64_t before);
  void on_deleted(FactPlace place, const MailboxDeletedFact& fact);
  void on_configured(FactPlace place, const MailboxConfiguredFact& fact);
  void on_returned(FactPlace place, const ReturnedFact& fact, std::string_view reason, std::int64_t now);
  void on_schedule(FactKind kind, FactPlace place, Bytes body, std::int64_t now);
  void on_conversation(FactPlace place, Bytes body);
  void on_dead(FactPlace place, const DeadFact& fact, std::int64_t now);
  void make_ready(ModelMessage& message);
  void forget_if_certain(MessageKey key);

  const std::vector<std::string> names_;
  const EngineOptions options_;
  RuleCounts& rules_;
  std::vector<Published> published_;
  std::vector<MessageKey> keys_;  // by number; 0: never accepted (yet)
  std::map<MessageKey, ModelMessage> messages_;
  std::vector<ModelMailbox> mailboxes_;
  std::multimap<Lsn, MessageKey> undurable_;  // facts by place: whose
  std::map<NameId, std::string> names_by_id_;
  std::map<NameId, ModelMailbox::Setting> recovered_limits_;
  std::array<std::size_t, 9> counts_{};
  KeyChecker used_keys_;
  GroupChecker groups_;
  BounceChecker bounces_;
  AllOrNone together_;  // what was asked for in one command
  AllOrNone deaths_;    // the last attempt, the death, what its sender is told
  AllOrNone firings_;   // a schedule's firing and its message
  bool in_group_ = false;
  bool unheard_failure_ = false;
  std::uint64_t resent_ = 0;  // number of what a dead letter is becoming; 0: none
  struct Settled {
    Uuid id;
    std::uint32_t hops = 0;
    std::optional<std::size_t> silent_for{};  // its sender, if that expects no reply
  };
  void note_settled(const ModelMessage& message);
  /// It has a receipt from here on; the oldest may be forgotten. None: nothing is known of its causes by that.
  void remember(MessageKey key, std::optional<Settled> settled);
  std::map<MessageKey, Settled> settled_;  // in this life
  std::deque<MessageKey> receipts_;        // of this life, oldest first
  std::multimap<Lsn, DueEvent> held_events_;
  std::vector<DueEvent> due_events_;
  Lsn last_fact_ = 0;
  Engine* recovered_ = nullptr;
  std::uint64_t turn_ = 0;
  std::uint64_t call_ = 1;      // counts the commands
  std::set<MessageKey> dying_;  // failed for the last time, and not dead yet
  std::map<std::size_t, std::size_t>
      purged_unsure_;  // dead letters of a mailbox that went in this call, since the log had no room
  MessageKey last_key_ = 0, durable_key_ = 0, any_key_ = 0, reserved_key_ = 0;
};

MailboxLimits limits_of(const MailboxConfiguredFact& fact);
bool same(const MailboxLimits& a, const MailboxLimits& b);
/// The number at the start of a content.
std::uint64_t number_of(Bytes content);
/// The same of a message, which has it as its correlation if its content goes by reference.
std::uint64_t number_of(const Routing& routing, Bytes content);

}  // namespace folkmoot::simulation
