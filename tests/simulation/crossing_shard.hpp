// A shard of the world in which shards carry mail to each other (crossing.hpp).
#pragma once

#include "engine/shovel.hpp"
#include "simulation/crossing.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

inline constexpr std::uint64_t kClientSlot = 0;  // of its own agents; above it a session of each shard

inline std::size_t slot_of(SessionId id) { return session_slot(id).value; }

// One engine with what it stands on, its agents (one session of them), and its strays with what they have under way.
class Crossing::Shard final : public Effects, public Shovel::Commands, public FactLog {
 public:
  Shard(Crossing& its_world, std::size_t its_number, std::uint64_t disk_seed)
      : world(its_world), number(its_number), disk(disk_seed), heard(its_world.options_.shards) {}

  Crossing& world;
  const std::size_t number;
  VirtualDisk disk;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Shovel> strays;
  /// From this shard's sessions in the others and in itself, in their order: what they are asked, by `asked[to]` of
  /// them, and what they answer.
  std::vector<std::deque<std::function<void()>>> heard;
  std::map<std::size_t, std::deque<std::function<void()>>> asked;

  struct Held {
    LeaseToken lease = 0;
    std::uint64_t number = 0;
  };
  struct Ask {
    enum class Kind { publish, together, receive, ack, nack, event, stream, purge } kind{};
    std::size_t together = 0;
    std::uint64_t event = 0;
    std::optional<Held> held{};
  };
  std::vector<Held> held;
  std::map<RequestNumber, Ask> asks;
  RequestNumber next_request{1};
  std::set<LeaseToken> acks_asked;
  bool no_room = false;  // not even for an ack

  SessionId session(std::size_t slot) const { return SessionId{(world.tally_.crashes + 1) << 32 | slot}; }
  SessionId client() const { return session(kClientSlot); }
  RequestNumber ask(Ask what) {
    asks.emplace(next_request, what);
    return next_request++;
  }
  Ask take(RequestNumber request) {
    const auto found = asks.find(request);
    expect(found != asks.end(), "request {} was answered twice, or was never made", request);
    const auto what = found->second;
    asks.erase(found);
    return what;
  }

  bool open(bool healed);
  void drop();

  // Shovel::Commands: under way to the engine that they concern.
  void consume(RequestNumber request, std::string_view mailbox, std::uint32_t credit) override {
    give(number, [=, this, name = std::string(mailbox)](Shard& there) {
      there.engine->consume(there.session(1 + number), request, name, credit);
    });
  }
  void credit(RequestNumber request, std::uint32_t amount) override {
    give(number, [=, this](Shard& there) { there.engine->credit(there.session(1 + number), request, amount); });
  }
  void ack(RequestNumber request, LeaseToken lease) override {
    if (!acks_asked.insert(lease).second) world.rules_.saw(Rule::shovel_ack_retried);
    give(number,
         [=, this](Shard& there) { there.engine->ack(there.session(1 + number), request, false, {&lease, 1}); });
  }
  void nack(LeaseToken lease, Duration delay_ms, std::string_view reason) override {
    world.rules_.saw(Rule::shovel_refused);
    give(number, [=, this, why = std::string(reason)](Shard& there) {
      there.engine->nack(there.session(1 + number), 0, true, {&lease, 1}, delay_ms, why);
    });
  }
  void publish(ShardNumber shard, RequestNumber request, Bytes message) override {
    give(shard.value, [=, this, bytes = std::string(as_text(message))](Shard& there) {
      auto incoming = incoming_of(bytes);
      incoming.forwarded = true;
      there.engine->publish(there.session(1 + number), request, false, incoming);
    });
  }
  // FactLog: the journal, which may be as full as `no_room` says.
  bool has_room(Urgency urgency, std::size_t bytes) const override {
    return !no_room && journal->has_room(urgency, bytes);
  }
  bool has_room(Urgency urgency, GroupBound bound) const override {
    return !no_room && journal->has_room(urgency, bound);
  }
  std::size_t group_bytes_max() const override { return journal->group_bytes_max(); }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override {
    ++world.tally_.facts;
    return journal->append(kind, parts, life);
  }
  void begin_group(GroupBound bound) override { journal->begin_group(bound); }
  void end_group() override { journal->end_group(); }
  Result<Bytes> read(FactPlace place) override { return journal->read(place); }
  void retain(FactPlace place) override { journal->retain(place); }
  void release(FactPlace place) override { journal->release(place); }

  void lost(const Error& why) override {
    expect(why.code == ErrorCode::disk_full, "a stray was refused: {}", why.text);
  }

  // Effects
  bool deliver(SessionId to, const OutgoingDelivery& delivery) override;
  void confirm(SessionId to, RequestNumber request, const Confirm& confirm) override;
  void answer(SessionId to, RequestNumber request, const Reply& reply) override;
  void outcomes(SessionId to, RequestNumber request, std::span<const Result<Confirm>> outcomes) override;
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
  template <class Command>
  void give(std::size_t shard, Command command) {
    auto& there = *world.shards_[shard];
    asked[shard].emplace_back([command, &there] {
      command(there);
      there.engine->dispatch();
    });
  }
  /// The strays of the shard whose session it is hear of it, some time.
  template <class Answer>
  void back(SessionId to, Answer answer) {
    auto& asker = *world.shards_[slot_of(to) - 1];
    asker.heard[number].emplace_back([answer, &asker] { answer(*asker.strays); });
  }
};

}  // namespace folkmoot::simulation
