// How a client connects, waits and bounds itself. Every field may be left as it is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace folkmoot {

using Milliseconds = std::chrono::milliseconds;

/// What a client holds at most.
struct ClientLimits {
  /// Requests sent and not answered yet (long waits, receives and requests are not counted). More wait their turn.
  std::size_t in_flight = 1'000;
  /// Operations that wait for their turn or for a connection. Beyond them an operation is refused with `busy`.
  std::size_t waiting = 100'000;
  /// Bytes of operations that wait, and bytes on their way to the socket: each at most this, or one message.
  std::size_t pending_bytes = 16u << 20;
  /// Events a subscription without credit keeps until next() takes them; what comes on top is counted as missed.
  std::size_t subscription_events = 65'536;
};

struct ClientOptions {
  /// "host:port", "unix:/path" or "/path". Empty: $FOLKMOOT_ADDRESS, else 127.0.0.1:7470.
  std::string address{};
  /// Who this client is: `from` of what it sends without one. Empty: `anonymous`.
  std::string agent{};
  /// Empty: $FOLKMOOT_TOKEN, if set.
  std::string token{};
  /// Named to the server; for people who read its log.
  std::string software = "libfolkmoot";

  /// One attempt to connect takes at most this.
  Milliseconds connect_timeout{5'000};
  /// How long connect() goes on trying; 0: one attempt.
  Milliseconds patience{0};
  /// After a lost connection: connect again, after a pause between these two that doubles with every failure and is drawn at
  /// random from its upper half, so that a thousand clients do not come back in the same instant.
  bool reconnect = true;
  Milliseconds backoff_min{100};
  Milliseconds backoff_max{10'000};

  /// An operation not answered for this long, beyond the time it asked the server to wait, ends with `timed_out`.
  Milliseconds request_timeout{30'000};
  /// A connection silent for this long is asked for a sign of life; silent for three times as long it is given up.
  Milliseconds heartbeat{15'000};

  /// Messages with a `key` whose confirm was lost with the connection are sent again; without a key, or with this off,
  /// they fail with `connection_lost`: the server may have accepted them or not.
  bool resend = true;

  ClientLimits limits{};
};

struct ConsumeOptions {
  /// Messages the server sends ahead of next(), 1 to 65,535.
  std::uint32_t credit = 32;
};

struct SubscribeOptions {
  /// Events the server sends ahead of next(); it skips what has no credit, and Delivery::missed counts it. 0: events flow as
  /// they come, and a client that does not keep up is cut by the server.
  std::uint32_t credit = 1'024;
  /// Also events that this very client publishes.
  bool echo = false;
};

struct ReceiveOptions {
  /// 1 to 1000.
  std::uint32_t max = 1;
  /// How long to wait for the first message.
  Milliseconds wait{0};
  /// 0: the leases live as long as the connection. Else they end after this time, connection or not.
  Milliseconds lease{0};
};

struct NackOptions {
  /// Not delivered again before this time has passed.
  Milliseconds delay{0};
  /// For people who look at receipts and dead letters; read before the call returns.
  std::string_view reason{};
};

struct RunOptions {
  /// Messages handled at the same time. Each loop takes its next message when its handler is done.
  std::uint32_t parallel = 1;
  /// How long a message whose handler failed (or that no handler wants) rests before it is delivered again.
  Milliseconds retry_delay{1'000};
};

struct MailboxOptions {
  /// Fields left at 0 keep the server's default.
  std::uint64_t max_messages = 0;
  /// When full: refuse new messages (default) or move the oldest waiting one to the dead letters.
  bool drop_oldest = false;
  Milliseconds default_ttl{0};
  std::uint32_t max_deliveries = 0;
};

}  // namespace folkmoot
