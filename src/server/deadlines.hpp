// When connections have to be looked at: one deadline at a time of each, which its state says, and as a rule one entry
// for it. An entry that is there already looks at a later time too, so that one that moves all the time costs nothing.
#pragma once

#include <optional>
#include <queue>

#include "server/connection.hpp"

namespace folkmoot {

class Deadlines {
 public:
  /// The connection's time is over then; 0: it has all the time it likes.
  void set(Connection& connection, std::int64_t at) {
    connection.deadline = at;
    look_at(connection, at);
  }
  /// It is to be looked at then, or before; 0: not for this.
  void look_at(Connection& connection, std::int64_t at) {
    if (at == 0 || (connection.due != 0 && connection.due <= at)) return;
    connection.due = at;
    heap_.push({at, connection.id});
  }
  /// Something of the reactor's own.
  void look_at_listeners(std::int64_t at) { heap_.push({at, 0}); }

  /// When the next look is due; -1: never.
  std::int64_t next() const { return heap_.empty() ? -1 : heap_.top().at; }
  struct Due {
    std::int64_t at = 0;
    SessionId id = 0;  // 0: the listeners
    bool operator<(const Due& other) const { return at > other.at; }
  };
  /// One that is due. Of a connection it counts if that is there, and its `due` says the same.
  std::optional<Due> take(std::int64_t now) {
    if (heap_.empty() || heap_.top().at > now) return std::nullopt;
    const auto due = heap_.top();
    heap_.pop();
    return due;
  }

 private:
  std::priority_queue<Due> heap_;
};

}  // namespace folkmoot
