// The loop, its beginning and its end.
#include "server/reactor.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "server/disk_room.hpp"
#include "server/operations/call.hpp"
#include "server/shard_router.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
// What is read and written stays in the core's cache, however many publish.
constexpr std::size_t kFlushBytes = 256 * 1024;
constexpr std::int64_t kPoolIdleMs = 100;
constexpr std::int64_t kDiskRetryMs = 1'000;
constexpr std::int64_t kClockOffMs = 1'000;  // a jump of the wall clock that is worth a word
constexpr std::int64_t kWaitMsMax = 60'000;
constexpr std::size_t kCompactionStepBytes = 256 * 1024;
constexpr std::size_t kRoomBytes = 4096;  // of a journal that has room
constexpr std::uint64_t kTokenShift = 62;

void answer_late(Reactor& reactor, const LateAnswer& to, const void* answer) {
  const auto done = Call::write(reactor, to, answer);
  if (!done) reactor.effects().refuse(to.session, to.request, done.error());
}

}  // namespace

Reactor::Reactor(const ServerOptions& options, Journal& journal, JournalThread& journal_thread,
                 ContentThread& content_thread, StreamThread* streams, FrameRoom& frame_room, Backup& backup,
                 Readiness& readiness, std::unique_ptr<Net> net, Clock clock)
    : options_(options),
      journal_(journal),
      journal_thread_(journal_thread),
      streams_(streams),
      readiness_(readiness),
      clock_(std::move(clock)),
      net_(std::move(net)),
      sockets_(*net_),
      outbox_(options_, connections_, deadlines_, sockets_, now_),
      effects_(connections_, outbox_, contents_, backup),
      engine_(options.engine, journal, effects_, streams == nullptr ? nullptr : &streams->store()),
      contents_(options_, engine_, effects_, content_thread,
                {.unsent =
                     [this](SessionId id) {
                       const auto* const connection = find(id);
                       return connection == nullptr ? 0 : connection->unsent();
                     },
                 .on_known =
                     [this](const ContentRef& ref) {
                       if (shards_ != nullptr) shards_->tell_of_content(ref);
                     },
                 .go_on = [this](SessionId id) { go_on(id); },
                 .on_piece = [this](ContentDone& done) { backup_reader_.on_read(done); }}),
      backup_part_(backup, journal, streams == nullptr ? nullptr : &streams->store(), options.engine.shard,
                   options.backup_growth_max),
      backup_reader_(
          options_, engine_, backup, content_thread, streams == nullptr ? nullptr : &streams->store(),
          {.answer = [this](const LateAnswer& to, const void* answer) { answer_late(*this, to, answer); },
           .refuse = [this](const LateAnswer& to, const Error& why) { effects_.refuse(to.session, to.request, why); }}),
      history_part_(journal, options.history.behind_bytes_max),
      webhook_part_(engine_.webhooks(), options.engine.shard),
      agent_watches_(
          engine_.registry(),
          {.answer = [this](const LateAnswer& to, const void* answer) { answer_late(*this, to, answer); },
           .refuse = [this](const LateAnswer& to, const Error& why) { effects_.refuse(to.session, to.request, why); }}),
      alerts_(options_.alerts, engine_, options.engine.shard,
              {.takes_durable = [this] { return takes_durable(); },
               .history = [this] { return history_part_.counts(); },
               .disk = [this] { return disk_of(options_.data); }}),
      entrance_(options_, engine_.accounts(), connections_, now_,
                {.say_goodbye = [this](Connection& connection, const Error& why) { say_goodbye(connection, why); },
                 .refuse = [this](SessionId id, RequestNumber request,
                                  const Error& why) { effects_.refuse(id, request, why); },
                 .address_of =
                     [this](const Connection& connection) {
                       return connection.link ? connection.link->origin.address : net_->peer(connection.socket);
                     }}),
      postbox_(*net_),
      listeners_(*net_),
      newcomers_(options_.login),
      partial_frames_(options_, frame_room, postbox_, *net_),
      presence_(engine_.registry()),
      read_memory_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes)),
      read_buffer_(read_memory_.get(), kReadBytes) {
  net_->watch(journal_thread_.event_fd(), token(Wake::journal, 0), Net::kReadable);
  net_->watch(content_thread.event_fd(), token(Wake::files, kContentFiles), Net::kReadable);
  if (streams_ != nullptr) net_->watch(streams_->event_fd(), token(Wake::files, kStreamFiles), Net::kReadable);
  started_at_ = clock_.now();
  engine_.tracing().turn(options_.traces);
}

