// What a client gets: deliveries, and the answers to what it sent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/error.hpp"
#include "folkmoot/message.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot {

namespace detail {
class Withdrawals;  // src/client/withdrawals.hpp
}

/// A message in the receiver's hands. With a lease it wants to be settled: ack, nack, or extend to go on working.
struct Delivery {
  Message message{};
  std::uint64_t lease = 0;     // 0: nothing to settle (events, responses, at_most_once)
  std::uint32_t delivery = 0;  // 1 the first time
  bool redelivered = false;    // it was handed out before, or a restart cannot exclude it
  std::uint32_t missed = 0;    // events the subscription missed just before this one
  /// Why the content is still compressed (message.encoding says how): it was damaged, or too large. None: it is as it
  /// was sent.
  std::optional<Error> content_error{};
  std::shared_ptr<const detail::Withdrawals> withdrawals{};  // asked by withdrawn()

  bool leased() const { return lease != 0; }
  const std::string& content() const { return message.content; }
  /// The sender took back what it asked for (it gave up, or has enough answers): the work may be dropped. A delivery
  /// with a lease still wants to be settled. Turns true while the work goes on; from any thread.
  bool withdrawn() const;
};

/// A message that is held by a lease of its own time (ReceiveOptions::lease), as another program knows it that took it:
/// an earlier process, say. What is done by it is done to that message or to none.
struct HeldLease {
  HeldLease(const Uuid& id, std::uint64_t number) : message(id), lease(number) {}

  Uuid message;
  std::uint64_t lease;
};

/// What was asked by a message is wanted no more.
struct Withdrawal {
  Uuid message{};
  std::uint64_t lease = 0;  // 0: it was delivered without one
};

/// What became of a published message at the moment it was accepted.
enum class Outcome : std::uint8_t {
  queued = 0,
  offered = 1,    // pushed to a consumer's connection
  scheduled = 2,  // waits for its deliver_at
  sent = 3,       // to whom it concerns now: an event, a response
  duplicate = 4,  // not published: its key was used before. The receipt's id and state are those of the first
  dead = 5,       // accepted, and put with the dead letters at once
  kept = 6,       // an event published at_least_once: on disk wherever it is kept
};
std::string_view name(Outcome outcome);

/// How far the recipient's copy of a message is.
enum class CopyState : std::uint8_t {
  unknown = 0,  // never seen by this server, or settled longer ago than receipts are kept
  queued = 1,
  offered = 2,    // pushed to a consumer's connection
  retrieved = 3,  // taken by the recipient
  acknowledged = 4,
  dead = 5,       // given up; Receipt::reason tells why
  scheduled = 6,  // waits for its deliver_at
  cancelled = 7,  // taken back by its sender
};
std::string_view name(CopyState state);

struct PublishReceipt {
  Uuid id{};
  /// To a mailbox: messages its agent has not retrieved, this one included. To a topic: subscriptions it went to;
  /// of Outcome::kept, places that keep it.
  std::uint32_t unread = 0;
  Outcome outcome = Outcome::queued;
  /// How long ago the recipient last retrieved anything; none: never.
  std::optional<std::chrono::milliseconds> last_read_age{};
  /// Of a duplicate: where the first one is.
  CopyState state = CopyState::unknown;
};

struct Receipt {
  Uuid id{};
  std::string recipient{};
  CopyState state = CopyState::unknown;
  std::uint32_t deliveries = 0;
  std::int64_t at_ms = 0;  // Unix milliseconds when it came into that state; 0: not known
  std::string reason{};
  std::string holder{};            // the agent that has it; empty: nobody, or not named
  std::int64_t held_since_ms = 0;  // since when somebody has it, Unix milliseconds; 0: nobody
};

/// What a mailbox holds ready.
struct MailboxReady {
  std::uint32_t ready = 0;
  Priority first_priority = normal;  // of the message that comes first
};

/// A message to a mailbox, and to a topic.
Message make_message(std::string to, std::string content);
Message make_event(std::string topic, std::string content);
/// A response to `delivery`: addressed to where its sender wants it, in the same conversation, correlated with it,
/// caused by it.
Message make_reply(const Delivery& delivery, std::string content);
/// The same work for somebody else: content, type, priority, conversation, metadata and reply address of `delivery`,
/// caused by it.
Message make_forward(const Delivery& delivery, std::string to);
/// `message` once for each of `recipients`.
std::vector<Message> to_each(const Message& message, const std::vector<std::string>& recipients);

/// A command to an agent: its name and parameters (a message of type `command`, its content JSON).
struct Command {
  std::string name;
  Metadata parameters{};
};
Message make_command(std::string agent, const Command& command);
/// The command that a message says. Errors: invalid_field, malformed.
Result<Command> read_command(const Message& message);

/// What became of a request to many.
struct Gathered {
  struct Answer {
    std::size_t index = 0;  // of the request it answers
    Message message{};
  };
  struct Missing {
    std::size_t index = 0;
    std::string recipient{};
    Error why{};  // timed_out, no_consumer, ...; cancelled: there were enough answers without it
  };
  std::vector<Answer>
      answers{};  // in the order in which they came; those of type `error` do not count to what is needed
  std::vector<Missing> missing{};
  bool enough = false;
};

}  // namespace folkmoot
