// The registry alone: the engine over a log in memory, without sockets or a disk.
//
//   register    so many agents, each with six of 200 capabilities, metadata and a type
//   memory      what that has cost per agent, the log aside: counted in the allocator
//   discover    those with two given capabilities that may be chosen, a page of 100; pairs drawn at random
//   heartbeat   of each agent once
//   place       a message to a capability, by each strategy
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <random>

#include "engine/engine.hpp"

namespace {

std::atomic<std::size_t> allocated{0};

}  // namespace

void* operator new(std::size_t bytes) {
  constexpr std::size_t kHead = 16;
  auto* const at = static_cast<char*>(std::malloc(bytes + kHead));
  if (at == nullptr) throw std::bad_alloc();
  std::memcpy(at, &bytes, sizeof bytes);
  allocated += bytes + kHead;
  return at + kHead;
}
void operator delete(void* block) noexcept {
  if (block == nullptr) return;
  auto* const at = static_cast<char*>(block) - 16;
  std::size_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  allocated -= bytes + 16;
  std::free(at);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

namespace folkmoot {
namespace {

class MemoryLog final : public FactLog {
 public:
  bool has_room(Urgency, std::size_t) const override { return true; }
  bool has_room(Urgency, GroupBound) const override { return true; }
  std::size_t group_bytes_max() const override { return 24 << 20; }
  FactPlace append(FactKind, std::span<const Bytes> parts, Life) override {
    const Lsn lsn{bytes_.size()};
    for (const auto& part : parts) bytes_.insert(bytes_.end(), part.begin(), part.end());
    return {lsn, static_cast<std::uint32_t>(bytes_.size() - lsn.value)};
  }
  void begin_group(GroupBound) override {}
  void end_group() override {}
  Result<Bytes> read(FactPlace place) override { return Bytes(bytes_).subspan(place.lsn.value, place.bytes); }
  void retain(FactPlace) override {}
  void release(FactPlace) override {}
  Lsn end() const { return Lsn{bytes_.size()}; }
  std::size_t capacity() const { return bytes_.capacity(); }

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(16);  // place 0 is none
};

class NoEffects final : public Effects {
 public:
  bool deliver(SessionId, const OutgoingDelivery&) override { return true; }
  void confirm(SessionId, RequestNumber, const Confirm&) override {}
  void answer(SessionId, RequestNumber, const Reply&) override { ++answers; }
  void outcomes(SessionId, RequestNumber, std::span<const Result<Confirm>>) override {}
  void settled(SessionId, RequestNumber, std::uint32_t, std::span<const LeaseToken>) override {}
  void refuse(SessionId, RequestNumber, const Error& error) override {
    fmt::print(stderr, "refused: {}\n", error.describe());
    std::exit(1);
  }
  void lagged(SessionId, RequestNumber, std::uint32_t) override {}
  void withdrawn(SessionId, LeaseToken, const Uuid&) override {}
  bool remove_content(const ContentHash&) override { return true; }
  [[noreturn]] void unreadable(const Error&) override { std::exit(1); }
  std::size_t answers = 0;
};

using Clock = std::chrono::steady_clock;
double us_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

void print_percentiles(std::string_view what, std::vector<double>& times) {
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  fmt::print("{:<28} p50 {:8.2f} us   p95 {:8.2f} us   p99 {:8.2f} us\n", what, at(0.5), at(0.95), at(0.99));
}

class Bench {
 public:
  explicit Bench(std::size_t agents) : agents_(agents), engine_(EngineOptions{}, log_, effects_) {
    engine_.start(Instant{now_}, 1, true);
    engine_.on_durable(log_.end());
  }

  void run() {
    register_all();
    discover();
    beat();
    engine_.open_session(SessionId{1}, "sender");
    for (const auto pick : kPicks) place(pick);
  }

 private:
  static constexpr std::size_t kCapabilities = 200, kOfEach = 6, kQueries = 5'000;

  static std::string capability(std::size_t number) { return fmt::format("capability.{}", number); }
  static std::string name(std::size_t number) { return fmt::format("agent-{:06}", number); }

  void register_all() {
    const auto before = allocated.load() - log_.capacity();
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < agents_; ++i) {
      AgentRecord record{.agent = name(i), .type = i % 3 == 0 ? "worker" : "judge"};
      record.metadata.text = fmt::format(R"({{"region":"{}","number":{}}})", i % 2 == 0 ? "eu" : "us", i);
      while (record.capabilities.size() < kOfEach) {
        // The first ten are common: more than every fourth agent has each of them.
        const auto word = capability(random_() % (random_() % 2 == 0 ? 10 : kCapabilities));
        if (std::ranges::find(record.capabilities, word, &AgentCapability::name) == record.capabilities.end())
          record.capabilities.push_back({.name = word});
      }
      engine_.registry().set({}, record, true);
      if (i % 1'000 == 0) engine_.on_durable(log_.end());
    }
    engine_.on_durable(log_.end());
    fmt::print("{} agents registered: {:.2f} us each\n", agents_, us_since(begin) / static_cast<double>(agents_));
    fmt::print("memory, names included       {:.0f} bytes an agent\n",
               static_cast<double>(allocated.load() - log_.capacity() - before) / static_cast<double>(agents_));
  }

  void discover() {
    std::vector<double> times;
    std::size_t found = 0;
    for (std::size_t i = 0; i < kQueries; ++i) {
      const DiscoverAgents query{
          .all_of = {capability(random_() % (i % 2 == 0 ? 10 : kCapabilities)), capability(random_() % kCapabilities)}};
      const auto begin = Clock::now();
      const auto page = engine_.registry().discover(query);
      times.push_back(us_since(begin));
      found += page->agents.size();
    }
    print_percentiles(fmt::format("discover, {:.0f} found", static_cast<double>(found) / kQueries), times);
  }

  void beat() {
    for (std::size_t round = 0; round < 3; ++round) {
      now_ += 60'000;
      engine_.advance(Instant{now_});
      const auto begin = Clock::now();
      for (std::size_t i = 0; i < agents_; ++i)
        (void)engine_.registry().beat(name(i), static_cast<std::uint32_t>(i % 10));
      const auto us = us_since(begin);
      if (round < 2) continue;
      fmt::print("heartbeats                   {:.2f} us each: {:.2f} % of a core for all of them once a minute\n",
                 us / static_cast<double>(agents_), us / 60e6 * 100);
    }
  }

  void place(std::string_view pick) {
    std::vector<double> times;
    for (std::size_t i = 0; i < kQueries; ++i) {
      Message message;
      message.to = fmt::format("capability:{}+{}/{}", capability(i % 10), capability(i % 7 + 1), pick);
      message.conversation = fmt::format("talk-{}", i % 100);
      std::string bytes;
      (void)encode_envelope(message, bytes);
      IncomingMessage incoming{.routing = {}, .envelope = as_bytes(bytes), .content = {}};
      (void)read_routing(incoming.envelope, incoming.routing);
      const auto begin = Clock::now();
      engine_.publish(SessionId{1}, RequestNumber{1}, true, incoming);
      times.push_back(us_since(begin));
      engine_.on_durable(log_.end());
    }
    print_percentiles(fmt::format("place by {}", pick), times);
  }

  const std::size_t agents_;
  MemoryLog log_;
  NoEffects effects_;
  Engine engine_;
  std::mt19937 random_{7};
  std::int64_t now_ = 1'800'000'000'000;
};

}  // namespace
}  // namespace folkmoot

int main(int argc, char** argv) {
#ifndef __OPTIMIZE__
  fmt::print(stderr, "built without optimisation: the figures mean nothing\n");
#endif
  folkmoot::Bench(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000).run();
}
