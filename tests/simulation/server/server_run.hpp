// A run of the whole server from a seed. Phase one: clients say and hear anything, while connections are cut, hosts
// vanish, disks fill up and fail, the process is killed or stopped, and power goes. Phase two: all is healed, and what
// is owed must come within a bound; then everybody leaves, and the server holds what it held before anybody came.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "simulation/server/client.hpp"
#include "simulation/server/process.hpp"

namespace folkmoot::simulation {

struct ServerTally {
  std::uint64_t runs = 0, steps = 0, turns = 0, lives = 0, kills = 0, power_losses = 0, stops = 0, connections = 0,
                cuts = 0, goodbyes = 0, frames_sent = 0, frames_read = 0, deliveries = 0, events = 0, answers = 0,
                refusals = 0, messages = 0, syncs = 0, sync_failures = 0, disk_refusals = 0;
  std::int64_t ms = 0;  // of virtual time
  std::uint64_t digest = 0;
  void add(const ServerTally& other);
};

class ServerRun {
 public:
  /// `shards` 0: drawn, one to three.
  ServerRun(std::uint64_t seed, std::size_t shards);
  /// Shows all frames of that connection, as failures name it.
  void trace(std::uint64_t connection) { around_->traced = connection; }
  ~ServerRun();

  /// Both phases. Throws Violation.
  void run();
  ServerTally tally() const;
  std::uint64_t step() const { return tally_.steps; }
  /// The options that were drawn.
  std::string describe() const;

 private:
  void draw(std::size_t shards);
  void step_once();
  void happen();
  void start();
  void crash(bool power);
  void stop();
  void pass(std::int64_t ms);
  // Until nothing more happens by itself.
  void rest();
  bool all_at_once();
  // What failed before the disks were healed shows, and the process starts anew.
  void heal();
  void expect_empty(std::string_view when);
  void conclude(bool is_told);
  void drain();

  Random random_;
  ServerOptions options_;
  Time time_;
  Judge judge_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Surroundings> around_;
  std::deque<Client> clients_;
  std::unique_ptr<Client> drainer_;
  std::vector<Reactor::Holdings> empty_;  // what it holds when nobody has come
  std::uint64_t steps_ = 0;
  std::uint64_t crash_one_in_ = 0, full_percent_ = 0;
  std::uint32_t sync_fails_one_in_ = 0;
  std::uint64_t idle_turns_percent_ = 0;
  bool power_fails_ = false;
  std::int64_t began_ = 0;
  ServerTally tally_;
};

}  // namespace folkmoot::simulation
