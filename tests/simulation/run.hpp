// What the program asks of a run, be it of one engine or of several.
#pragma once

#include <string>

#include "simulation/rules.hpp"
#include "simulation/virtual_disk.hpp"

namespace folkmoot::simulation {

struct RunTally {
  std::uint64_t operations = 0, crashes = 0, lives = 0, facts = 0;
  DiskTally disk;
};

class Run {
 public:
  virtual ~Run() = default;

  /// Lives until `crashes` of them ended in a crash. Throws Violation.
  virtual void live(std::uint64_t crashes) = 0;
  /// All is healed, and everything that should be there must come out within a bound. Throws Violation.
  virtual void drain() = 0;
  virtual const RuleCounts& rules() const = 0;
  virtual RunTally tally() const = 0;
  virtual std::uint64_t step() const = 0;
  /// The options that were drawn.
  virtual std::string describe() const = 0;
};

}  // namespace folkmoot::simulation
