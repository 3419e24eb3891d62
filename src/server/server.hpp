// A running server: the data folder, the journal and its thread, the engine in its reactor, the listening sockets.
#pragma once

#include <memory>

#include "base/error.hpp"
#include "server/link.hpp"
#include "server/options.hpp"
#include "server/settings_keeper.hpp"
#include "server/span_sink.hpp"

namespace folkmoot {

class WebhookBoard;

/// Whether a server can be so. Errors: not_permitted (an address other than loopback with neither token nor account).
Result<void> check_options(const ServerOptions& options, bool has_accounts);

class Server {
 public:
  /// Takes the data folder, recovers what it holds and opens the sockets. Errors: in_use, damaged, io_error, disk_full,
  /// not_permitted (as check_options()).
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options);
  ~Server();

  /// Whether everybody is asked for the key of an account. Any thread.
  bool has_accounts() const;
  /// Where other doors connect, and who takes HTTP connections over (before run(); must outlive it).
  Hub& hub();
  void set_http_door(Door* door);
  /// A link of another shard, or of the server itself, to that shard: it shows no token, and is no client. Null once
  /// the server is stopping. Any thread.
  std::shared_ptr<Link> connect_shard(ShardNumber shard, std::function<void()> on_ready);
  /// Who takes the spans of traces (before run(); must outlive it).
  void set_spans(SpanSink* spans);
  /// A link for the agent whose mail is posted, to the shard of its mailbox: a client like others, that shows nothing.
  std::shared_ptr<Link> connect_webhook(ShardNumber shard, std::function<void()> on_ready);
  /// Where the rules of webhooks stand.
  WebhookBoard& webhook_board();
  /// Whom operations about settings ask, and request_reload() calls (before run(); must outlive it).
  void set_settings(SettingsKeeper* settings);

  /// The port that was taken; the path of the Unix socket ("" if there is none).
  std::uint16_t port() const;
  const std::string& unix_socket() const;
  const RecoveryReport& recovered() const;

  /// Serves until request_stop(). Errors are fatal: the journal could not keep its promise.
  Result<void> run();
  /// Any thread, and signal handlers.
  void request_stop();
  /// SettingsKeeper::reload() is called soon. Any thread, and signal handlers.
  void request_reload();
  /// What may change while it runs becomes as in `options`, in every shard soon: each on its own thread. All else stays
  /// as it is. Requires: check_options().
  void change(const ServerOptions& options);
  /// Reads the certificate and key of TLS, for those who connect from here on. Errors: io_error, malformed,
  /// invalid_field: then those that were read before go on. On the first shard's thread, or before run().
  Result<void> read_certificates(const ServerOptions& options);

 private:
  Server();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace folkmoot
