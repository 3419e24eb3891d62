// The simulation as a program: runs seeds until a number of crashes (or a time, or one seed) is done; a failure prints
// the seed, the step and the reason, and the same seed shows it again. One seed in eight is a server of several shards,
// one is about events that are kept in mailboxes, one of streams with their files, one an engine with its registry; one
// in sixteen is a journal alone, the others are one engine.
#include "simulation/program.hpp"

#include <fmt/format.h>

#include <unistd.h>
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "simulation/crossing.hpp"
#include "simulation/keeping.hpp"
#include "simulation/log_run.hpp"
#include "simulation/registry.hpp"
#include "simulation/stream_run.hpp"
#include "simulation/world.hpp"

namespace folkmoot::simulation {
namespace {

// For the handler of SIGABRT: a failed assertion of the engine ends the program, which must say where it was.
std::uint64_t seed_now = 0;
const Run* run_now = nullptr;

void on_abort(int) {
  char text[128];
  const int bytes = std::snprintf(text, sizeof text, "simulation: the assertion failed at seed %llu, step %llu\n",
                                  static_cast<unsigned long long>(seed_now),
                                  static_cast<unsigned long long>(run_now != nullptr ? run_now->step() : 0));
  if (::write(2, text, static_cast<std::size_t>(bytes)) < 0) ::_exit(3);
}

struct Totals {
  RuleCounts rules;
  std::uint64_t runs = 0, operations = 0, crashes = 0, lives = 0, facts = 0, syncs = 0, sectors_lost = 0, refusals = 0,
                sync_failures = 0;

  void add(const Run& run) {
    const auto tally = run.tally();
    ++runs;
    operations += tally.operations;
    crashes += tally.crashes;
    lives += tally.lives;
    facts += tally.facts;
    syncs += tally.disk.syncs;
    sectors_lost += tally.disk.sectors_lost;
    refusals += tally.disk.refusals;
    sync_failures += tally.disk.sync_failures;
    rules.add(run.rules());
  }
};

bool run(std::uint64_t seed, std::uint64_t crashes, bool verbose, Totals& totals) {
  std::unique_ptr<Run> run;
  if (seed % 16 == 15) {
    run = std::make_unique<LogRun>(seed);
  } else if (seed % 8 == 0) {
    run = std::make_unique<Crossing>(seed);
  } else if (seed % 8 == 4) {
    run = std::make_unique<Keeping>(seed);
  } else if (seed % 8 == 2) {
    run = std::make_unique<RegistryRun>(seed);
  } else if (seed % 8 == 6) {
    run = std::make_unique<StreamRun>(seed);
  } else {
    run = std::make_unique<World>(seed);
  }
  seed_now = seed;
  run_now = run.get();
  if (verbose) fmt::print("seed {}: {}\n", seed, run->describe());
  bool good = true;
  try {
    run->live(crashes);
    run->drain();
    totals.add(*run);
  } catch (const Violation& violation) {
    fmt::print("\nFAILED at seed {}, step {}, crash {}: {}\noptions: {}\nagain: simulation --seed {} --steps {}\n",
               seed, run->step(), run->tally().crashes, violation.what(), run->describe(), seed, crashes);
    good = false;
  }
  run_now = nullptr;
  return good;
}

void print(const Totals& totals, double seconds) {
  fmt::print(
      "{} runs, {} lives, {} crashes, {} operations, {} facts, {} syncs, {} sectors lost, {} failed syncs, {} refusals "
      "for room: "
      "{:.1f} s\n",
      totals.runs, totals.lives, totals.crashes, totals.operations, totals.facts, totals.syncs, totals.sectors_lost,
      totals.sync_failures, totals.refusals, seconds);
  std::fflush(stdout);
}

}  // namespace

int program(int argc, char** argv) {
  CLI::App app("Runs engine and journal on a virtual disk and clock, crashes them, and checks every promise.");
  std::uint64_t seed = 0, first = 1, crashes = 20'000, steps = 40;
  double seconds = 0;
  bool until_failure = false;
  app.add_option("--seed", seed, "only this seed, with its options shown");
  app.add_option("--first", first, "the first seed of several");
  app.add_option("--crashes", crashes, "run seeds until that many crashes");
  app.add_option("--seconds", seconds, "run seeds for that long instead");
  app.add_flag("--until-failure", until_failure, "run seeds until one fails or the program is stopped");
  app.add_option("--steps", steps, "crashes in the run of one seed (part of what a seed means)");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGABRT, on_abort);

  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  Totals totals;
  if (seed != 0) {
    if (!run(seed, steps, true, totals)) return 1;
    print(totals, elapsed());
    return 0;
  }
  double told = 0;
  for (auto next = first; until_failure ? true : seconds > 0 ? elapsed() < seconds : totals.crashes < crashes; ++next) {
    if (!run(next, steps, false, totals)) return 1;
    if (elapsed() - told < 5) continue;
    told = elapsed();
    print(totals, told);
  }
  print(totals, elapsed());
  bool all = true;
  for (std::size_t i = 0; i < kRules; ++i) {
    fmt::print("  {:<28}{:>10}{}\n", kRuleNames[i], totals.rules[i], totals.rules[i] == 0 ? "  NEVER EXERCISED" : "");
    all &= totals.rules[i] != 0;
  }
  return all ? 0 : 1;
}

}  // namespace folkmoot::simulation
