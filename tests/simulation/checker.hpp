// A checker of what one of the engine's parts keeps or decides. It is told plainly what must be so, by what was asked
// for and by the facts that are appended, and must hold whatever crashes when.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace folkmoot::simulation {

class Checker {
 public:
  virtual ~Checker() = default;
  /// A command has ended.
  virtual void after_command(std::int64_t /*now*/) {}
  /// All facts below `end` are on disk.
  virtual void on_durable(Lsn /*end*/) {}
  /// Facts that had no room may be lost: takes over what the engine says.
  virtual void resync(const Engine& /*engine*/) {}
  /// Everything not durable may be gone.
  virtual void crash() {}
  /// A fact is met by recovery.
  virtual void on_recovered_fact(FactKind /*kind*/, Bytes /*body*/) {}
  /// The engine has recovered: what it has must be what it may be. `names`: of mailboxes, by their numbers here.
  virtual void recovered(Engine& /*engine*/, const std::vector<std::string>& /*names*/) {}
  /// What the engine has must be what it is.
  virtual void compare(const Engine& /*engine*/) const {}
};

}  // namespace folkmoot::simulation
