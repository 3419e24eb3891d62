// The message: what agents send each other. A plain value; every field but `to` or `topic` may be left as it is.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/content.hpp"
#include "folkmoot/uuid.hpp"

namespace folkmoot {

enum class DeliveryMode : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

/// Priorities are 1 (first) to 10; these are the five with names.
using Priority = std::uint8_t;
constexpr Priority critical = 1, high = 3, normal = 5, low = 7, background = 9;
constexpr Priority kPriorityMin = 1, kPriorityMax = 10;

/// How the wait between two attempts grows: the same each time; attempt by attempt; by a factor; by a factor, and half
/// of it by chance.
enum class Backoff : std::uint8_t { fixed = 0, linear = 1, exponential = 2, exponential_jitter = 3 };

/// When a message that failed (nack) is tried again. `attempts` 0 stands for what the mailbox says.
struct RetryPolicy {
  std::uint16_t attempts = 0;  // deliveries in all, then it is dead
  Backoff backoff = Backoff::exponential_jitter;
  std::int64_t initial_ms = 0;               // before the second attempt; 0: at once
  std::int64_t max_ms = 0;                   // the longest wait; 0: no bound
  std::uint32_t multiplier_permille = 2000;  // of the exponential ones: 2000 doubles each time

  bool operator==(const RetryPolicy&) const = default;
};

/// Values of metadata: whatever JSON can say.
using Metadata = boost::json::object;

/// Whose credentials a message came with, as the server that took it has found, whatever the message itself says.
struct Provenance {
  std::string account{};   // empty: of nobody's in particular
  std::string door{};      // by which it came: native, http, websocket; webhook: an endpoint's answer
  std::string verified{};  // by what: key, jwt, certificate, user, token; endpoint
  std::string trust{};     // account: it was one account's alone; shared: of all who have the server's token

  bool operator==(const Provenance&) const = default;
};

struct Message {
  Uuid id{};           // given by the server; nil before
  std::string from{};  // empty: the connection's agent
  std::string to{};    // a mailbox; exactly one of `to` and `topic`
  std::string topic{};
  std::string type{};     // task, query, response, event, command, status, notification, error, ... or your own
  std::string content{};  // bytes
  std::optional<ContentRef> content_ref{};  // instead of `content`: what is stored on the server under its hash
  std::string content_type{};               // MIME type; empty: application/octet-stream
  Priority priority = normal;
  std::string conversation{};
  std::string correlation{};
  std::string reply_to{};
  std::string key{};  // idempotency key
  // How long it lives, from when it is due on; 0: for ever, whatever its mailbox says. None: as long as its mailbox
  // says.
  std::optional<std::int64_t> ttl_ms{};
  std::int64_t expires_at = 0;         // instead of a life: when it ends, Unix milliseconds by the server's clock
  std::int64_t deliver_at = 0;         // not before then, by the same clock; 0: at once
  std::int64_t delay_ms = 0;           // instead of `deliver_at`: so long after the server has accepted it
  std::optional<DeliveryMode> mode{};  // none: at_least_once to a mailbox, at_most_once to a topic or as a request
  Metadata metadata{};
  std::optional<RetryPolicy> retry{};      // none: the mailbox's
  std::string group{};                     // messages of one group are delivered in order, one at a time
  bool bounce = false;                     // the sender gets a message of type error if this one ends dead
  bool expects_reply = true;               // false: a reply to it is refused
  std::string encoding{};                  // how the content is compressed: gzip, zstd; empty: it is not
  Uuid cause{};                            // the message that this one answers, forwards or follows from
  std::uint32_t hops = 0;                  // how many causes stand before it; the server counts
  std::vector<Uuid> chain{};               // the last of them, oldest first; the server's
  std::int64_t timestamp = 0;              // Unix milliseconds, when the server accepted it
  std::string event_topic{};               // the topic of the event that a durable subscription put here
  std::optional<Provenance> provenance{};  // the server's; none: nobody was asked, or the server says it itself

  bool operator==(const Message&) const = default;
};

/// The words for a mode ("at_least_once") and a priority ("high", "4"), and back.
std::string_view name(DeliveryMode mode);
std::optional<DeliveryMode> parse_mode(std::string_view text);
std::string_view name(Backoff backoff);
std::optional<Backoff> parse_backoff(std::string_view text);
std::string priority_name(Priority priority);
std::optional<Priority> parse_priority(std::string_view text);

}  // namespace folkmoot
