// Mail of agents whose workers know Redis alone: each message goes onto the list `agent_queue:<id>` as JSON, and what
// workers put onto other lists goes into mailboxes (docs/redis.md).
//
//   one thread an agent   takes deliveries, as many as its credit allows
//   the pusher's          puts them onto lists, many with one exchange, and settles what Redis has taken
//   one thread a list     publishes what workers put there
//
// A message is settled when Redis has taken it. What was on its way when Redis, the server or this program failed comes
// again, and says so (`redelivered`).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/bridge/redis_link.hpp"
#include "cli/session.hpp"

namespace folkmoot::cli {

struct RedisBridgeOptions {
  RedisAddress redis;
  std::vector<std::string> agents;  // none: those that are registered with type `redis`
  std::vector<std::string> ingest;  // lists
  std::string prefix = "agent_queue:";
  std::uint64_t queue_max = 10'000;
  Milliseconds lease{0};  // of a message on a list; 0: it is settled once it is there
  bool json = false;
};

/// A message as the older system has it on its lists. `lease`: 0: it is settled already.
std::string redis_json(const Delivery& delivery, bool may_be_there, std::uint64_t lease);

class RedisBridge {
 public:
  explicit RedisBridge(const RedisBridgeOptions& options);

  /// Until a signal comes. Throws Failure, if the server refuses something for good.
  void run();

 private:
  struct Waiting {
    Delivery delivery;
    bool may_be_there = false;  // Redis was told of it, and did not answer
  };
  struct Agent {
    std::string name, queue;
    std::deque<Waiting> waiting;
    std::string held_for;                             // why nothing goes onto its list now; empty: it goes
    std::chrono::steady_clock::time_point told_at{};  // of that; it may be so again and again
    std::thread taker;
  };

  bool is_over() const { return session_.interrupted() || stops_; }
  // False if it is over.
  bool rest(Milliseconds time);
  void fail(const Error& error);
  void look_for_agents();
  void add(const std::string& name, const std::string& id);
  void take(Agent& agent);

  void push();
  bool push_some(RedisLink& redis);
  void look_at_held(RedisLink& redis);
  void hold(Agent& agent, const std::string& why);
  void settle(std::vector<Delivery> taken);

  void ingest(const std::string& list);
  Result<void> ingest_from(RedisLink& redis, const std::string& list, const std::string& taken);
  // True: it is in the hands of the server, or with those that were refused.
  Result<bool> ingest_one(RedisLink& redis, const std::string& list, const std::string& taken, const std::string& item,
                          bool may_be_there);

  void log(std::string_view what, const std::string& words, std::string_view about);

  const RedisBridgeOptions& options_;
  Session session_;
  std::atomic<bool> stops_ = false;
  std::mutex lock_, print_lock_;
  std::condition_variable changed_;
  std::map<std::string, Agent> agents_;  // by name; guarded by lock_, and so what is in them but for the taker
  std::optional<Error> failed_;          // guarded by lock_
};

}  // namespace folkmoot::cli