Reactor::~Reactor() {
  end_links();
  connections_.each([this](Connection& connection) {
    if (connection.socket >= 0) net_->close(connection.socket);
  });
  const auto mail = postbox_.take();
  for (const auto& arrival : mail.arrivals) net_->close(arrival.socket);
  for (const auto& arrival : mail.secured) net_->close(arrival.socket);
  listeners_.close();
}

void Reactor::end_links() {
  connections_.each([](Connection& connection) {
    if (connection.link) connection.link->end_by_reactor();
  });
  // Without the postbox's lock: the link to this very shard takes it.
  for (const auto& link : postbox_.close()) link->end_by_reactor();
}

void Reactor::join(Shards& shards, ShardNumber own) {
  shards_ = &shards;
  router_ = std::make_unique<ShardRouter>(*this, shards, own);
  entrance_.join(shards);
  effects_.join(shards, *router_);
  presence_.join(shards, own);
  alerts_.join(shards.alerts(), [&shards](std::string_view agent) { return shards.of(agent); });
}

void Reactor::connect_shards() {
  router_->shard_links().start();
  router_->tell_of_streams();
}

std::uint64_t Reactor::token(Wake kind, std::uint64_t value) {
  return static_cast<std::uint64_t>(kind) << kTokenShift | value;
}

Result<void> Reactor::add_listener(int socket, bool is_unix) {
  listeners_.add({socket, is_unix, token(Wake::listener, listeners_.size())});
  return {};
}

void Reactor::request_stop() {
  stop_requested_.store(true, std::memory_order_release);
  net_->wake();
}

void Reactor::request_reload() {
  reload_requested_.store(true, std::memory_order_release);
  net_->wake();
}

// What is looked at each time anew is as the new ones say from here on; the others are told. What the data folder, the
// sockets and the threads were made by stays.
void Reactor::change(const ServerOptions& options) {
  auto next = options;
  next.shards = options_.shards;
  next.version = options_.version;
  next.data = options_.data;
  next.host = options_.host;
  next.port = options_.port;
  next.engine.shard = options_.engine.shard;
  next.engine.shards = options_.engine.shards;
  next.engine.secret = options_.engine.secret;
  options_ = std::move(next);
  engine_.change(options_.engine);
  engine_.tracing().turn(options_.traces);
  journal_.change(options_.journal);
  partial_frames_.change(options_);
  backup_part_.change(options_.backup_growth_max);
}

std::int64_t Reactor::wait_ms() {
  if (engine_.wants_dispatch() || shard_links_go_on_ || outbox_.has_overrun() || sockets_.has_heard_again()) return 0;
  if (entrance_.is_due()) return 0;
  auto next = engine_.next_timer().ms;
  const auto sooner = [&](std::int64_t at) { next = next < 0 ? at : std::min(next, at); };
  if (deadlines_.next() >= 0) sooner(deadlines_.next());
  if (contents_.next_expiry() >= 0) sooner(contents_.next_expiry());
  if (journal_.compaction_due()) sooner(now_ + 1);
  if (lacks_room_) sooner(std::max(now_ + 1, next_disk_retry_));
  if (router_ && router_->shard_links().waits_for_room()) sooner(now_ + kDiskRetryMs);
  if (options_.engine.shard == 0 && backup_reader_.next_look() >= 0) sooner(backup_reader_.next_look());
  if (agent_watches_.next() >= 0) sooner(agent_watches_.next());
  if (alerts_.next() >= 0) sooner(alerts_.next());
  if (entrance_.next() != 0) sooner(entrance_.next());
  if (outbox_.has_spare()) sooner(now_ + kPoolIdleMs);
  if (next < 0) return -1;
  return std::clamp<std::int64_t>(next - now_, 0, kWaitMsMax);
}

