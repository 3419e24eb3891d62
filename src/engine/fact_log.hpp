// The floor below the engine, as the engine sees it: an append-only log of facts, each at a position that orders them.
// The engine decides and appends; whether and when a fact is durable it learns from Engine::on_durable().
// Implemented by journal/ over files, and by the simulation over a virtual disk.
#pragma once

#include <span>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/strong.hpp"
#include "engine/fact_kind.hpp"

namespace folkmoot {

/// A byte position in the log: the first byte of a record. Grows for ever; 0 is no record. A log that has come to
/// kLsnMax (at 1 GB a second after two years) is full for good.
using Lsn = StrongPlace<struct LsnTag>;
constexpr Lsn kLsnMax{(std::uint64_t{1} << 56) - 1};

/// Where a fact stands in the log, and the bytes of its body (the record's own header not counted).
struct FactPlace {
  Lsn lsn = 0;
  std::uint32_t bytes = 0;
  bool operator==(const FactPlace&) const = default;
};

/// The largest body of a fact: an accepted message at its limits, with room to spare.
constexpr std::size_t kFactBytesMax = 12 * 1024 * 1024;
/// What a log adds to a body at most: its header and padding, and what seals it.
constexpr std::size_t kFactOverheadBytes = 44;

/// How much a group of facts may become, said before it begins.
struct GroupBound {
  std::size_t facts = 0;       // at most
  std::size_t body_bytes = 0;  // of all bodies together, at most

  GroupBound& operator+=(const GroupBound& more) {
    facts += more.facts;
    body_bytes += more.body_bytes;
    return *this;
  }
  /// Bytes in the log, at most: what FactLog::group_bytes_max() limits.
  std::size_t bytes() const { return body_bytes + facts * kFactOverheadBytes; }
};

class FactLog {
 public:
  /// `durable`: a new promise (an accepted message, a setting). `settling`: what frees space or must go on when the
  /// disk is full (settled, returned, moved to the dead letters), served from a reserve.
  enum class Urgency { durable, settling };
  /// Whether the record still matters after recovery. The engine ends the life of a live one by release().
  enum class Life { live, dead };

  virtual ~FactLog() = default;

  /// True if a fact with a body of `bytes` can be appended now. False: the disk is full (or the log's limit is
  /// reached). Within a group: true if what is left of its bound holds it, whatever the urgency; so whoever asks before
  /// each append need not know that it works for a group.
  virtual bool has_room(Urgency urgency, std::size_t bytes) const = 0;
  /// True if a group of that bound can be appended now. False also when it is larger than group_bytes_max() allows.
  virtual bool has_room(Urgency urgency, GroupBound bound) const = 0;
  /// The most that GroupBound::bytes() may be, from recovery on. Every fact that can be appended alone is within it.
  virtual std::size_t group_bytes_max() const = 0;

  /// Appends a fact whose body is the parts one after the other, in memory; it is durable when on_durable() passes its
  /// place. The parts are copied. Requires: has_room(...) for their sum, which is at most kFactBytesMax.
  virtual FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) = 0;

  /// Begins a group: what is appended until end_group() becomes durable together, and recovery finds all of it or
  /// nothing. Ends before the log is handed over for writing; use FactGroup. A group without a fact leaves no trace,
  /// one with a single fact is that fact. Requires: has_room(..., bound), and no group open. More facts or bytes than
  /// the bound are a defect of the caller.
  virtual void begin_group(GroupBound bound) = 0;
  virtual void end_group() = 0;

  /// The body of a fact appended or recovered before and not released. The bytes live until the next call of append()
  /// or read(). Errors: damaged, io_error (the caller may neither go on nor guess: the server stops).
  virtual Result<Bytes> read(FactPlace place) = 0;

  /// Counts a recovered fact as live (append() does so by itself).
  virtual void retain(FactPlace place) = 0;
  /// The fact no longer matters: settled, superseded, or copied forward.
  virtual void release(FactPlace place) = 0;
};

/// A group of facts as long as this lives: all of them become durable or none.
class FactGroup {
 public:
  /// Requires: log.has_room(..., bound), and no group open.
  FactGroup(FactLog& log, GroupBound bound) : log_(log) { log_.begin_group(bound); }
  ~FactGroup() { log_.end_group(); }
  FactGroup(const FactGroup&) = delete;
  FactGroup& operator=(const FactGroup&) = delete;

 private:
  FactLog& log_;
};

}  // namespace folkmoot
