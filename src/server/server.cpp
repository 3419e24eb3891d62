#include "server/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <thread>

#include "journal/folder_lock.hpp"
#include "server/audit_log.hpp"
#include "server/data_folder.hpp"
#include "server/listen.hpp"
#include "server/shard.hpp"
#include "server/shards.hpp"
#include "server/tls_door.hpp"
#include "server/webhook_board.hpp"

namespace folkmoot {

namespace {

// The folders of one shard, below which its files are.
struct Folders {
  std::unique_ptr<PosixDisk> journal;
  std::unique_ptr<PosixDisk> contents;
  std::unique_ptr<PosixDisk> streams;  // of the first, as streams are its

  // Those beside the journal's, which is open.
  Result<void> open_others(const ServerOptions& options) {
    auto folder = PosixDisk::open(shard_folder(options.data, options.engine.shard) + "/content");
    if (!folder) return std::unexpected(folder.error());
    contents = std::move(*folder);
    if (options.engine.shard == 0) {
      folder = PosixDisk::open(streams_folder(options.data));
      if (!folder) return std::unexpected(folder.error());
      streams = std::move(*folder);
    }
    return journal->sync_folder();
  }
};

template <class T>
Result<void> draw(T& chance) {
  if (::getrandom(&chance, sizeof chance, 0) == sizeof chance) return {};
  return failure(ErrorCode::io_error, "no random numbers from the system");
}

// Doors on other threads connect to one shard after the other: each link's frames find their way from there.
class TurningHub final : public Hub {
 public:
  TurningHub(const Shards& shards, const Readiness& readiness) : shards_(shards), readiness_(readiness) {}
  std::shared_ptr<Link> connect(DoorKind kind, std::size_t inbox_bytes_max, std::function<void()> on_ready) override {
    const auto shard = shards_.in_turn(next_.fetch_add(1, std::memory_order_relaxed));
    return shards_.reactors[shard.value]->postbox().connect(kind, inbox_bytes_max, std::move(on_ready));
  }
  bool is_ready() const override { return readiness_.is_ready(); }

 private:
  const Shards& shards_;
  const Readiness& readiness_;
  std::atomic<std::uint32_t> next_ = 0;
};

}  // namespace

struct Server::Parts {
  Parts(FolderLock folder_lock, const ServerOptions& options)
      : lock(std::move(folder_lock)),
        ring(options.shards),
        hub(ring, readiness),
        frame_room(options.partial_frames.total_bytes_max, options.frame_bytes_max),
        backup(options.shards, [this] {
          for (auto* const reactor : ring.reactors) reactor->postbox().wake();
        }) {}
  ~Parts() {
    if (tls_door) tls_door->stop();
    for (const auto& shard : shards) {
      if (shard.reactor) shard.reactor->end_links();
    }
  }

  FolderLock lock;
  std::unique_ptr<AuditLog> audit;  // ends after all who write to it
  Readiness readiness;
  Shards ring;
  TurningHub hub;
  FrameRoom frame_room;
  Backup backup;
  WebhookBoard webhooks;
  std::deque<Folders> folders;
  std::deque<Shard> shards;
  std::unique_ptr<Archive> archive;  // its threads end before the shards do
  RecoveryReport recovered;
  std::unique_ptr<TlsDoor> tls_door;
  std::uint16_t port = 0;
  std::string unix_socket;

  Reactor& first() { return *shards.front().reactor; }
  Result<void> open(const ServerOptions& options, std::vector<ContentRef>& contents);
  Result<void> open_history(const ServerOptions& options);
  void note(const char* what);
  void run(std::size_t number);
};

// In the audit log, if anybody is asked for anything.
void Server::Parts::note(const char* what) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  if (first().entrance().is_guarded()) audit->note({.at = now.count(), .what = what}, AuditLog::Kind::durable);
}

// The next shard.
Result<void> Server::Parts::open(const ServerOptions& options, std::vector<ContentRef>& contents) {
  const auto number = options.engine.shard;
  auto& its_folders = folders.emplace_back();
  auto& shard = shards.emplace_back();
  auto disk = PosixDisk::open(shard_folder(options.data, number));
  if (!disk) return std::unexpected(disk.error());
  its_folders.journal = std::move(*disk);
  const auto known = number == 0 ? check_shards(*its_folders.journal, options) : folders.front().journal->sync_folder();
  if (!known) return known;
  if (auto opened = its_folders.open_others(options); !opened) return opened;
  auto net = PosixNet::make();
  if (!net) return std::unexpected(net.error());
  ShardGround ground{.journal = *its_folders.journal,
                     .contents = *its_folders.contents,
                     .streams = its_folders.streams.get(),
                     .net = std::move(*net)};
  if (number != 0) ground.stream_interests = first().engine().streams().interests();
  if (auto drawn = draw(ground.seed); !drawn) return drawn;
  auto its_options = options;
  if (auto drawn = draw(its_options.engine.secret); !drawn) return drawn;
  const auto report = shard.open(its_options, std::move(ground), contents, frame_room, backup, readiness);
  if (!report) return std::unexpected(report.error());
  recovered.facts += report->facts;
  recovered.segments += report->segments;
  recovered.clean_stop = report->clean_stop && (number == 0 || recovered.clean_stop);
  ring.reactors[number.value] = shard.reactor.get();
  shard.reactor->webhooks().join(webhooks);
  return {};
}