// Says when the wall clock has jumped away, and when this server's is with it again.
void Reactor::look_at_clock() {
  const auto off = std::abs(clock_.ahead());
  if (said_clock_off_ ? off > kClockOffMs / 10 : off < kClockOffMs) return;
  said_clock_off_ = !said_clock_off_;
  if (router_ && router_->own() != 0) return;  // the others' are where the first one's is
  if (!said_clock_off_) return spdlog::info("the server's time is the wall clock's again");
  spdlog::warn(
      "the wall clock has jumped {} by {} ms: the server's time goes over to it by 1 s in {} s; until then times of "
      "the "
      "day come {}; a restart takes the new time at once",
      clock_.ahead() > 0 ? "back" : "forward", off, Clock::kSlew, clock_.ahead() > 0 ? "early" : "late");
}

Result<void> Reactor::run() {
  std::int64_t rest_ms = 0;
  while (!stop_requested_.load(std::memory_order_acquire)) {
    const auto done = turn(net_->wait(rest_ms));
    if (!done) return std::unexpected(done.error());
    rest_ms = *done;
  }
  return {};
}

Result<std::int64_t> Reactor::turn(std::span<const Net::Event> events) {
  const auto before = std::exchange(now_, clock_.now());
  if (events.empty() && now_ - before >= kPoolIdleMs) outbox_.trim();
  look_at_clock();
  entrance_.notice();
  if (router_) router_->look_at_streams();
  engine_.advance(Instant{now_});
  for (const auto& event : events) {
    if (auto done = on_event(event); !done) return std::unexpected(done.error());
  }
  take_posted();
  if (sockets_.has_heard_again()) [[unlikely]] {
    for (const auto id : sockets_.take_heard_again()) on_socket(id, Net::kReadable);
  }
  if (reload_requested_.load(std::memory_order_relaxed)) [[unlikely]] {
    reload_requested_.store(false, std::memory_order_relaxed);
    if (doors_.settings != nullptr) (void)doors_.settings->reload();  // it says itself what came of it
  }
  if (std::exchange(shard_links_go_on_, false)) router_->shard_links().go_on();
  on_deadlines();
  contents_.expire(now_);
  if (auto done = compact(); !done) return std::unexpected(done.error());
  if (router_) router_->shard_links().look_for_misplaced();
  alerts_.look(now_);
  engine_.dispatch();
  if (router_) router_->tell_of_streams();
  entrance_.look();
  if (options_.engine.shard == 0) agent_watches_.look(now_);
  see_to_backup();
  history_part_.turn();
  webhook_part_.turn();
  if (auto done = submit(); !done) return std::unexpected(done.error());
  if (streams_ != nullptr) streams_->submit();
  look_at_room();
  if (router_) router_->flush();
  flush_dirty();
  entrance_.tell();
  now_ = clock_.now();
  return postbox_.falls_asleep() ? wait_ms() : 0;
}

Result<void> Reactor::on_event(const Net::Event& event) {
  const auto value = event.token & ((std::uint64_t{1} << kTokenShift) - 1);
  switch (static_cast<Wake>(event.token >> kTokenShift)) {
    case Wake::journal:
      return on_journal();
    case Wake::files:
      if (value == kStreamFiles) return on_streams();
      contents_.on_done();
      break;
    case Wake::listener:
      accept_all(value);
      break;
    case Wake::connection:
      on_socket(SessionId{value}, event.what);
      break;
  }
  return {};
}

void Reactor::on_socket(SessionId id, std::uint32_t what) {
  auto* const connection = find(id);
  if (connection == nullptr) return;
  connection->is_heard_again = false;
  if (what & Net::kWritable) flush(*connection);
  if (find(id) != connection || !(what & ~Net::kWritable)) return;
  if (connection->is_read()) {
    on_readable(*connection);
    if (connection == find(id) && connection->tls) [[unlikely]] {
      if (connection->tls->has_unsent()) outbox_.list_dirty(*connection);
      sockets_.hear_again(*connection);
    }
    if (outbox_.unsent_bytes() >= kFlushBytes) flush_dirty();
  } else if (what & Net::kBroken) {  // reported whether asked for or not: it would wake us for ever
    close_connection(*connection);
  }
}

