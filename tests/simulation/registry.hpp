// A run of an engine with its registry: agents that register, change, go, come back, are put into quarantine, and get
// mail that is addressed to what they can do. Engine and journal over a virtual disk, as in world.hpp.
//
//   1. What was confirmed of a registration, a change, a removal, a quarantine is so after any crash; what was asked
//   and
//      not confirmed is so or not, whole.
//   2. Health follows from connections, heartbeats and the time; who may be chosen from that, status and quarantine.
//   3. agent.discover answers what a walk over all agents would.
//   4. Who watches has, whenever it has read to the end, exactly the agents there are, whatever crashed meanwhile.
//   5. Mail to a capability is accepted for an agent that has it and may be chosen, else it is held; what is held is
//      moved on when there is one. It is in one place at a time, comes under one id, and never again after its ack.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "journal/journal.hpp"
#include "simulation/kept.hpp"
#include "simulation/random.hpp"
#include "simulation/run.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class RegistryRun final : public Run, public Effects, public FactLog {
 public:
  explicit RegistryRun(std::uint64_t seed);
  ~RegistryRun() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

  // FactLog: the journal's, overheard.
  bool has_room(Urgency urgency, std::size_t bytes) const override { return journal_->has_room(urgency, bytes); }
  bool has_room(Urgency urgency, GroupBound bound) const override { return journal_->has_room(urgency, bound); }
  std::size_t group_bytes_max() const override { return journal_->group_bytes_max(); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override;
  void begin_group(GroupBound bound) override;
  void end_group() override;
  Result<Bytes> read(FactPlace place) override { return journal_->read(place); }
  void retain(FactPlace place) override { journal_->retain(place); }
  void release(FactPlace place) override { journal_->release(place); }

  // Effects
  bool deliver(SessionId to, const OutgoingDelivery& delivery) override;
  void confirm(SessionId to, RequestNumber request, const Confirm& confirm) override;
  void answer(SessionId to, RequestNumber request, const Reply& reply) override;
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId to, RequestNumber request, std::uint32_t settled,
               std::span<const LeaseToken> refused) override;
  void refuse(SessionId to, RequestNumber request, const Error& error) override;
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash&) override { return true; }
  [[noreturn]] void unreadable(const Error& error) override {
    throw Violation("the log cannot give back what it confirmed: " + error.text);
  }

 private:
  static constexpr std::size_t kAgents = 5;
  static inline const std::vector<std::string> kCapabilities = {"read", "read.fast", "write", "sum"};
  static inline const std::vector<std::string> kTypes = {"", "worker", "judge"};

  /// What is registered of an agent.
  struct Spec {
    std::set<std::string> capabilities{};
    std::string type{};
    std::uint32_t weight = 1;
    AgentStatus status = AgentStatus::active;
    bool quarantined = false;
    bool operator==(const Spec&) const = default;
  };
  struct ModelAgent {
    Kept<std::optional<Spec>> kept{};
    std::uint32_t connections = 0;
    std::int64_t beat_at = 0, gone_at = 0;
    bool is_there = false;  // known: registered, or seen not too long ago
  };
  struct Sent {
    std::set<std::string> capabilities{};
    bool once = false, mortal = false;
    bool confirmed = false, refused = false, acked = false, asked = false;
    std::set<Uuid> ids{};
    std::uint32_t deliveries = 0;
    std::uint64_t key = 0;                       // 0: none
    std::set<std::pair<MessageKey, bool>> at{};  // copies in the log, and whether they are held; of this life
  };
  struct Held {
    LeaseToken lease = 0;
    std::uint64_t number = 0;
  };
  struct Ask {
    enum class Kind : std::uint8_t { said, publish, receive, ack, nack } kind{};
    std::uint64_t number = 0;
    std::optional<Held> held{};
    std::optional<ErrorCode> error{};
  };
  /// Who follows what changes, through crashes.
  struct Reader {
    std::string next{};
    std::map<std::string, std::pair<AgentHealth, Spec>> seen{};
  };
  enum class End : std::uint8_t { none, process, power };

  SessionId client() const { return SessionId{(tally_.crashes + 1) << 32}; }
  RequestNumber ask(Ask what);
  Ask take(RequestNumber request);
  std::optional<Spec> spec_of(std::size_t agent) const { return agents_[agent].kept.now(); }
  AgentHealth health_of(const ModelAgent& agent) const;
  bool is_routable(std::size_t agent) const;
  bool can(std::size_t agent, const std::set<std::string>& capabilities) const;
  /// Those that are gone by now.
  void forget_stale();
  Spec any_spec();
  std::set<std::string> any_capabilities();

  bool start();
  End live_once();
  bool turn();
  void command();
  void say();
  /// Says something of an agent that is to become `wanted` of it.
  void call(std::size_t agent, std::optional<Spec> wanted, bool must_be_known,
            const std::function<void(Asker)>& command);
  void register_one(std::size_t agent);
  void update_one(std::size_t agent);
  void remove_one(std::size_t agent);
  void quarantine_one(std::size_t agent);
  void see_one(std::size_t agent);
  void publish(std::uint64_t again);
  void take_mail();
  void compare();
  void compare_agent(std::size_t agent);
  bool fits(const DiscoverAgents& query, std::size_t agent) const;
  void discover();
  void read_changes(bool to_end);
  void on_message(FactPlace place, Bytes body);
  void on_settled(Bytes body);
  void check_copies();
  bool write();
  bool compact();
  void tick(std::int64_t ms);
  void end(End how);

  Random random_;
  EngineOptions options_;
  JournalOptions journal_options_;
  bool power_fails_ = true;
  std::uint32_t sync_fails_one_in_ = 0, full_percent_ = 0;
  bool agents_rest_ = false;  // hardly anything is said of them: what the log has of them grows old and is copied
  VirtualDisk disk_;
  RuleCounts rules_;
  std::vector<std::string> names_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Engine> engine_;
  std::vector<ModelAgent> agents_;
  std::vector<Sent> sent_{1};
  std::map<RequestNumber, Ask> asks_;
  RequestNumber next_request_{1};
  std::vector<Held> held_;
  Reader reader_;
  /// What is being asked right now: whose, and what it is to be.
  std::optional<std::pair<std::size_t, std::optional<Spec>>> saying_;
  bool said_ = false;                // and a fact says so
  std::optional<Violation> broken_;  // found where nothing may be thrown
  bool in_group_ = false;
  std::int64_t now_ = 1'800'000'000'000;
  std::int64_t steady_ = 1'000'000;
  bool healed_ = false;
  std::uint64_t step_ = 0;
  RunTally tally_;
};

}  // namespace folkmoot::simulation
