#include "server/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <thread>

#include "content/content_thread.hpp"
#include "journal/folder_lock.hpp"
#include "server/data_folder.hpp"
#include "server/listen.hpp"
#include "server/reactor.hpp"
#include "server/shards.hpp"
#include "stream/stream_thread.hpp"

namespace folkmoot {

namespace {

// Not a reason to refuse to start: all other messages are whole.
void report_missing(const Engine& engine) {
  engine.contents().each_missing([](const ContentRef& ref, std::uint32_t references) {
    spdlog::error(
        "content {} of {} bytes is missing, and {} messages refer to it: they are delivered, and their content cannot "
        "be fetched. `folkmoot journal verify` lists all such; upload it again, or restore the folder `content` from "
        "a backup",
        ref.hash.text(), ref.size, references);
  });
}

void report_strangers(Engine& engine) {
  for (const auto number : engine.streams().strangers()) {
    spdlog::warn(
        "streams: there are files of stream number {}, of which the journal has never heard; they are left as they "
        "are. "
        "Is it the journal that they belong to? Bring that one back, or move `streams/{:010}.*` away",
        number.value, number.value);
  }
}

// One engine, with what it stands on.
struct Shard {
  std::unique_ptr<PosixDisk> disk;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<JournalThread> journal_thread;
  std::unique_ptr<PosixDisk> content_disk;
  std::unique_ptr<ContentThread> content_thread;
  std::unique_ptr<PosixDisk> stream_disk;  // of the first, as is the next: streams are its
  std::unique_ptr<StreamThread> stream_thread;
  std::unique_ptr<Reactor> reactor;
  std::thread thread;  // of all but the first, which is the one that calls Server::run()
  Result<void> result;

  Result<void> open_contents(const std::string& data, std::vector<ContentRef>& found) {
    auto folder = PosixDisk::open(data + "/content");
    if (!folder) return std::unexpected(folder.error());
    content_disk = std::move(*folder);
    if (auto synced = disk->sync_folder(); !synced) return synced;
    auto store = ContentStore::open(*content_disk, [&](const ContentRef& ref) { found.push_back(ref); });
    if (!store) return std::unexpected(store.error());
    auto started = ContentThread::start(std::move(*store));
    if (!started) return std::unexpected(started.error());
    content_thread = std::move(*started);
    return {};
  }

  Result<void> open_streams(const std::string& data) {
    auto folder = PosixDisk::open(streams_folder(data));
    if (!folder) return std::unexpected(folder.error());
    stream_disk = std::move(*folder);
    if (auto synced = disk->sync_folder(); !synced) return synced;
    auto store = FileStreamStore::open(*stream_disk);
    if (!store) return std::unexpected(store.error());
    if ((*store)->cut_bytes() != 0) {
      spdlog::info("streams: {} bytes at the ends of files were not yet durable when the last run ended, and are cut",
                   (*store)->cut_bytes());
    }
    // Not a reason to refuse to start: all else can be read, and who reads there is told.
    for (const auto& problem : (*store)->problems()) spdlog::error("{}", problem.describe());
    auto started = StreamThread::start(std::move(*store));
    if (!started) return std::unexpected(started.error());
    stream_thread = std::move(*started);
    return {};
  }

  /// `contents`: what the first shard stores; it adds to them, the others know them.
  Result<RecoveryReport> open(const ServerOptions& options, std::vector<ContentRef>& contents, FrameRoom& frame_room,
                              Backup& backup, Readiness& readiness) {
    auto opened = Journal::open(*disk, options.journal);
    if (!opened) return std::unexpected(opened.error());
    journal = std::move(*opened);
    auto started = JournalThread::start(*journal);
    if (!started) return std::unexpected(started.error());
    journal_thread = std::move(*started);
    if (auto done = open_contents(shard_folder(options.data, options.engine.shard), contents); !done)
      return std::unexpected(done.error());
    if (options.engine.shard == 0) {
      if (auto done = open_streams(options.data); !done) return std::unexpected(done.error());
    }
    auto net = PosixNet::make();
    if (!net) return std::unexpected(net.error());
    reactor = std::make_unique<Reactor>(options, *journal, *journal_thread, *content_thread, stream_thread.get(),
                                        frame_room, backup, readiness, std::move(*net));
    auto& engine = reactor->engine();
    auto recovered =
        journal->recover([&](FactKind kind, FactPlace place, Bytes body) { return engine.recover(kind, place, body); });
    if (!recovered) return recovered;
    if (recovered->cut_bytes != 0) {
      spdlog::info(
          "journal: {} bytes at the end of segment {} were not yet durable when the last run ended, and are cut",
          recovered->cut_bytes, recovered->cut_segment);
    }
    for (const auto& content : contents) engine.contents().stored(content);
    report_missing(engine);
    std::uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, 0) != sizeof seed)
      return failure(ErrorCode::io_error, "no random numbers from the system");
    engine.start(Instant{reactor->time()}, seed, recovered->clean_stop);
    report_strangers(engine);
    // A run hands nothing out before its number is durable. Waited for here, so that whoever asks first is not told
    // that nothing waits for it.
    if (auto synced = reactor->sync_all(); !synced) return std::unexpected(synced.error());
    if (stream_thread) stream_thread->submit();
    return recovered;
  }
};

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
          for (auto* const reactor : ring.reactors) reactor->wake();
        }) {}
  ~Parts() {
    for (const auto& shard : shards) {
      if (shard.reactor) shard.reactor->end_links();
    }
  }

  FolderLock lock;
  Readiness readiness;
  Shards ring;
  TurningHub hub;
  FrameRoom frame_room;
  Backup backup;
  std::deque<Shard> shards;
  RecoveryReport recovered;
  std::uint16_t port = 0;
  std::string unix_socket;

  Reactor& first() { return *shards.front().reactor; }
  void run(std::size_t number);
};

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