Result<void> Reactor::compact() {
  if (!journal_.compaction_due()) return {};
  const auto keep = [this](FactKind kind, FactPlace place, Bytes body) { return engine_.keep(kind, place, body); };
  // As much again as was appended since the last turn, so that it keeps up whatever comes.
  const auto appended = journal_.appended_end() - std::exchange(compacted_at_, journal_.appended_end());
  const auto budget = std::clamp<std::uint64_t>(2 * appended, kCompactionStepBytes, 16 * kCompactionStepBytes);
  return journal_.compact_step(budget, keep);
}

void Reactor::see_to_backup() {
  if (!backup_part_.is_concerned() && !backup_reader_.is_concerned()) return;
  backup_part_.turn(router_ ? &router_->shard_links() : nullptr);
  if (options_.engine.shard == 0) backup_reader_.look(now_);
}

// What was appended goes to the journal thread, unless it is still syncing.
Result<void> Reactor::submit() {
  if (now_ < next_disk_retry_ && journal_.staged_bytes() == 0) return {};
  next_disk_retry_ = now_ + kDiskRetryMs;
  if (journal_thread_.submit(now_)) return {};
  // A journal that has failed (making room, say) takes nothing, and nothing would come back to tell of it.
  const auto end = journal_thread_.collect();
  return end ? Result<void>{} : std::unexpected(end.error());
}

Result<void> Reactor::on_journal() {
  const auto end = journal_thread_.collect();
  if (!end) return std::unexpected(end.error());
  if (router_) router_->look_at_streams();
  engine_.on_durable(*end);
  if (!outbox_.has_congested() && !paused_.empty() && journal_.staged_bytes() < options_.staged_bytes_max / 2)
    resume_readers();
  return {};
}

Result<void> Reactor::on_streams() {
  const auto news = streams_->collect();
  if (!news) return std::unexpected(news.error());
  for (const auto& [stream, end] : news->stored) engine_.on_stored(stream, end);
  for (const auto& [ticket, chunk] : news->chunks) engine_.on_read(ticket, chunk);
  return {};
}

void Reactor::look_at_room() {
  if (lacks_room_ == !takes_durable()) return;
  lacks_room_ = !lacks_room_;
  lacks_room_ ? readiness_.lose_room(journal_.refusal()) : readiness_.regain_room();
}

bool Reactor::has_room_to_settle() const { return journal_.has_room(FactLog::Urgency::settling, kRoomBytes); }

Result<void> Reactor::sync_all() {
  while (journal_.durable_end() < journal_.appended_end()) {
    journal_thread_.submit(now_);
    const int written = journal_thread_.event_fd();
    if (!net_->wait_for({&written, 1}, Net::kReadable, 10'000))
      return failure(ErrorCode::io_error, "the disk did not finish a write in 10 s");
    const auto end = journal_thread_.collect();
    if (!end) return std::unexpected(end.error());
    engine_.on_durable(*end);
    if (!journal_.has_room(FactLog::Urgency::settling, kRoomBytes)) break;
  }
  return {};
}

Result<void> Reactor::settle() {
  listeners_.close();
  postbox_.refuse_links();
  engine_.end_redrives();
  if (auto done = sync_all(); !done) return done;
  flush_dirty();
  return {};
}

void Reactor::take_answers() {
  if (!router_) return;
  connections_.each([this](Connection& connection) {
    if (connection.remote_sessions) router_->take_all(connection);
  });
}

Result<void> Reactor::farewell() {
  engine_.stop();
  if (auto done = sync_all(); !done) return done;

  connections_.each([this](Connection& connection) {
    if (connection.state == Connection::State::ending) return;
    if (connection.state == Connection::State::fresh) {
      connection.state = Connection::State::ending;
    } else {
      say_goodbye(connection, {ErrorCode::shutting_down, "the server is stopping"});
    }
  });
  const auto give_up = clock_.now() + options_.drain_timeout_ms;
  for (;;) {
    connections_.each([this](Connection& connection) {
      if (connection.has_unsent()) flush(connection);
    });
    std::vector<int> unsent;
    connections_.each([&](const Connection& connection) {
      if (connection.socket >= 0 && connection.has_unsent()) unsent.push_back(connection.socket);
    });
    const auto left = give_up - clock_.now();
    if (unsent.empty() || left <= 0) break;
    net_->wait_for(unsent, Net::kWritable, std::min<std::int64_t>(left, 100));
  }
  return {};
}

}  // namespace folkmoot
