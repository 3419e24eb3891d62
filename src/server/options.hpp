// What can be set about a server; docs/operations.md names each key.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "archive/history_policy.hpp"
#include "engine/options.hpp"
#include "journal/journal.hpp"
#include "message/limits.hpp"
#include "server/alert_options.hpp"
#include "transport/tls_context.hpp"

namespace folkmoot {

namespace access {
class Demands;
class JwtVerifier;
}  // namespace access

/// Content by reference.
struct ContentOptions {
  std::uint64_t bytes_max = std::uint64_t{1} << 30;         // of one
  std::uint64_t total_bytes_max = std::uint64_t{64} << 30;  // of all, and of what is being uploaded
  std::size_t uploads_max = 64;                             // at a time
  std::size_t connection_uploads_max = 8;                   // of these, of one connection
  std::int64_t idle_ms = 60'000;                            // how long an upload waits for its next bytes
  std::uint64_t pace_bytes = 4 * 1024;                      // a second, on average; an upload that is slower ends
};

/// Connections that have not said HELLO.
struct LoginOptions {
  std::int64_t timeout_ms = 10'000;
  std::size_t connections_max = 4'096;
  std::size_t of_address_max = 1'024;      // of these, of one address
  std::uint32_t failures_per_minute = 30;  // of one address and account; 0: as many as come (login_brake.hpp)
};

/// What each account may have, over all its connections; 0: as much as it likes.
struct AccountQuotas {
  std::uint32_t messages_per_second = 0;
  std::uint32_t bytes_per_second = 0;  // of messages
  std::uint32_t connections_max = 0;   // at a time
  bool has_pace() const { return messages_per_second != 0 || bytes_per_second != 0; }
};

/// Frames that have come in part, of connections that have said HELLO.
struct PartialFrameOptions {
  std::size_t total_bytes_max = 64 * 1024 * 1024;
  std::int64_t timeout_ms =
      15'000;  // from the first byte to the last, and a second more for each PartialFrames::kPaceBytes
};

/// The history of messages (src/archive).
struct HistoryOptions {
  enum class Store : std::uint8_t { none, sqlite, postgres };

  Store store = Store::none;
  std::string url;                                          // of PostgreSQL; a secret
  std::int64_t keep_ms = std::int64_t{30} * 86'400'000;     // what has ended; 0: for ever
  std::uint64_t behind_bytes_max = std::uint64_t{4} << 30;  // of a journal, that wait for it; what is more goes unread
  HistoryPolicy policy{};
};

/// Who may come without TLS, and how TLS is spoken.
struct TlsOptions {
  enum class Mode : std::uint8_t {
    automatic,  // required if there is a certificate, else off
    off,        // nobody speaks it
    optional,   // both are taken
    required,   // plain is refused, but for those of `plain`
  };
  enum class Plain : std::uint8_t { loopback, unix_socket };  // the Unix socket never leaves the machine

  Mode mode = Mode::automatic;
  TlsServerFiles files;
  Plain plain = Plain::loopback;

  bool is_on() const { return mode == Mode::automatic ? !files.certificate.empty() : mode != Mode::off; }
  bool is_required() const { return is_on() && mode != Mode::optional; }
};

struct ServerOptions {
  std::string data = "./folkmoot-data";
  std::string host = "127.0.0.1";
  std::uint16_t port = 7470;                         // 0: a free one
  std::string unix_socket;                           // empty: folkmoot.sock in the data folder; "none": no Unix socket
  std::string token;                                 // empty: no credentials (loopback only)
  std::shared_ptr<const access::JwtVerifier> jwt{};  // whose tokens about accounts are good; null: nobody's
  std::shared_ptr<const access::Demands> demands{};  // what is asked of messages; null: nothing
  AccountQuotas accounts{}, teams{};  // of one by itself; of all together whose names begin alike (access::team_of)
  std::map<std::uint32_t, std::string> unix_accounts{};  // by user id: accounts of those who come by the Unix socket
  std::size_t connections_max = 65'536;
  bool traces = false;  // spans are told to who takes them (span_sink.hpp)
  std::uint32_t shards =
      1;  // engines, each with a journal, a thread and a part of the mailboxes; fixed when the data folder is made
  std::size_t content_bytes_max = kContentBytesDefault;
  std::size_t frame_bytes_max = kFrameBytesDefault;
  std::size_t pending_bytes_high =
      512 * 1024;  // unsent bytes of a connection above which deliveries and publishers wait
  std::size_t pending_bytes_max = 64 * 1024 * 1024;  // ... at which it is cut as a slow consumer
  std::int64_t host_timeout_ms = 300'000;  // how long nothing may be heard of a host to which bytes are on their way
  std::int64_t slow_consumer_ms = 5'000;   // how long it may stay above pending_bytes_high
  std::size_t staged_bytes_max = 64 * 1024 * 1024;  // not yet durable, before reading stops
  LoginOptions login;
  TlsOptions tls;
  PartialFrameOptions partial_frames;
  std::int64_t drain_timeout_ms = 3'000;  // at shutdown, for connections to take what is theirs
  std::int64_t backup_idle_ms = 60'000;   // between two questions of whoever takes a backup
  std::uint64_t backup_growth_max = std::uint64_t{4}
                                    << 30;  // written to a journal while a backup copies it; then it is given up
  std::string version = "0.1.0";
  ContentOptions content;
  HistoryOptions history;
  AlertOptions alerts;
  EngineOptions engine;
  JournalOptions journal;
};

}  // namespace folkmoot
