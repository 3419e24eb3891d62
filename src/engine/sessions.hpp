// The sessions that are open, and what their request numbers stand for.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "engine/effects.hpp"
#include "engine/part.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

/// What a request number that is in use stands for; each kind is one part's.
enum class OpenKind : std::uint8_t {
  subscription,
  consumer,
  waiter,
  request,
  redrive,
  stream_read,
  stream_consumer,
  stream_play,
  wakes
};
constexpr std::size_t kOpenKinds = 9;

struct Open {
  OpenKind kind{};
  Slot slot = 0;  // where its part has it
};

struct Session {
  SessionId id = 0;
  ConnectionId connection = 0;  // whose it is
  NameId name_id = 0;           // of the agent; 0: none given
  Slot lease_head = kNoSlot;
  bool writable = true;
  bool of_shard = false;    // another shard of this server, or the server itself
  bool bound = false;       // to its agent: what others hold or sent is not its to settle or take back
  NameId last_mailbox = 0;  // name id of the last recipient: saves a look-up
  NameId last_sender = 0;
  std::uint32_t subscriptions = 0;     // of those in `open`
  std::uint32_t wakes = 0;             // taken, under leases that end with it
  std::map<RequestNumber, Open> open;  // by request number; ordered, as it is walked over
};

class Census;

class Sessions {
 public:
  void assign(OpenKind kind, Part& part) { owners_[static_cast<std::size_t>(kind)] = &part; }

  /// Null if it is not open (any more).
  Session* find(SessionId id) {
    const auto slot = session_slot(id).value;
    if (slot >= sessions_.size() || !sessions_[slot] || sessions_[slot]->id != id) return nullptr;
    return sessions_[slot].get();
  }
  const Session* find(SessionId id) const { return const_cast<Sessions*>(this)->find(id); }
  /// Requires: its slot is free.
  Session& add(SessionId id) {
    const auto slot = session_slot(id).value;
    if (slot >= sessions_.size()) sessions_.resize(slot + 1);
    FOLKMOOT_ASSERT(!sessions_[slot]);
    sessions_[slot] = std::make_unique<Session>();
    sessions_[slot]->id = id;
    return *sessions_[slot];
  }
  /// From now on it acts for its own agent alone.
  void bind(Session& session) {
    session.bound = true;
    ++bound_;
  }
  /// Whether the session may act on what that agent has.
  bool may_act_for(SessionId id, NameId agent) const {
    if (bound_ == 0) [[likely]]
      return true;
    const auto* const session = find(id);
    return session == nullptr || !session->bound || session->name_id == agent;
  }
  /// Requires: nothing of it is open.
  void remove(const Session& session) {
    bound_ -= session.bound;
    sessions_[session_slot(session.id).value].reset();
  }

  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;
  /// False if the number is in use.
  static bool open(Session& session, RequestNumber request, Open what) {
    return session.open.emplace(request, what).second;
  }
  /// Ends what a request number stands for, without an answer. Requires: it is open.
  void close(Session& session, RequestNumber request) {
    const auto found = session.open.find(request);
    FOLKMOOT_ASSERT(found != session.open.end());
    const auto what = found->second;
    owners_[static_cast<std::size_t>(what.kind)]->close(session, what.slot);
    session.open.erase(request);
  }

 private:
  std::vector<std::unique_ptr<Session>> sessions_;
  std::array<Part*, kOpenKinds> owners_{};
  std::size_t bound_ = 0;
};

/// Of a request number that Sessions::open() did not take.
inline Error in_use(RequestNumber request) {
  return {ErrorCode::already_exists, "request number " + std::to_string(request.value) + " is in use"};
}

}  // namespace folkmoot
