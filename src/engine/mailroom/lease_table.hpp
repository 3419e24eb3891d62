// Deliveries not yet settled. A lease lives with its holder's connection, or to a deadline, or both end it; its token
// is never used twice: the shard and the number of the server's run in the upper bits, a counter below.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/uuid.hpp"
#include "engine/entry.hpp"
#include "engine/holder.hpp"
#include "engine/slab.hpp"

namespace folkmoot {

class Census;

struct Lease {
  LeaseToken token = 0;
  Entry entry;
  SessionId session = 0;        // 0: not bound to a connection
  ConnectionId connection = 0;  // that took it, bound to it or not
  Instant deadline = 0;         // 0: none
  Instant since = 0;            // when it was handed out
  Instant came = 0;             // when the message might go out first
  NameId mailbox = 0;
  NameId sender = 0;
  NameId holder = 0;  // name id of the agent that has it; 0: none was named
  Slot consumer =
      kNoSlot;  // whose credit comes back, if it is still the one of this serial; kNoSlot for a pulled message
  std::uint32_t consumer_serial = 0;
  std::uint16_t hops = 0;  // of the message
  bool silent = false;     // its sender expects no reply
  bool retrieved = false;
  // Links of two lists: leases of the session, leases of the mailbox.
  Slot session_previous = kNoSlot, session_next = kNoSlot;
  Slot mailbox_previous = kNoSlot, mailbox_next = kNoSlot;
};

inline Holder holder_of(const Lease& lease) {
  return {.connection = lease.connection,
          .session = lease.session,
          .agent = lease.holder,
          .mailbox = lease.mailbox,
          .lease = lease.token,
          .bound = lease.session != 0};
}

class LeaseTable {
 public:
  /// `run` as in StartedFact: tokens of other runs are unknown for ever.
  void begin_run(ShardNumber shard, std::uint32_t run) {
    constexpr auto kBelowShard = ~std::uint64_t{0} >> kShardBits;
    next_token_ = (std::uint64_t{shard.value} << kShardShift | (std::uint64_t{run} << 40 & kBelowShard)) + 1;
  }

  Slot add(Lease lease, Slot& session_head, Slot& mailbox_head) {
    lease.token = LeaseToken{next_token_++};
    const auto token = lease.token;
    const bool bound = lease.session != 0;
    const auto at = leases_.insert(std::move(lease));
    by_token_.emplace(token, at);
    by_key_.emplace(leases_[at].entry.key, at);
    if (bound) link<&Lease::session_previous, &Lease::session_next>(at, session_head);
    link<&Lease::mailbox_previous, &Lease::mailbox_next>(at, mailbox_head);
    return at;
  }

  /// kNoSlot if the token is not (any more) one of a lease.
  Slot find(LeaseToken token) const {
    const auto found = by_token_.find(token);
    return found == by_token_.end() ? kNoSlot : found->second;
  }

  /// The lease on a message, or kNoSlot: a message has one at most.
  Slot find_key(MessageKey key) const {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? kNoSlot : found->second;
  }

  Lease remove(Slot at, Slot* session_head, Slot& mailbox_head) {
    const Lease lease = leases_[at];
    if (lease.session != 0) unlink<&Lease::session_previous, &Lease::session_next>(at, *session_head);
    unlink<&Lease::mailbox_previous, &Lease::mailbox_next>(at, mailbox_head);
    by_token_.erase(lease.token);
    by_key_.erase(lease.entry.key);
    leases_.erase(at);
    return lease;
  }

  /// Ties the lease to another connection (or none: session 0).
  void rebind(Slot at, SessionId session, Slot* old_head, Slot* new_head) {
    if (leases_[at].session != 0) unlink<&Lease::session_previous, &Lease::session_next>(at, *old_head);
    leases_[at].session = session;
    if (session != 0) link<&Lease::session_previous, &Lease::session_next>(at, *new_head);
  }

  Lease& operator[](Slot at) { return leases_[at]; }
  const Lease& operator[](Slot at) const { return leases_[at]; }
  std::size_t size() const { return leases_.size(); }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  template <Slot Lease::* Previous, Slot Lease::* Next>
  void link(Slot at, Slot& head) {
    leases_[at].*Previous = kNoSlot;
    leases_[at].*Next = head;
    if (head != kNoSlot) leases_[head].*Previous = at;
    head = at;
  }

  template <Slot Lease::* Previous, Slot Lease::* Next>
  void unlink(Slot at, Slot& head) {
    const auto previous = leases_[at].*Previous, next = leases_[at].*Next;
    (previous == kNoSlot ? head : leases_[previous].*Next) = next;
    if (next != kNoSlot) leases_[next].*Previous = previous;
  }

  Slab<Lease> leases_;
  boost::unordered_flat_map<LeaseToken, Slot> by_token_;
  boost::unordered_flat_map<MessageKey, Slot> by_key_;
  std::uint64_t next_token_ = 1;
};

}  // namespace folkmoot
