// A part of the engine: one subject with its state, its facts and its timers, in a folder of its own. A part includes
// the headers of this folder and no other part: what it needs of others it is given as the ports that stand here. The
// engine owns the parts, wires them, and finds whose a fact, a timer or an open request is by its kind.
#pragma once

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/fact_log.hpp"
#include "engine/ids.hpp"
#include "engine/timers.hpp"

namespace folkmoot {

struct Session;

/// A fact of the log, as recovery and compaction meet it.
struct Fact {
  FactKind kind{};
  FactPlace place{};
  Bytes body{};
};

class Part {
 public:
  /// Recovery: what the fact says is so, by the same functions as live; facts come in the order of the log. The part
  /// retains what still matters and releases what it takes the place of. Errors: damaged, if it cannot follow from the
  /// facts before. Requires: its kind is this part's.
  virtual Result<void> enter(const Fact& fact) = 0;
  /// compaction: if this very record still matters, it is copied as it stands now (Ledger::copy). False: there is no
  /// room now for all that goes with it. Requires: its kind is this part's.
  virtual bool keep(const Fact& fact) = 0;
  /// Whether a timer of this part still stands for something.
  virtual bool is_live(const Timer& timer) const = 0;
  /// Its time has come. Requires: is_live(timer).
  virtual void due(const Timer& timer) = 0;
  /// Ends what a request number of the session stands for, without an answer; `slot` is what the part opened it with.
  virtual void close(Session& session, Slot slot) = 0;

 protected:
  ~Part() = default;
};

/// One without timers and without open requests.
class PlainPart : public Part {
 public:
  bool is_live(const Timer&) const override { return false; }
  void due(const Timer&) override {}
  void close(Session&, Slot) override {}

 protected:
  ~PlainPart() = default;
};

inline std::unexpected<Error> cannot_be(FactKind kind, std::string_view why) {
  return failure(ErrorCode::damaged, std::string("a ").append(name(kind)).append(" fact ").append(why));
}

/// The fixed part of a fact's body; false if the body is shorter.
template <class T>
bool read_fact(Bytes body, T& fact) {
  if (body.size() < sizeof fact) return false;
  fact = load<T>(body.data());
  return true;
}

}  // namespace folkmoot
