#include "server/shard.hpp"

#include <spdlog/spdlog.h>

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
        "are. Is it the journal that they belong to? Bring that one back, or move `streams/{:010}.*` away",
        number.value, number.value);
  }
}

}  // namespace

Result<void> Shard::open_contents(const ShardGround& ground, std::vector<ContentRef>& found) {
  auto store = ContentStore::open(ground.contents, [&](const ContentRef& ref) { found.push_back(ref); });
  if (!store) return std::unexpected(store.error());
  auto made =
      ground.is_without_threads ? ContentThread::make(std::move(*store)) : ContentThread::start(std::move(*store));
  if (!made) return std::unexpected(made.error());
  content_thread = std::move(*made);
  return {};
}

Result<void> Shard::open_streams(const ShardGround& ground) {
  if (ground.streams == nullptr) return {};
  auto store = FileStreamStore::open(*ground.streams);
  if (!store) return std::unexpected(store.error());
  if ((*store)->cut_bytes() != 0) {
    spdlog::info("streams: {} bytes at the ends of files were not yet durable when the last run ended, and are cut",
                 (*store)->cut_bytes());
  }
  // Not a reason to refuse to start: all else can be read, and who reads there is told.
  for (const auto& problem : (*store)->problems()) spdlog::error("{}", problem.describe());
  auto made =
      ground.is_without_threads ? StreamThread::make(std::move(*store)) : StreamThread::start(std::move(*store));
  if (!made) return std::unexpected(made.error());
  stream_thread = std::move(*made);
  return {};
}

Result<RecoveryReport> Shard::open(const ServerOptions& options, ShardGround ground, std::vector<ContentRef>& contents,
                                   FrameRoom& frame_room, Backup& backup, Readiness& readiness) {
  auto opened = Journal::open(ground.journal, options.journal);
  if (!opened) return std::unexpected(opened.error());
  journal = std::move(*opened);
  auto made = ground.is_without_threads ? JournalThread::make(*journal) : JournalThread::start(*journal);
  if (!made) return std::unexpected(made.error());
  journal_thread = std::move(*made);
  if (auto done = open_contents(ground, contents); !done) return std::unexpected(done.error());
  if (auto done = open_streams(ground); !done) return std::unexpected(done.error());
  reactor = std::make_unique<Reactor>(options, *journal, *journal_thread, *content_thread, stream_thread.get(),
                                      frame_room, backup, readiness, std::move(ground.net), std::move(ground.clock));
  auto& engine = reactor->engine();
  auto recovered =
      journal->recover([&](FactKind kind, FactPlace place, Bytes body) { return engine.recover(kind, place, body); });
  if (!recovered) return recovered;
  if (recovered->cut_bytes != 0) {
    spdlog::info("journal: {} bytes at the end of segment {} were not yet durable when the last run ended, and are cut",
                 recovered->cut_bytes, recovered->cut_segment);
  }
  if (const auto key = options.journal.keys ? options.journal.keys->current() : std::nullopt)
    spdlog::info("journal: new segments are sealed with the key {}", key_name(*key));
  if (recovered->foreign_segments > 0) {
    spdlog::info("journal: {} segments are not sealed as new ones are; what matters of them is copied, and they go",
                 recovered->foreign_segments);
  }
  // Before anything is written: with that the journal lets segments go that hold no mail.
  if (options.history.store != HistoryOptions::Store::none) reactor->history().hold();
  for (const auto& content : contents) engine.contents().stored(content);
  engine.durable_subscriptions().feed_streams(ground.stream_interests);
  engine.start(Instant{reactor->time()}, ground.seed, recovered->clean_stop);
  report_missing(engine);
  report_strangers(engine);
  // A run hands nothing out before its number is durable. Waited for here, so that whoever asks first is not told
  // that nothing waits for it.
  if (auto synced = reactor->sync_all(); !synced) return std::unexpected(synced.error());
  if (stream_thread) stream_thread->submit();
  return recovered;
}

void Shard::close() {
  if (!result) return;
  content_thread->stop();
  if (stream_thread) result = stream_thread->stop();
  journal_thread->stop();
  if (result) result = journal->close(reactor->engine().stopped_clean());
}

}  // namespace folkmoot
