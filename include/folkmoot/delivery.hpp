// What a client gets: deliveries, and the answers to what it sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "folkmoot/message.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot {

/// A message in the receiver's hands. With a lease it wants to be settled: ack, nack, or extend to go on working.
struct Delivery {
  Message message{};
  std::uint64_t lease = 0;     // 0: nothing to settle (events, responses, at_most_once)
  std::uint32_t delivery = 0;  // 1 the first time
  bool redelivered = false;    // it was handed out before, or a restart cannot exclude it
  std::uint32_t missed = 0;    // events the subscription missed just before this one

  bool leased() const { return lease != 0; }
  const std::string& content() const { return message.content; }
};

/// What became of a published message at the moment it was accepted.
enum class Outcome : std::uint8_t { queued = 0, offered = 1, scheduled = 2, sent = 3 };
std::string_view name(Outcome outcome);

struct PublishReceipt {
  Uuid id{};
  /// To a mailbox: messages its agent has not retrieved, this one included. To a topic: subscriptions it went to.
  std::uint32_t unread = 0;
  Outcome outcome = Outcome::queued;
  /// How long ago the recipient last retrieved anything; none: never.
  std::optional<std::chrono::milliseconds> last_read_age{};
};

/// How far the recipient's copy of a message is.
enum class CopyState : std::uint8_t {
  unknown = 0,       // never seen by this server, or settled longer ago than receipts are kept
  queued = 1,
  offered = 2,       // pushed to a consumer's connection
  retrieved = 3,     // taken by the recipient
  acknowledged = 4,
  dead = 5,          // given up; Receipt::reason tells why
  scheduled = 6,     // waits for its deliver_at
};
std::string_view name(CopyState state);

struct Receipt {
  Uuid id{};
  std::string recipient{};
  CopyState state = CopyState::unknown;
  std::uint32_t deliveries = 0;
  std::int64_t at_ms = 0;  // Unix milliseconds when it came into that state; 0: not known
  std::string reason{};
};

/// What a mailbox holds ready.
struct MailboxReady {
  std::uint32_t ready = 0;
  Priority first_priority = normal;  // of the message that comes first
};

/// A message to a mailbox, and to a topic.
Message make_message(std::string to, std::string content);
Message make_event(std::string topic, std::string content);
/// A response to `delivery`: addressed to where its sender wants it, in the same conversation, correlated with it.
Message make_reply(const Delivery& delivery, std::string content);

}  // namespace folkmoot
