// The engine's book: the only one that sees the log of facts. Whoever decides writes here, and leaves here what must
// wait until that is on disk.
//
//   write   a new promise or a setting; the writer has asked for room before
//   note    what has happened and goes on, room or not: an end, a return. Lost, it is as if the crash had come before
//   copy    compaction: this node's own housekeeping, no decision. What is replicated some day is the first two
//
// Facts that belong together are written in a Group, whose Draft was measured before: fact by fact, by the functions
// that stand beside those that write them.
#pragma once

#include <initializer_list>
#include <utility>

#include "engine/effects.hpp"
#include "engine/fact_log.hpp"
#include "engine/ring.hpp"
#include "engine/waiting.hpp"

namespace folkmoot {

using Urgency = FactLog::Urgency;
using Life = FactLog::Life;

/// What has to be on disk before something else may happen: a fact, and with it all that were written before. Empty:
/// nothing was written.
class Durable {
 public:
  Durable() = default;
  explicit Durable(FactPlace place) : lsn_(place.lsn) {}

  explicit operator bool() const { return lsn_ != 0; }
  Lsn lsn() const { return lsn_; }
  /// Both: the later one.
  void add(Durable other) {
    if (other.lsn_ > lsn_) lsn_ = other.lsn_;
  }

 private:
  Lsn lsn_ = 0;
};

/// The facts that a decision will come to, measured: at most so many, of so many bytes. What is measured and not
/// written in the end costs nothing.
class Draft {
 public:
  Draft& add(std::size_t body_bytes) {
    ++bound_.facts;
    bound_.body_bytes += body_bytes;
    return *this;
  }
  Draft& add(const Draft& other) {
    bound_ += other.bound_;
    return *this;
  }
  std::size_t facts() const { return bound_.facts; }
  /// Bytes in the log.
  std::size_t bytes() const { return bound_.bytes(); }
  const GroupBound& bound() const { return bound_; }

 private:
  GroupBound bound_;
};

class Census;

class Ledger {
 public:
  /// `Resolve`: who does what has waited, when nothing is left to wait for.
  class Resolver {
   public:
    virtual void resolve(Waiting& what) = 0;

   protected:
    ~Resolver() = default;
  };

  Ledger(FactLog& log, Effects& effects, Resolver& resolver) : log_(log), effects_(effects), resolver_(resolver) {}
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // -- room; within a group: whether what is left of its draft holds it
  bool has_room(Urgency urgency, std::size_t body_bytes) const { return log_.has_room(urgency, body_bytes); }
  bool has_room(Urgency urgency, const Draft& draft) const { return log_.has_room(urgency, draft.bound()); }
  /// The most that Draft::bytes() may be.
  std::size_t group_bytes_max() const { return log_.group_bytes_max(); }

  // -- deciding
  /// Requires: has_room(...) said so.
  FactPlace write(FactKind kind, std::initializer_list<Bytes> parts, Life life) {
    return log_.append(kind, {parts.begin(), parts.size()}, life);
  }
  /// Its place; lsn 0 if there was no room: then the log does not say all (lost_any()).
  FactPlace note(FactKind kind, std::initializer_list<Bytes> parts, Life life = Life::dead) {
    std::size_t bytes = 0;
    for (const auto& part : parts) bytes += part.size();
    // Without room for it the fact is lost at a crash and its message is handed out once more: at least once still
    // holds.
    if (!log_.has_room(Urgency::settling, bytes)) return lost_any_ = true, FactPlace{};
    return log_.append(kind, {parts.begin(), parts.size()}, life);
  }
  /// All that is written as long as this lives is in the log whole, or not at all.
  class Group {
   public:
    /// Requires: ledger.has_room(..., draft), and no group open.
    Group(Ledger& ledger, const Draft& draft) : group_(ledger.log_, draft.bound()), ledger_(ledger) {
      ledger_.in_group_ = true;
    }
    ~Group() { ledger_.in_group_ = false; }
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

   private:
    const FactGroup group_;
    Ledger& ledger_;
  };
  bool in_group() const { return in_group_; }
  bool lost_any() const { return lost_any_; }

  // -- compaction
  /// Writes a fact that still matters again, and lets go of the original: `place` is the copy's from now on. Requires:
  /// there is room.
  void copy(FactKind kind, FactPlace& place, std::initializer_list<Bytes> parts) {
    const auto moved = log_.append(kind, {parts.begin(), parts.size()}, Life::live);
    log_.release(place);
    place = moved;
  }

  // -- what is kept
  /// The body of a fact that was written and not released; lives until the next write or read. If the log cannot give
  /// back what it confirmed, going on would hand out nothing, or something else: the server stops and says why.
  Bytes read(FactPlace place) {
    const auto body = log_.read(place);
    if (!body) effects_.unreadable(body.error());
    return *body;
  }
  /// Recovery: the fact still matters (what is written live does by itself).
  void retain(FactPlace place) { log_.retain(place); }
  /// It does not matter any more. Nothing, if it is no place.
  void release(FactPlace place) {
    if (place.lsn != 0) log_.release(place);
  }

  // -- waiting
  /// When that is on disk. Requires: it is not empty.
  void when(Durable durable, Waiting&& what) { queue_.push({durable.lsn(), std::move(what)}); }
  /// The same; behind all that waits already if it is empty, at once if nothing does.
  void when_or_now(Durable durable, Waiting&& what) {
    const auto lsn = durable || queue_.empty() ? durable.lsn() : queue_.back().lsn;
    if (lsn == 0) return resolver_.resolve(what);
    queue_.push({lsn, std::move(what)});
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;
  /// Whether nothing waits.
  bool is_durable() const { return queue_.empty(); }
  /// All facts below `end` are on disk: what waited for them happens, in the order it was left.
  void on_durable(Lsn end) {
    while (!queue_.empty() && queue_.front().lsn < end) {
      auto item = std::move(queue_.front());
      queue_.pop();
      resolver_.resolve(item.what);
    }
  }
  /// The message with that key, if it waits for its fact, which stands at `place` at the latest. The pointer lives
  /// until the next call.
  waiting::Accepted* find_accepted(MessageKey key, FactPlace place) {
    for (std::size_t i = 0; i < queue_.size() && queue_.at(i).lsn <= place.lsn; ++i) {
      auto* const accepted = std::get_if<waiting::Accepted>(&queue_.at(i).what);
      if (accepted != nullptr && accepted->fact.key == key) return accepted;
    }
    return nullptr;
  }

 private:
  // What happens once the log is durable beyond a place; in the order of the log.
  struct Item {
    Lsn lsn = 0;
    Waiting what{};
  };

  FactLog& log_;
  Effects& effects_;
  Resolver& resolver_;
  Ring<Item> queue_;
  bool lost_any_ = false;
  bool in_group_ = false;
};

}  // namespace folkmoot