// Once all shards have recovered.
Result<void> Server::Parts::open_history(const ServerOptions& options) {
  if (options.journal.sync != SyncPolicy::always) {
    return failure(ErrorCode::invalid_field, "a history needs `sync = \"always\"`: what it has read must not be lost",
                   "set one of the two otherwise");
  }
  if (options.history.store == HistoryOptions::Store::postgres && options.history.url.empty()) {
    return failure(
        ErrorCode::invalid_field, "history.store is \"postgres\", and no database is named",
        "set history.url, or DATABASE_URL in the environment: postgresql://USER:PASSWORD@HOST:5432/DATABASE");
  }
  HistoryPlace place{.file = options.data + "/" + std::string(kHistoryFile), .postgres = {}};
  if (options.history.store == HistoryOptions::Store::postgres) place.postgres = options.history.url;
  std::vector<Archive::Feed*> feeds;
  archive = Archive::make({.place = std::move(place),
                           .keep_ms = options.history.keep_ms,
                           .policy = options.history.policy,
                           .keys = options.journal.keys});
  for (std::size_t number = 0; number < shards.size(); ++number) {
    auto& journal = *shards[number].journal;
    const auto feed = archive->add(shard_folder(options.data, ShardNumber{static_cast<std::uint32_t>(number)}),
                                   journal.segment_bytes(), journal.begin(), journal.appended_end());
    if (!feed) return std::unexpected(feed.error());
    feeds.push_back(*feed);
  }
  if (auto started = archive->start(); !started) return started;
  for (std::size_t number = 0; number < shards.size(); ++number)
    shards[number].reactor->history().follow(*archive, *feeds[number]);
  return {};
}

// One shard, from its first turn to its last. If one fails all stop.
void Server::Parts::run(std::size_t number) {
  auto& shard = shards[number];
  shard.result = shard.reactor->run();
  if (shard.result) shard.result = shard.reactor->settle();
  if (!shard.result) {
    for (const auto& each : shards) each.reactor->request_stop();
  }
  ring.stopping.arrive_and_wait();
  if (shard.result) shard.reactor->take_answers();
  ring.stopping.arrive_and_wait();
  if (shard.result) shard.result = shard.reactor->farewell();
}

Server::Server() = default;
Server::~Server() {
  if (parts_ && !parts_->unix_socket.empty()) ::unlink(parts_->unix_socket.c_str());
}

namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kSoonDays = 14;

void say_how_long(std::int64_t valid_until) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  if (valid_until <= now)
    return spdlog::error("tls: the certificate has run out: clients refuse it; renew it, and send SIGHUP");
  const auto days = (valid_until - now) / kDayMs;
  if (days < kSoonDays) return spdlog::warn("tls: the certificate is good for {} days more; renew it", days);
  spdlog::info("tls: the certificate is good for {} days more", days);
}

Result<void> check_tls(const TlsOptions& tls) {
  if (!tls.is_on()) return {};
  if (tls.files.certificate.empty() || tls.files.key.empty())
    return failure(ErrorCode::invalid_field,
                   fmt::format("TLS needs {}", tls.files.certificate.empty() ? "tls.certificate" : "tls.key"),
                   "`folkmoot cert init` and `folkmoot cert issue` make both (docs/tls.md)");
  return {};
}

}  // namespace

