// Runs of the whole server: a number of seeds, as many as there is time for, or one. A failure prints the seed and how
// to run it again.
#include "simulation/server/program.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "simulation/server/server_run.hpp"

namespace folkmoot::simulation {
namespace {

// For whoever ends the program in the middle of a run: a failed assertion, or the server itself.
std::uint64_t seed_now = 0;
std::size_t shards_now = 0;

void on_abort(int signal) {
  std::signal(signal, SIG_DFL);
  char text[160];
  const int bytes = std::snprintf(
      text, sizeof text, "FAILED at seed %llu: an assertion\nagain: simulate_server --seed %llu --shards %zu\n",
      static_cast<unsigned long long>(seed_now), static_cast<unsigned long long>(seed_now), shards_now);
  if (::write(1, text, static_cast<std::size_t>(bytes)) < 0) ::_exit(3);
}

std::uint64_t traced = 0;

bool run(std::uint64_t seed, std::size_t shards, bool verbose, ServerTally& total) {
  seed_now = seed;
  shards_now = shards;
  ServerRun run(seed, shards);
  run.trace(traced);
  if (verbose) fmt::print("seed {}: {}\n", seed, run.describe());
  try {
    run.run();
  } catch (const Violation& violation) {
    fmt::print("\nFAILED at seed {}, step {}: {}\noptions: {}\nagain: simulate_server --seed {} --shards {}\n", seed,
               run.step(), violation.what(), run.describe(), seed, shards);
    return false;
  }
  total.add(run.tally());
  return true;
}

// A seed is worth nothing if it means something else the next time.
bool is_the_same_again(std::uint64_t seed, std::size_t shards, const ServerTally& once) {
  ServerTally again;
  if (run(seed, shards, false, again) && again.digest == once.digest) return true;
  fmt::print("\nFAILED at seed {}: it went another way the second time (digest {:x}, then {:x})\n", seed, once.digest,
             again.digest);
  return false;
}

void print(const ServerTally& all, double seconds) {
  fmt::print(
      "{} runs: {} lives ({} killed, {} by power, {} stopped), {} turns, {} connections ({} cut, {} GOODBYE), frames "
      "{} "
      "to the server and {} from it, {} deliveries ({} of events), {} messages, {} refusals, {} syncs ({} failed, {} "
      "without room), {:.1f} h of virtual time, digest {:x}: {:.1f} s\n",
      all.runs, all.lives, all.kills, all.power_losses, all.stops, all.turns, all.connections, all.cuts, all.goodbyes,
      all.frames_sent, all.frames_read, all.deliveries, all.events, all.messages, all.refusals, all.syncs,
      all.sync_failures, all.disk_refusals, static_cast<double>(all.ms) / 3'600'000, all.digest, seconds);
  std::fflush(stdout);
}

}  // namespace

int server_program(int argc, char** argv) {
  CLI::App app("Runs the whole server on a virtual network, disk and clock, and holds it to what it promises.");
  std::uint64_t seed = 0, first = 1, runs = 200;
  std::size_t shards = 0;
  double seconds = 0;
  bool verbose = false;
  app.add_option("--seed", seed, "only this seed, with its options shown");
  app.add_option("--first", first, "the first seed of several");
  app.add_option("--runs", runs, "so many seeds");
  app.add_option("--seconds", seconds, "as many seeds as there is time for instead");
  app.add_option("--shards", shards, "1 to 3; 0: as the seed says")->check(CLI::Range(0, 3));
  app.add_flag("--log", verbose, "show what the server logs");
  app.add_option("--trace", traced, "show the frames of that connection");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  spdlog::set_level(verbose ? spdlog::level::debug : spdlog::level::critical);

  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  ServerTally total;
  if (seed != 0) {
    if (!run(seed, shards, true, total)) return 1;
    print(total, elapsed());
    return 0;
  }
  double told = 0;
  for (auto next = first; seconds > 0 ? elapsed() < seconds : next < first + runs; ++next) {
    if (!run(next, shards, false, total)) return 1;
    if (next == first && !is_the_same_again(first, shards, total)) return 1;
    if (elapsed() - told < 10) continue;
    told = elapsed();
    print(total, told);
  }
  print(total, elapsed());
  return 0;
}

}  // namespace folkmoot::simulation
