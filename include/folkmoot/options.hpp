// How a client connects, waits and bounds itself. Every field may be left as it is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "folkmoot/message.hpp"

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

/// When a server counts as down: after so many failures in a row (attempts to connect, operations that timed out). The
/// circuit breaker of its address then refuses operations (docs/reliability.md).
struct ClientBreaker {
  /// 1 to 1,000,000; 0: no breaker.
  std::uint32_t failures_to_open = 5;
  /// While open for so long nothing is tried; then `probes_max` operations are. A connection that comes about closes it
  /// at once.
  Milliseconds open_time{60'000};
  std::uint32_t probes_max = 1;
  std::uint32_t successes_to_close = 1;
};

/// What becomes of operations while the server's breaker is open.
enum class WhileOpen : std::uint8_t {
  reject,       // they fail at once: circuit_open
  buffer,       // they wait as they do for any connection, within `limits`, and for `open_time` longer
  alternative,  // the client goes over to the next of `alternatives`; rejected if all are open
};

/// How contents are made smaller on their way.
enum class Compression : std::uint8_t { zstd, gzip };

/// How a server at "tls://host:port" is known, and what is shown to it. Files are in PEM, and read again for each
/// connection.
struct ClientTls {
  /// Authorities that are trusted. Empty: $FOLKMOOT_CA, else those of the system.
  std::string ca{};
  /// This client's own certificate and its key. Empty: $FOLKMOOT_CERT and $FOLKMOOT_CERT_KEY, else none.
  std::string certificate{};
  std::string key{};
  /// Takes any certificate: whoever is on the way can read and change everything, and have the token.
  bool insecure = false;
};

struct ClientOptions {
  /// "host:port", "tls://host:port", "unix:/path" or "/path". Empty: $FOLKMOOT_ADDRESS, else 127.0.0.1:7470.
  std::string address{};
  /// Who this client is: `from` of what it sends without one. Empty: `anonymous`.
  std::string agent{};
  /// Empty: $FOLKMOOT_TOKEN, if set.
  std::string token{};
  /// Named to the server; for people who read its log.
  std::string software = "libfolkmoot";
  ClientTls tls{};

  /// One attempt to connect takes at most this.
  Milliseconds connect_timeout{5'000};
  /// How long connect() goes on trying; 0: one attempt.
  Milliseconds patience{0};
  /// After a lost connection: connect again, after a pause between these two that doubles with every failure and is
  /// drawn at random from its upper half, so that a thousand clients do not come back in the same instant.
  bool reconnect = true;
  Milliseconds backoff_min{100};
  Milliseconds backoff_max{10'000};

  /// An operation not answered for this long, beyond the time it asked the server to wait, ends with `timed_out`.
  Milliseconds request_timeout{30'000};
  /// A connection silent for this long is asked for a sign of life; silent for three times as long it is given up.
  Milliseconds heartbeat{15'000};

  /// Messages with a `key` whose confirm was lost with the connection are sent again; without a key, or with this off,
  /// they fail with `connection_lost`: the server may have accepted them or not. A message of mode exactly_once without
  /// a key gets one that is drawn at random.
  bool resend = true;

  ClientBreaker breaker{};
  WhileOpen while_open = WhileOpen::reject;
  /// Addresses to go over to, in this order.
  std::vector<std::string> alternatives{};

  /// Contents larger than this go by reference; 0: those that are larger than the server takes in a message.
  std::size_t reference_above = 0;

  /// Contents of at least so many bytes are compressed, if that makes them smaller; 0: none.
  std::size_t compress_above = 0;
  Compression compression = Compression::zstd;
  /// A delivery's content that would be larger than this after decompression stays as it is: Delivery::content_error.
  std::size_t content_bytes_max = 64u << 20;

  ClientLimits limits{};
};

struct ConsumeOptions {
  /// Messages the server sends ahead of next(), 1 to 65,535.
  std::uint32_t credit = 32;
};

struct SubscribeOptions {
  /// Events the server sends ahead of next(); it skips what has no credit, and Delivery::missed counts it. 0: events
  /// flow as they come, and a client that does not keep up is cut by the server.
  std::uint32_t credit = 1'024;
  /// Also events that this very client publishes.
  bool echo = false;
  /// Only events that this condition holds for (docs/filters.md); read before the call returns. Empty: all.
  std::string_view filter{};
};

struct ReceiveOptions {
  /// 1 to 1000.
  std::uint32_t max = 1;
  /// How long to wait for the first message.
  Milliseconds wait{0};
  /// 0: the leases live as long as the connection. Else they end after this time, connection or not.
  Milliseconds lease{0};
};

struct BatchOptions {
  /// All of the messages, or none of them.
  bool atomic = false;
};

struct NackOptions {
  /// Not delivered again before this time has passed. None: as the retry policy of the message or the mailbox says.
  std::optional<Milliseconds> delay{};
  /// For people who look at receipts and dead letters; read before the call returns.
  std::string_view reason{};
};

struct RunOptions {
  /// Messages handled at the same time. Each loop takes its next message when its handler is done.
  std::uint32_t parallel = 1;
  /// How long a message whose handler failed (or that no handler wants) rests before it is delivered again. None: as
  /// the retry policy of the message or the mailbox says.
  std::optional<Milliseconds> retry_delay{};
};

/// How many answers a request to many needs. Once they are there the others are cancelled.
struct Need {
  std::size_t count = 0;  // 0: of all

  static constexpr Need all() { return {}; }
  static constexpr Need first() { return {1}; }
  static constexpr Need quorum(std::size_t answers) { return {answers}; }
};

struct GatherOptions {
  Need need = Need::all();
  Milliseconds timeout{30'000};
};

struct MailboxOptions {
  /// What is left at 0, or out, stays as it is; at first, it is the server's default.
  std::uint64_t max_messages = 0;
  /// When full: refuse new messages (false) or move the oldest waiting one to the dead letters (true).
  std::optional<bool> drop_oldest{};
  Milliseconds default_ttl{0};
  std::uint32_t max_deliveries = 0;
  /// Of messages that bring none of their own; its attempts are max_deliveries, if that is given.
  std::optional<RetryPolicy> retry{};
};

enum class BreakerState : std::uint8_t { closed, open, half_open };
std::string_view name(BreakerState state);

/// The circuit breaker of one address changed.
struct BreakerEvent {
  std::string address{};
  BreakerState from = BreakerState::closed, to = BreakerState::closed;
};

struct BreakerStatus {
  std::string address{};
  BreakerState state = BreakerState::closed;
  std::uint32_t failures = 0;  // in a row
  std::uint64_t times_opened = 0, rejected = 0;
};

/// What a client has seen so far.
struct ClientMetrics {
  bool connected = false;
  std::string address{};                       // in use
  std::uint64_t connections = 0;               // that came about
  std::uint64_t refused = 0;                   // see Client::refused()
  std::size_t waiting = 0, waiting_bytes = 0;  // operations that wait for their turn or for a connection
  std::vector<BreakerStatus> breakers{};       // of the addresses, in their order
};

}  // namespace folkmoot
