// A run of events that are kept: one engine and its journal over a virtual disk, agents that publish, durable
// subscriptions that come and go, and mailboxes that are read.
//
//   1. Each mailbox that wants an event has it at most once, and no other has it; a copy is what was published.
//   2. An event that must be kept is in all mailboxes that want it, or in none: before a crash and after. Confirmed or
//      heard by whoever listens, it is in all.
//   3. A copy that is on disk is not lost, and never comes again after its ack was answered.
//   4. A durable subscription is what it was last set to, as far as that was answered or is on disk.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "journal/journal.hpp"
#include "simulation/kept.hpp"
#include "simulation/run.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class Keeping final : public Run, public Effects, public FactLog {
 public:
  explicit Keeping(std::uint64_t seed);
  ~Keeping() override;

  void live(std::uint64_t crashes) override;
  void drain() override;
  const RuleCounts& rules() const override { return rules_; }
  RunTally tally() const override;
  std::uint64_t step() const override { return step_; }
  std::string describe() const override;

 private:
  struct Options {
    EngineOptions engine;
    JournalOptions journal;
    std::size_t boxes = 3;
    bool power_fails = true;
    std::uint32_t sync_fails_one_in = 0, full_percent = 0;
  };
  struct Spec {
    std::string pattern;
    Priority priority_max = 0;  // its filter; 0: none
    std::size_t box = 0;
    bool operator==(const Spec&) const = default;
  };
  struct Copy {
    Lsn lsn = 0;  // of its fact; 0: there is none
    bool durable = false, acked = false, ack_asked = false;
    Uuid id{};
  };
  struct Event {
    std::string topic;
    Priority priority = normal;
    bool must = false;
    std::map<std::size_t, Copy> copies{};  // by the box that wants it
    bool happened = false, refused = false, heard = false;
  };
  struct Ask {
    enum class Kind { event, plain, ack, receive } kind{};
    std::uint64_t number = 0;
    std::size_t box = 0;
    std::optional<ErrorCode> error{};
  };
  struct Held {
    LeaseToken lease = 0;
    std::uint64_t number = 0;
    std::size_t box = 0;
  };

  static Options draw(Random& random);
  bool start();
  bool live_once(bool& power);
  bool turn();
  bool write();
  void command();
  void publish();
  void subscribe();
  void set();
  void remove();
  void receive(std::size_t box, std::uint32_t max);
  void ack(const Held& held);
  void tick(std::int64_t ms);
  void end(bool power);
  void happened(Event& event, std::uint64_t number);
  void on_copy(const Routing& routing, std::uint64_t number, const OutgoingDelivery& delivery);
  std::size_t box_named(std::string_view name) const;
  // Which boxes want it now; nothing if no subscription takes its topic.
  std::optional<std::set<std::size_t>> wanting(const std::string& topic, Priority priority) const;
  RequestNumber ask(Ask what) {
    asks_.emplace(next_request_, what);
    return next_request_++;
  }
  Ask take(RequestNumber request);

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

  // FactLog: the journal, whose facts are looked at.
  bool has_room(Urgency urgency, std::size_t bytes) const override { return journal_->has_room(urgency, bytes); }
  bool has_room(Urgency urgency, GroupBound bound) const override { return journal_->has_room(urgency, bound); }
  std::size_t group_bytes_max() const override { return journal_->group_bytes_max(); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override;
  void begin_group(GroupBound bound) override { journal_->begin_group(bound); }
  void end_group() override { journal_->end_group(); }
  Result<Bytes> read(FactPlace place) override { return journal_->read(place); }
  void retain(FactPlace place) override { journal_->retain(place); }
  void release(FactPlace place) override { journal_->release(place); }

  Random random_;
  const Options options_;
  RuleCounts rules_;
  VirtualDisk disk_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> boxes_;
  std::map<std::string, Kept<std::optional<Spec>>> specs_;
  std::vector<Event> events_{1};
  std::map<RequestNumber, Ask> asks_;
  std::vector<Held> held_;
  std::string setting_;  // the subscription that is being set
  Spec spec_;
  RequestNumber next_request_{1}, listener_{0};
  std::int64_t now_ = 1'800'000'000'000, steady_ = 1'000'000;
  bool healed_ = false, copying_ = false;
  std::uint64_t step_ = 0;
  RunTally tally_;
};

}  // namespace folkmoot::simulation