Result<void> check_options(const ServerOptions& options) {
  if (!options.token.empty() || is_loopback(options.host)) return {};
  return failure(ErrorCode::not_permitted,
                 fmt::format("{} can be reached from other machines, and no token is set", options.host),
                 "set FOLKMOOT_TOKEN (or `token` in the configuration file), or listen on 127.0.0.1");
}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options) {
  if (auto good = check_options(options); !good) return std::unexpected(good.error());
  if (auto free = check_strangers(options.data); !free) return std::unexpected(free.error());
  auto lock = FolderLock::take(options.data);
  if (!lock) return std::unexpected(lock.error());
  std::unique_ptr<Server> server(new Server);
  server->parts_ = std::make_unique<Parts>(std::move(*lock), options);
  auto& parts = *server->parts_;

  std::vector<ContentRef> contents;
  for (std::uint32_t number = 0; number < options.shards; ++number) {
    auto& shard = parts.shards.emplace_back();
    auto disk = PosixDisk::open(shard_folder(options.data, ShardNumber{number}));
    if (!disk) return std::unexpected(disk.error());
    shard.disk = std::move(*disk);
    if (number == 0) {
      if (auto same = check_shards(*shard.disk, options); !same) return std::unexpected(same.error());
    } else if (auto synced = parts.shards.front().disk->sync_folder(); !synced) {
      return std::unexpected(synced.error());
    }
    auto its_options = options;
    its_options.engine.shard = ShardNumber{number};
    its_options.engine.shards = options.shards;
    auto& secret = its_options.engine.secret;
    if (::getrandom(secret.data(), sizeof secret, 0) != sizeof secret)
      return failure(ErrorCode::io_error, "no random numbers from the system");
    const auto recovered = shard.open(its_options, contents, parts.frame_room, parts.backup, parts.readiness);
    if (!recovered) return std::unexpected(recovered.error());
    parts.recovered.facts += recovered->facts;
    parts.recovered.segments += recovered->segments;
    parts.recovered.clean_stop = recovered->clean_stop && (number == 0 || parts.recovered.clean_stop);
    parts.ring.reactors[number] = shard.reactor.get();
  }
  if (options.shards > 1) {
    for (std::uint32_t number = 0; number < options.shards; ++number)
      parts.shards[number].reactor->join(parts.ring, ShardNumber{number});
    for (const auto& content : contents) parts.ring.tell_of_content(content);
    for (const auto& shard : parts.shards) shard.reactor->connect_shards();
  }

  auto& reactor = parts.first();
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

Hub& Server::hub() { return parts_->hub; }
std::shared_ptr<Link> Server::connect_shard(ShardNumber shard, std::function<void()> on_ready) {
  return parts_->ring.reactors[shard.value]->postbox().connect(DoorKind::shard, kLinkInboxBytesMax,
                                                               std::move(on_ready));
}
void Server::set_http_door(Door* door) { parts_->first().set_http_door(door); }
void Server::set_settings(SettingsKeeper* settings) { parts_->first().set_settings(settings); }
std::uint16_t Server::port() const { return parts_->port; }
const std::string& Server::unix_socket() const { return parts_->unix_socket; }
const RecoveryReport& Server::recovered() const { return parts_->recovered; }

Result<void> Server::run() {
  auto& parts = *parts_;
  parts.readiness.set_running(true);
  for (std::size_t number = 1; number < parts.shards.size(); ++number) {
    parts.shards[number].thread = std::thread([&parts, number] { parts.run(number); });
    pthread_setname_np(parts.shards[number].thread.native_handle(), fmt::format("shard-{}", number).c_str());
  }
  parts.run(0);
  for (auto& shard : parts.shards) {
    if (shard.thread.joinable()) shard.thread.join();
  }
  Result<void> done;
  for (auto& shard : parts.shards) {
    if (shard.result) {
      shard.content_thread->stop();
      if (shard.stream_thread) shard.result = shard.stream_thread->stop();
      shard.journal_thread->stop();
      if (shard.result) shard.result = shard.journal->close(shard.reactor->engine().stopped_clean());
    }
    if (!shard.result && done) done = shard.result;
  }
  return done;
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
}

}  // namespace folkmoot
