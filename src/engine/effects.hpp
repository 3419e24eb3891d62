// What the engine wants done: calls on this interface, made while a command is carried out. The server writes them into
// the buffers of connections; the simulation checks them. Views live until the call returns.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/uuid.hpp"
#include "engine/ids.hpp"
#include "engine/reply.hpp"
#include "engine/span.hpp"
#include "folkmoot/content.hpp"
#include "folkmoot/operation/account.hpp"
#include "message/frame.hpp"

namespace folkmoot {

/// A message's bytes as the recipient gets them: stamped envelope, then content; in one or two pieces.
struct MessageParts {
  Bytes head;
  Bytes rest;
  std::size_t bytes() const { return head.size() + rest.size(); }
};

struct OutgoingDelivery {
  RequestNumber request = 0;   // of the consumer, subscription, receive or request
  std::uint32_t delivery = 0;  // counts from 1
  LeaseToken lease = 0;        // 0: nothing to settle
  bool redelivered = false;
  bool of_mailbox = false;  // else of a topic or a request
  MessageParts message;
};

/// One subscription that gets an event.
struct EventTarget {
  SessionId session = 0;
  RequestNumber request = 0;
  std::uint32_t zero = 0;  // no padding: lists of these are compared byte for byte
};

struct WokenView;

class Effects {
 public:
  virtual ~Effects() = default;

  /// Returns false when the session has enough to carry for now: the engine then sends it no more deliveries of
  /// mailboxes until Engine::session_writable(). Events of topics go on; what a session may pile up of them is the
  /// server's to bound.
  virtual bool deliver(SessionId session, const OutgoingDelivery& delivery) = 0;
  /// The same event to each of `targets`, in this order; what deliver() returns has no meaning for events.
  virtual void deliver_event(std::span<const EventTarget> targets, const MessageParts& message) {
    for (const auto& target : targets) {
      deliver(target.session,
              {.request = target.request, .delivery = 1, .lease = 0, .redelivered = false, .message = message});
    }
  }
  virtual void confirm(SessionId session, RequestNumber request, const Confirm& confirm) = 0;
  virtual void answer(SessionId session, RequestNumber request, const Reply& reply) = 0;
  /// Of several messages that were published by one command: each one's confirmation or error, in their order.
  virtual void outcomes(SessionId session, RequestNumber request, std::span<const Result<Confirm>> outcomes) = 0;
  virtual void settled(SessionId session, RequestNumber request, std::uint32_t settled,
                       std::span<const LeaseToken> refused) = 0;
  virtual void refuse(SessionId session, RequestNumber request, const Error& error) = 0;
  virtual void lagged(SessionId session, RequestNumber request, std::uint32_t count) = 0;
  /// Whoever asked by message `id` wants it no more: its holder may drop the work. `lease` is 0 for a message without
  /// one.
  virtual void withdrawn(SessionId session, LeaseToken lease, const Uuid& id) = 0;
  /// The answer to a request that waits in another shard, if there are several. Its envelope is stamped; whether
  /// anybody waits there still is not known here, nor whether `answerer` may answer; 0: it may. False: that shard is
  /// too far behind; one that `is_owed` is taken all the same.
  virtual bool answer_elsewhere(ShardNumber /*shard*/, const MessageParts& /*message*/, ConnectionId /*answerer*/,
                                bool /*is_owed*/) {
    return false;
  }
  /// The size of a content that another shard stores, and keeps from now on until remove_content() is called here;
  /// nothing if none does.
  virtual std::optional<std::uint64_t> stored_elsewhere(const ContentHash& /*hash*/) { return std::nullopt; }
  /// Nothing here has referred to this content for a while: its bytes may go. False: another shard keeps it, and so it
  /// stays known here.
  virtual bool remove_content(const ContentHash& hash) = 0;
  /// Agents to be woken: taken by this session, or under a lease of their own; none if none came in time. The views
  /// live until the call returns.
  virtual void woken(SessionId /*session*/, RequestNumber /*request*/, std::span<const WokenView> /*wakes*/) {}
  /// The log cannot give back a message it had confirmed. Must not return: the server stops and says why.
  /// An account has a new key, which nobody can show again.
  virtual void new_key(SessionId /*session*/, RequestNumber /*request*/, const NewAccountKey& /*key*/) {}
  /// What was done with a message that belongs to a trace.
  virtual void traced(const SpanView& /*span*/) {}
  [[noreturn]] virtual void unreadable(const Error& error) = 0;
};

}  // namespace folkmoot
