// folkmoot serve: runs a server until it is told to stop.
#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/journal_keys.hpp"
#include "cli/live_settings.hpp"
#include "cli/serve.hpp"
#include "cli/serve_arguments.hpp"
#include "cli/terminal.hpp"
#include "message/json_writer.hpp"
#include "server/server.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::chrono::milliseconds kKeysWait{5'000};  // at the start, for the keys of an issuer

std::atomic<Server*> running = nullptr;
std::atomic<bool> hung_up = false;  // SIGHUP came, perhaps before the server ran

void on_stop(int) {
  if (auto* const server = running.load()) server->request_stop();
}

void on_hangup(int) {
  hung_up = true;
  if (auto* const server = running.load(); server != nullptr && hung_up.exchange(false)) server->request_reload();
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  ::sigaction(signal, &action, nullptr);
}

// As many connections as the system lets us have; the default of 1024 would be met by a thousand agents.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int fail(const Error& error) {
  tell("folkmoot serve: {}", error.describe());
  return 1;
}

// How the port is spoken to, if it speaks TLS at all.
std::string_view tls_word(const TlsOptions& tls) {
  return !tls.is_on() ? "off" : tls.is_required() ? "required" : "optional";
}

std::string_view tls_words(const TlsOptions& tls) {
  if (!tls.is_on()) return {};
  if (!tls.is_required()) return "  with TLS (tls://) and without";
  return tls.plain == TlsOptions::Plain::unix_socket ? "  TLS alone (tls://)"
                                                     : "  TLS (tls://), plain from this machine alone";
}

void say_started(const ServerOptions& server, std::uint16_t port, bool has_accounts, bool json) {
  const bool needs_any = has_accounts || !server.token.empty();
  if (json) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("version", server.version).field("host", server.host).field("port", port);
    writer.field("data", server.data).field("token_needed", needs_any);
    writer.field("tls", tls_word(server.tls)).end_object();
    fmt::print("{}\n", out);
  } else {
    fmt::print("folkmoot {}  {}:{} (native, HTTP, WebSocket)  data {}{}{}\n", server.version, server.host, port,
               server.data,
               has_accounts ? "  key of an account needed"
               : needs_any  ? "  token needed"
                            : "  no credentials on loopback",
               tls_words(server.tls));
  }
  std::fflush(stdout);
}

// Buffers grow and shrink all the time: give large ones back to the system at once, and keep few arenas.
void give_memory_back() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

Result<std::unique_ptr<Server>> open_server(const ServerConfig& config) {
  auto options = config.server;
  auto keys = read_journal_keys({config.journal_key.file, config.journal_key.command});
  if (!keys) return std::unexpected(keys.error());
  // A core dump would have the key in it, and what is sealed with it.
  if (*keys) ::prctl(PR_SET_DUMPABLE, 0);
  options.journal.keys = std::move(*keys);
  return Server::open(options);
}

int serve(const ServeArguments& arguments, bool json) {
  const auto config = read_settings(arguments);
  if (!config) {
    fail(config.error());
    return 2;
  }
  handle(SIGHUP, on_hangup);
  const auto log = std::make_shared<LogSink>();
  if (auto opened = log->direct(config->log); !opened) return fail(opened.error());
  log_to(log);
  set_log_level(config->log.level);
  raise_file_limit();
  give_memory_back();

  auto server = open_server(*config);
  if (!server) return fail(server.error());
  Gateway gateway((*server)->hub(), gateway_options(*config));
  (*server)->set_http_door(&gateway);
  Webhooks webhooks(
      config->server.shards,
      [&server](ShardNumber shard, std::function<void()> on_ready) {
        return (*server)->connect_shard(shard, std::move(on_ready));
      },
      webhook_options(*config));
  Deliveries deliveries((*server)->webhook_board(),
                        [&server](ShardNumber shard, std::function<void()> on_ready) {
                          return (*server)->connect_webhook(shard, std::move(on_ready));
                        },
                        webhook_options(*config));
  TraceExporter traces(trace_options(*config, (*server)->port()));
  (*server)->set_spans(&traces);
  KeyFetcher fetcher;
  LiveSettings settings(
      *config, arguments.config_file, [&arguments] { return read_settings(arguments); }, **server, gateway, webhooks,
      deliveries, traces, fetcher, *log);
  (*server)->set_settings(&settings);
  gateway.start();
  webhooks.start();
  deliveries.start();
  traces.start();

  running = server->get();
  handle(SIGTERM, on_stop);
  handle(SIGINT, on_stop);
  ::signal(SIGPIPE, SIG_IGN);
  if (hung_up.exchange(false)) (*server)->request_reload();
  // Those who had got in by tokens before a restart come at once: better that they wait than that they are turned away.
  fetcher.change(config->jwt_source);
  fetcher.wait_for_first(kKeysWait);

  const auto& recovered = (*server)->recovered();
  say_started(config->server, (*server)->port(), (*server)->has_accounts(), json);
  if (recovered.facts > 0) {
    spdlog::info("recovered {} facts from {} segments{}", recovered.facts, recovered.segments,
                 recovered.clean_stop ? "" : "; no orderly stop at their end, as after a crash or of a backup");
  }
  const auto done = (*server)->run();
  running = nullptr;
  fetcher.stop();
  deliveries.stop();
  webhooks.stop();
  gateway.stop();
  traces.stop();
  if (!done) {
    spdlog::critical("stopped: {}", done.error().describe());
    return 1;
  }
  spdlog::info("stopped");
  return 0;
}

}  // namespace

void add_serve(App& app) {
  auto* const command = app.add_subcommand("serve", "Run a server");
  auto arguments = std::make_shared<ServeArguments>();
  auto json = std::make_shared<bool>(false);
  add_serve_arguments(*command, *arguments);
  command->add_flag("--json", *json, "Say in JSON that it listens, and where; the log stays as it is");
  command->footer(
      "Settings (in the file as they stand; in the environment as FOLKMOOT_MAILBOX_MAX_MESSAGES; with their "
      "defaults; all but those with (restart) may change while the server runs: SIGHUP reads the file again):\n" +
      config_help() +
      "\nExample:\n  folkmoot serve --data /var/lib/folkmoot --listen 127.0.0.1:7470 --set "
      "mailbox.max_messages=10000\n");
  command->callback([arguments, json] {
    if (const int status = serve(*arguments, *json); status != 0) throw Exit{status};
  });
}

}  // namespace folkmoot::cli
