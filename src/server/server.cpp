#include "server/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content/content_thread.hpp"
#include "journal/folder_lock.hpp"
#include "server/listen.hpp"
#include "server/native_door.hpp"
#include "server/reactor.hpp"

namespace folkmoot {

struct Server::Parts {
  explicit Parts(FolderLock folder_lock) : lock(std::move(folder_lock)) {}

  FolderLock lock;
  std::unique_ptr<PosixDisk> disk;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<JournalThread> journal_thread;
  std::unique_ptr<PosixDisk> content_disk;
  std::unique_ptr<ContentThread> content_thread;
  std::unique_ptr<NativeDoor> native_door;  // links speak to it until the reactor is gone
  std::unique_ptr<Reactor> reactor;
  RecoveryReport recovered;
  std::uint16_t port = 0;
  std::string unix_socket;

  Result<void> open_contents(const std::string& data, std::vector<ContentRef>& found);
};

namespace {

// Not a reason to refuse to start: all other messages are whole.
void report_missing(const Engine& engine) {
  engine.each_missing_content([](const ContentRef& ref, std::uint32_t references) {
    spdlog::error("content {} of {} bytes is missing, and {} messages refer to it: they are delivered, and their content cannot be "
                  "fetched. `folkmoot journal verify` lists all such; upload it again, or restore the folder `content` from a backup",
                  ref.hash.text(), ref.size, references);
  });
}

}  // namespace

Result<void> Server::Parts::open_contents(const std::string& data, std::vector<ContentRef>& found) {
  auto folder = PosixDisk::open(data + "/content");
  if (!folder) return std::unexpected(folder.error());
  content_disk = std::move(*folder);
  if (auto synced = disk->sync_folder(); !synced) return synced;
  auto store = ContentStore::open(*content_disk, [&](const ContentRef& ref) { found.push_back(ref); });
  if (!store) return std::unexpected(store.error());
  auto thread = ContentThread::start(std::move(*store));
  if (!thread) return std::unexpected(thread.error());
  content_thread = std::move(*thread);
  return {};
}

Server::Server() = default;
Server::~Server() {
  if (parts_ && parts_->native_door) parts_->native_door->stop(0);
  if (parts_ && !parts_->unix_socket.empty()) ::unlink(parts_->unix_socket.c_str());
}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options) {
  if (options.token.empty() && !is_loopback(options.host)) {
    return failure(ErrorCode::not_permitted,
                   fmt::format("{} can be reached from other machines, and no token is set: set FOLKMOOT_TOKEN (or `token` in the "
                               "configuration file), or listen on 127.0.0.1",
                               options.host));
  }
  auto lock = FolderLock::take(options.data);
  if (!lock) return std::unexpected(lock.error());
  std::unique_ptr<Server> server(new Server);
  server->parts_ = std::make_unique<Parts>(std::move(*lock));
  auto& parts = *server->parts_;

  auto disk = PosixDisk::open(options.data);
  if (!disk) return std::unexpected(disk.error());
  parts.disk = std::move(*disk);
  auto journal = Journal::open(*parts.disk, options.journal);
  if (!journal) return std::unexpected(journal.error());
  parts.journal = std::move(*journal);
  auto thread = JournalThread::start(*parts.journal);
  if (!thread) return std::unexpected(thread.error());
  parts.journal_thread = std::move(*thread);
  std::vector<ContentRef> contents;
  if (auto opened = parts.open_contents(options.data, contents); !opened) return std::unexpected(opened.error());
  parts.reactor = std::make_unique<Reactor>(options, *parts.journal, *parts.journal_thread, *parts.content_thread);

  auto& engine = parts.reactor->engine();
  auto recovered = parts.journal->recover(
      [&](FactKind kind, FactPlace place, Bytes body) { return engine.recover(kind, place, body); });
  if (!recovered) return std::unexpected(recovered.error());
  parts.recovered = *recovered;
  if (recovered->cut_bytes != 0) {
    spdlog::info("journal: {} bytes at the end of segment {} were not yet durable when the last run ended, and are cut",
                 recovered->cut_bytes, recovered->cut_segment);
  }
  for (const auto& content : contents) engine.content_stored(content);
  report_missing(engine);
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) return failure(ErrorCode::io_error, "no random numbers from the system");
  engine.start(parts.reactor->time(), seed, recovered->clean_stop);
  // A run hands nothing out before its number is durable. Waited for here, so that whoever asks first is not told that nothing
  // waits for it.
  if (auto synced = parts.reactor->sync_all(); !synced) return std::unexpected(synced.error());

  if (options.native_threads > 0) {
    auto door = NativeDoor::start(options.native_threads, *parts.reactor);
    if (!door) return std::unexpected(door.error());
    parts.native_door = std::move(*door);
    parts.reactor->set_native_door(parts.native_door.get());
  }
  auto tcp = listen_tcp(options.host, options.port);
  if (!tcp) return std::unexpected(tcp.error());
  parts.port = tcp->port;
  if (auto added = parts.reactor->add_listener(tcp->socket, false); !added) return std::unexpected(added.error());
  if (options.unix_socket != "none") {
    const auto path = options.unix_socket.empty() ? options.data + "/folkmoot.sock" : options.unix_socket;
    auto local = listen_unix(path);
    if (!local) return std::unexpected(local.error());
    parts.unix_socket = path;
    if (auto added = parts.reactor->add_listener(*local, true); !added) return std::unexpected(added.error());
  }
  return server;
}

Hub& Server::hub() { return *parts_->reactor; }
void Server::set_http_door(Door* door) { parts_->reactor->set_http_door(door); }
std::uint16_t Server::port() const { return parts_->port; }
const std::string& Server::unix_socket() const { return parts_->unix_socket; }
const RecoveryReport& Server::recovered() const { return parts_->recovered; }

Result<void> Server::run() {
  const auto done = parts_->reactor->run();
  if (parts_->native_door) parts_->native_door->stop(done ? parts_->reactor->options().drain_timeout_ms : 0);
  if (!done) return done;
  parts_->content_thread->stop();
  parts_->journal_thread->stop();
  return parts_->journal->close(parts_->reactor->engine().stopped_clean());
}

void Server::request_stop() { parts_->reactor->request_stop(); }

}  // namespace folkmoot