Result<void> check_options(const ServerOptions& options, bool has_accounts) {
  if (auto good = check_tls(options.tls); !good) return good;
  if (!options.token.empty() || has_accounts || is_loopback(options.host)) return {};
  return failure(
      ErrorCode::not_permitted,
      fmt::format("{} can be reached from other machines, and no token is set and no account is there", options.host),
      "set FOLKMOOT_TOKEN (or `token` in the configuration file), make an account, or listen on 127.0.0.1");
}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options) {
  // A folder that is not there, or empty, has no accounts either: then nothing is put there.
  std::error_code unknown;
  if (std::filesystem::is_empty(options.data, unknown) || unknown) {
    if (auto good = check_options(options, false); !good) return std::unexpected(good.error());
  }
  if (auto free = check_strangers(options.data); !free) return std::unexpected(free.error());
  auto lock = FolderLock::take(options.data);
  if (!lock) return std::unexpected(lock.error());
  std::unique_ptr<Server> server(new Server);
  server->parts_ = std::make_unique<Parts>(std::move(*lock), options);
  auto& parts = *server->parts_;

  std::vector<ContentRef> contents;
  for (ShardNumber number = 0; number.value < options.shards; ++number) {
    auto its_options = options;
    its_options.engine.shard = number;
    its_options.engine.shards = options.shards;
    if (auto opened = parts.open(its_options, contents); !opened) return std::unexpected(opened.error());
  }
  if (options.shards > 1) {
    for (std::uint32_t number = 0; number < options.shards; ++number)
      parts.shards[number].reactor->join(parts.ring, ShardNumber{number});
    for (const auto& content : contents) parts.ring.tell_of_content(content);
    for (const auto& shard : parts.shards) shard.reactor->connect_shards();
  }

  if (options.history.store != HistoryOptions::Store::none) {
    if (auto opened = parts.open_history(options); !opened) return std::unexpected(opened.error());
  }

  auto audit = AuditLog::open(options.data);
  if (!audit) return std::unexpected(audit.error());
  parts.audit = std::move(*audit);
  for (const auto& shard : parts.shards) shard.reactor->entrance().audit().set_log(*parts.audit);
  auto& reactor = parts.first();
  if (auto good = check_options(options, !reactor.engine().accounts().policy().is_empty()); !good)
    return std::unexpected(good.error());
  reactor.entrance().put_up();
  auto door =
      TlsDoor::make(options.login, [&reactor](Arrival arrival) { reactor.postbox().post_secured(std::move(arrival)); });
  if (!door) return std::unexpected(door.error());
  parts.tls_door = std::move(*door);
  reactor.doors().tls = parts.tls_door.get();
  if (auto read = server->read_certificates(options); !read) return std::unexpected(read.error());
  auto tcp = listen_tcp(options.host, options.port);
  if (!tcp) return std::unexpected(tcp.error());
  parts.port = tcp->port;
  if (auto added = reactor.add_listener(tcp->socket, false); !added) return std::unexpected(added.error());
  if (options.unix_socket != "none") {
    const auto path = options.unix_socket.empty() ? options.data + "/folkmoot.sock" : options.unix_socket;
    auto local = listen_unix(path);
    if (!local) return std::unexpected(local.error());
    parts.unix_socket = path;
    if (auto added = reactor.add_listener(*local, true); !added) return std::unexpected(added.error());
  }
  return server;
}

bool Server::has_accounts() const { return !parts_->first().entrance().board().policy()->is_empty(); }
Hub& Server::hub() { return parts_->hub; }
std::shared_ptr<Link> Server::connect_shard(ShardNumber shard, std::function<void()> on_ready) {
  return parts_->ring.reactors[shard.value]->postbox().connect(DoorKind::shard, kLinkInboxBytesMax,
                                                               std::move(on_ready));
}
std::shared_ptr<Link> Server::connect_webhook(ShardNumber shard, std::function<void()> on_ready) {
  return parts_->ring.reactors[shard.value]->postbox().connect(DoorKind::webhook, kLinkInboxBytesMax,
                                                               std::move(on_ready));
}
WebhookBoard& Server::webhook_board() { return parts_->webhooks; }
void Server::set_http_door(Door* door) { parts_->first().doors().http = door; }
void Server::set_spans(SpanSink* spans) {
  for (const auto& shard : parts_->shards) shard.reactor->effects().set_spans(spans);
}
void Server::set_settings(SettingsKeeper* settings) { parts_->first().doors().settings = settings; }
std::uint16_t Server::port() const { return parts_->port; }
const std::string& Server::unix_socket() const { return parts_->unix_socket; }
const RecoveryReport& Server::recovered() const { return parts_->recovered; }

Result<void> Server::run() {
  auto& parts = *parts_;
  parts.readiness.set_running(true);
  parts.tls_door->start();
  parts.note("server.start");
  for (std::size_t number = 1; number < parts.shards.size(); ++number) {
    parts.shards[number].thread = std::thread([&parts, number] { parts.run(number); });
    pthread_setname_np(parts.shards[number].thread.native_handle(), fmt::format("shard-{}", number).c_str());
  }
  parts.run(0);
  parts.tls_door->stop();
  for (auto& shard : parts.shards) {
    if (shard.thread.joinable()) shard.thread.join();
  }
  if (parts.archive) parts.archive->stop();
  parts.note("server.stop");
  parts.audit->stop();
  Result<void> done;
  for (auto& shard : parts.shards) {
    shard.close();
    if (!shard.result && done) done = shard.result;
  }
  return done;
}

// Whoever has connected goes on with what he was shown.
Result<void> Server::read_certificates(const ServerOptions& options) {
  std::shared_ptr<const TlsContext> context;
  if (options.tls.is_on()) {
    auto made = TlsContext::server(options.tls.files);
    if (!made) return std::unexpected(within("tls", made.error()));
    context = std::move(*made);
    say_how_long(context->valid_until());
  }
  parts_->tls_door->change(options.login, std::move(context));
  return {};
}

void Server::request_stop() {
  parts_->readiness.set_running(false);
  for (const auto& shard : parts_->shards) shard.reactor->request_stop();
}

void Server::request_reload() { parts_->first().request_reload(); }

void Server::change(const ServerOptions& options) {
  parts_->frame_room.change(options.partial_frames.total_bytes_max);
  const auto shared = std::make_shared<const ServerOptions>(options);
  for (const auto& shard : parts_->shards) shard.reactor->postbox().post_options(shared);
  if (parts_->archive) parts_->archive->change(options.history.policy);
}

}  // namespace folkmoot
