// What folkmoot promises (docs/delivery.md), judged from outside: by what agents ask for and what they are told, and by
// nothing else. No fact of the engine, no journal, no clock but theirs. Whatever model.hpp says of how the engine has
// to go about it, this must hold.
//
//   1. A message is what was published: sender, recipient, priority; never one that was refused.
//   2. What was confirmed is not lost: it comes to an agent, or its end was asked for, or it may have died.
//   3. A message whose ack was answered never comes again.
//   4. At most once is at most one delivery.
//   5. A message has one holder at a time; of a group, one message has one.
//   6. Messages of one sender and priority come in order; so do those of a group.
//   7. One key, one message; one id, one message.
//   8. What belongs together (an atomic batch; a completion's input and outputs) happens together or not at all.
//   9. Not before `deliver_at` or its delay is over, not after its time to live.
//
// Each check throws Violation. A run ends with drained(), when all mailboxes have been emptied.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "engine/effects.hpp"
#include "engine/options.hpp"
#include "message/envelope.hpp"
#include "simulation/published.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

/// A message in some agent's hands.
struct Holding {
  Uuid id;
  SessionId session = 0;      // 0: whoever has the token
  std::int64_t deadline = 0;  // 0: as long as the session is open
};

class Promises {
 public:
  Promises(std::vector<std::string> names, const EngineOptions& options);

  // What agents ask for. A message is known by its number, which its content begins with.
  void publishing(std::uint64_t number, const Published& asked, std::int64_t now);
  /// All of them or none; with an input, that is settled if they are there.
  void together(const std::vector<std::uint64_t>& numbers, const Uuid* input);
  enum class End { acked, given_up, given_back };
  /// The lease's message, if the lease is current: nobody has it from now on.
  void settling(LeaseToken token, End how, std::int64_t now);
  void extending(LeaseToken token, SessionId session, std::int64_t deadline, std::int64_t now);
  bool knows(std::uint64_t number) const { return sent_.contains(number); }
  /// Its end, or another life of it under another id, is asked for.
  void taking_back(std::uint64_t number) { sent_.at(number).revoked = true; }
  void configuring(std::size_t mailbox, const MailboxLimits& limits);
  void closing(SessionId session);

  // What they are told.
  void confirmed(std::uint64_t number, const Confirm& confirm);
  void refused(std::uint64_t number);
  void acknowledged(const Uuid& id) { copies_[id].acked = true; }
  void delivered(std::uint64_t number, const Routing& routing, LeaseToken lease, const Holding& holding,
                 std::int64_t now);

  /// It is that late, by the server's clock.
  void passed(std::int64_t now) { latest_ = std::max(latest_, now); }
  /// The server is gone, and every connection with it.
  void crash();
  /// The messages of those leases that are current.
  std::vector<Uuid> held(const std::vector<LeaseToken>& tokens, std::int64_t now) const;
  /// Everything that was there has been taken, and acked.
  void drained() const;

 private:
  struct Sent {
    Published asked;
    std::int64_t at = 0;
    std::uint32_t times = 0;  // asked for, with its key
    std::set<Uuid> ids;       // it is known by; one, unless it is sent again
    std::size_t group = 0;    // of together_; 0: none
    bool there = false;       // the server said so, or it came
    bool refused = false;
    bool revoked = false;
    bool came = false;
  };
  struct Copy {  // by its id
    std::uint64_t number = 0;
    std::uint32_t deliveries = 0;
    LeaseToken held = 0;
    bool acked = false;        // and that was answered
    bool end_asked = false;    // an ack, a rejection, a completion
    std::size_t input_of = 0;  // of together_
  };
  struct Together {
    std::vector<std::uint64_t> numbers;
    std::optional<Uuid> input;
  };
  using Lane = std::tuple<std::string, std::string, Priority>;

  bool is_plain(const Sent& sent) const;
  bool may_have_died(const Sent& sent, const Copy& copy) const;
  void let_go(LeaseToken token);
  void happened(std::size_t group);
  void did_not_happen(std::size_t group);

  const std::vector<std::string> names_;
  const EngineOptions options_;
  std::map<std::uint64_t, Sent> sent_;
  std::map<Uuid, Copy> copies_;
  std::map<Uuid, std::uint64_t> owners_;  // the number it is known by
  std::map<std::uint64_t, std::uint32_t> numbers_of_key_;
  std::map<LeaseToken, Holding> held_;
  std::vector<Together> together_;
  struct First {
    std::uint64_t number = 0, life = 0;
  };
  std::map<Lane, First> first_deliveries_;  // the last of each lane
  std::int64_t latest_ = 0;
  std::uint64_t life_ = 0;  // counts the server's crashes
  std::map<std::pair<std::string, std::uint32_t>, Uuid> groups_held_;
  std::set<std::size_t> dropping_;  // mailboxes that drop their oldest, now or once
  std::uint32_t attempts_least_;
};

}  // namespace folkmoot::simulation
