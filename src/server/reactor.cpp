// The loop and what it does between reading and writing.
#include "server/reactor.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "message/pack.hpp"
#include "server/switch.hpp"

namespace folkmoot {
namespace {

// Connections never get the last descriptors: a journal that cannot make its next segment refuses what is durable.
int sockets_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  const auto files = std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max());
  return static_cast<int>(files - std::min<rlim_t>(64, files / 8));
}

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kFlushBytes =
    256 * 1024;  // what is read and written stays in the core's cache, however many publish
constexpr std::int64_t kPoolIdleMs = 100;
constexpr std::int64_t kEndingMs = 2'000;  // for a peer to take its GOODBYE
constexpr std::int64_t kDiskRetryMs = 1'000;
constexpr std::int64_t kAcceptRetryMs = 100;
constexpr std::int64_t kClockOffMs = 1'000;  // a jump of the wall clock that is worth a word
constexpr std::int64_t kFilesWarningMs = 60'000;
constexpr std::size_t kCompactionStepBytes = 256 * 1024;
constexpr std::uint64_t kWakeShift = 62;
constexpr std::uint32_t kSerialMax = (1u << 30) - 1;

}  // namespace

Reactor::Reactor(const ServerOptions& options, Journal& journal, JournalThread& journal_thread,
                 ContentThread& content_thread)
    : options_(options),
      journal_(journal),
      journal_thread_(journal_thread),
      engine_(options.engine, journal, *this),
      contents_(
          options_, engine_, *this, content_thread, [this](SessionId id) { return unsent(id); },
          [this](const ContentRef& ref) { tell_of_content(ref); }),
      read_memory_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes)),
      read_buffer_(read_memory_.get(), kReadBytes) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  links_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  FOLKMOOT_ASSERT(epoll_ >= 0 && links_event_ >= 0);
  watch(journal_thread_.event_fd(), Wake::disk, 0, EPOLLIN);
  watch(content_thread.event_fd(), Wake::disk, 1, EPOLLIN);
  watch(links_event_, Wake::links, 0, EPOLLIN | EPOLLET);  // each write wakes once; nobody reads it
  started_at_ = clock_.now();
  sockets_max_ = sockets_max();
}

Reactor::~Reactor() {
  end_links();
  for (const auto& connection : connections_) {
    if (connection && connection->socket >= 0) ::close(connection->socket);
  }
  for (const auto& arrival : posted_.arrivals) ::close(arrival.socket);
  for (const auto& listener : listeners_) {
    if (listener.socket >= 0) ::close(listener.socket);
  }
  ::close(links_event_);
  ::close(epoll_);
}

void Reactor::end_links() {
  for (const auto& connection : connections_) {
    if (connection && connection->link) connection->link->end_by_reactor();
  }
  std::vector<std::shared_ptr<Link>> unseen;
  {
    const std::lock_guard guard(links_lock_);
    links_closed_ = true;
    unseen.swap(links_waiting_);
  }
  for (const auto& link : unseen) link->end_by_reactor();  // without the lock: a trunk to this shard takes it
}

void Reactor::join(Shards& shards, std::uint32_t own) {
  shards_ = &shards;
  switch_ = std::make_unique<Switch>(*this, shards, own);
}

void Reactor::connect_trunks() { switch_->trunks().start(); }

void Reactor::watch(int socket, Wake kind, std::uint64_t value, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = (static_cast<std::uint64_t>(kind) - 1) << kWakeShift | value;
  FOLKMOOT_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0);
}

Result<void> Reactor::add_listener(int socket, bool is_unix) {
  listeners_.push_back({socket, is_unix});
  watch(socket, Wake::listener, listeners_.size() - 1, EPOLLIN);
  return {};
}

void Reactor::request_stop() {
  stop_requested_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(links_event_, &one, sizeof one);
}

int Reactor::wait_ms() {
  if (engine_.wants_dispatch() || trunks_go_on_ || !overrun_.empty()) return 0;
  auto next = engine_.next_timer();
  const auto sooner = [&](std::int64_t at) { next = next < 0 ? at : std::min(next, at); };
  if (!deadlines_.empty()) sooner(deadlines_.top().at);
  if (contents_.next_expiry() >= 0) sooner(contents_.next_expiry());
  if (journal_.compaction_due()) sooner(now_ + 1);
  if (!journal_.has_room(FactLog::Urgency::durable, 4096)) sooner(std::max(now_ + 1, next_disk_retry_));
  if (switch_ && switch_->trunks().waits_for_room()) sooner(now_ + kDiskRetryMs);
  if (!pool_.empty()) sooner(now_ + kPoolIdleMs);
  if (next < 0) return -1;
  return static_cast<int>(std::clamp<std::int64_t>(next - now_, 0, 60'000));
}

// Says when the wall clock has jumped away, and when this server's is with it again.
void Reactor::look_at_clock() {
  const auto off = std::abs(clock_.ahead());
  if (said_clock_off_ ? off > kClockOffMs / 10 : off < kClockOffMs) return;
  said_clock_off_ = !said_clock_off_;
  if (switch_ && switch_->own() != 0) return;  // the others' are where the first one's is
  if (!said_clock_off_) return spdlog::info("the server's time is the wall clock's again");
  spdlog::warn(
      "the wall clock has jumped {} by {} ms: the server's time goes over to it by 1 s in {} s, and until then times "
      "of "
      "the day come {}; a restart takes the new time at once",
      clock_.ahead() > 0 ? "back" : "forward", off, Clock::kSlew, clock_.ahead() > 0 ? "early" : "late");
}

Result<void> Reactor::run() {
  std::array<epoll_event, 256> events{};
  while (!stop_requested_.load(std::memory_order_acquire)) {
    now_ = clock_.now();
    const int wait = falls_asleep() ? wait_ms() : 0;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
    const auto before = std::exchange(now_, clock_.now());
    if (count == 0 && now_ - before >= kPoolIdleMs) pool_.trim();
    look_at_clock();
    engine_.advance(now_);
    for (int i = 0; i < count; ++i) {
      const auto value = events[static_cast<std::size_t>(i)].data.u64 & ((std::uint64_t{1} << kWakeShift) - 1);
      switch (static_cast<Wake>((events[static_cast<std::size_t>(i)].data.u64 >> kWakeShift) + 1)) {
        case Wake::disk:
          if (value != 0) {
            contents_.on_done();
          } else if (auto done = on_journal(); !done) {
            return done;
          }
          break;
        case Wake::links:
          break;  // read below, with those that found this thread awake
        case Wake::listener:
          accept_all(value);
          break;
        case Wake::connection: {
          auto* const connection = find(value);
          if (connection == nullptr) break;
          const auto what = events[static_cast<std::size_t>(i)].events;
          if (what & EPOLLOUT) flush(*connection);
          if (find(value) != connection || !(what & ~static_cast<std::uint32_t>(EPOLLOUT))) break;
          if (!connection->is_paused && !connection->is_held) {
            on_readable(*connection);
            if (unsent_bytes_ >= kFlushBytes) flush_dirty();
          } else if (what & (EPOLLHUP | EPOLLERR)) {  // reported whether asked for or not: it would wake us for ever
            close_connection(*connection);
          }
          break;
        }
      }
    }
    read_links();
    if (std::exchange(trunks_go_on_, false)) switch_->trunks().go_on();
    on_deadlines();
    contents_.expire(now_);
    if (journal_.compaction_due()) {
      const auto keep = [this](FactKind kind, FactPlace place, Bytes body) { return engine_.keep(kind, place, body); };
      // As much again as was appended since the last turn, so that it keeps up whatever comes.
      const auto appended = journal_.appended_end() - std::exchange(compacted_at_, journal_.appended_end());
      const auto budget = std::clamp<std::uint64_t>(2 * appended, kCompactionStepBytes, 16 * kCompactionStepBytes);
      if (auto done = journal_.compact_step(budget, keep); !done) return done;
    }
    if (switch_) switch_->trunks().look_for_strays();
    engine_.dispatch();
    if (now_ >= next_disk_retry_ || journal_.staged_bytes() > 0) {
      // A journal that has failed (making room, say) takes nothing, and nothing would come back to tell of it.
      if (!journal_thread_.submit(now_)) {
        if (const auto end = journal_thread_.collect(); !end) return std::unexpected(end.error());
      }
      next_disk_retry_ = now_ + kDiskRetryMs;
    }
    if (switch_) switch_->flush();
    flush_dirty();
  }
  return {};
}

Result<void> Reactor::on_journal() {
  const auto end = journal_thread_.collect();
  if (!end) return std::unexpected(end.error());
  engine_.on_durable(*end);
  const bool full = !journal_.has_room(FactLog::Urgency::durable, 4096);
  if (full != said_disk_full_) {
    said_disk_full_ = full;
    if (full) {
      spdlog::warn(
          "the journal has no room ({}): durable messages are refused until it has; reads, acks and transient traffic "
          "go on",
          journal_.refusal());
    } else {
      spdlog::info("the journal has room again: durable messages are accepted");
    }
  }
  if (congested_ == 0 && !paused_.empty() && journal_.staged_bytes() < options_.staged_bytes_max / 2) resume_readers();
  return {};
}

bool Reactor::has_room_to_settle() const { return journal_.has_room(FactLog::Urgency::settling, 4096); }

Result<void> Reactor::sync_all() {
  while (journal_.durable_end() < journal_.appended_end()) {
    journal_thread_.submit(now_);
    pollfd wait{.fd = journal_thread_.event_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, 10'000) == 0) return failure(ErrorCode::io_error, "the disk did not finish a write in 10 s");
    const auto end = journal_thread_.collect();
    if (!end) return std::unexpected(end.error());
    engine_.on_durable(*end);
    if (!journal_.has_room(FactLog::Urgency::settling, 4096)) break;
  }
  return {};
}

Result<void> Reactor::settle() {
  for (auto& listener : listeners_) ::close(std::exchange(listener.socket, -1));
  {
    const std::lock_guard guard(links_lock_);
    links_closed_ = true;
  }
  engine_.end_redrives();
  if (auto done = sync_all(); !done) return done;
  flush_dirty();
  return {};
}

void Reactor::take_answers() {
  for (std::size_t i = 0; switch_ && i < connections_.size(); ++i) {
    if (connections_[i] && connections_[i]->relays) switch_->take_all(*connections_[i]);
  }
}

Result<void> Reactor::farewell() {
  engine_.stop();
  if (auto done = sync_all(); !done) return done;

  for (const auto& connection : connections_) {
    if (!connection || connection->state == Connection::State::ending) continue;
    if (connection->state == Connection::State::fresh) {
      connection->state = Connection::State::ending;
    } else {
      say_goodbye(*connection, {ErrorCode::shutting_down, "the server is stopping"});
    }
  }
  const auto give_up = clock_.now() + options_.drain_timeout_ms;
  for (;;) {
    std::vector<pollfd> waiting;
    for (const auto& connection : connections_) {
      if (!connection) continue;
      if (!connection->out.empty()) flush(*connection);
    }
    for (const auto& connection : connections_) {
      if (connection && connection->socket >= 0 && !connection->out.empty()) {
        waiting.push_back({.fd = connection->socket, .events = POLLOUT, .revents = 0});
      }
    }
    const auto left = give_up - clock_.now();
    if (waiting.empty() || left <= 0) break;
    ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<std::int64_t>(left, 100)));
  }
  return {};
}

void Reactor::unreadable(const Error& error) {
  spdlog::critical("the journal cannot give back what it confirmed: {}", error.describe());
  spdlog::default_logger()->flush();
  std::_Exit(1);
}

// -- connections

Connection* Reactor::find(SessionId id) {
  const auto slot = session_slot(id);
  if (slot >= connections_.size() || !connections_[slot] || connections_[slot]->id != id) return nullptr;
  return connections_[slot].get();
}

Connection& Reactor::add_connection(int socket, std::shared_ptr<Link> link) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(connections_.size()));
    connections_.emplace_back();
  }
  const auto slot = free_slots_.back();
  free_slots_.pop_back();
  connections_[slot] = std::make_unique<Connection>();
  auto& connection = *connections_[slot];
  connection.id = SessionId{next_serial_} << 32 | slot;
  next_serial_ = next_serial_ == kSerialMax ? 1 : next_serial_ + 1;
  connection.socket = socket;
  connection.link = std::move(link);
  ++open_connections_;
  return connection;
}

std::size_t Reactor::unsent(SessionId id) {
  const auto* const connection = find(id);
  return connection == nullptr ? 0 : connection->unsent();
}

void Reactor::end_session(Connection& connection) {
  if (connection.state == Connection::State::open) {
    --open_by_door_[static_cast<std::size_t>(connection.door)];
    if (connection.relays) switch_->close(connection);
    contents_.close_session(connection.id);
    seen_.saw(engine_.agent_of(connection.id), connection.door, connection.heard_at);
    engine_.close_session(connection.id);
  }
  connection.state = Connection::State::ending;
  if (!connection.is_congested) return;
  no_more_congested(connection);
  if (congested_ == 0) resume_readers();
}

void Reactor::close_connection(Connection& connection) {
  end_session(connection);
  if (connection.socket >= 0) ::close(connection.socket);
  if (connection.link) connection.link->end_by_reactor();
  connection.out.clear(pool_);
  const auto slot = session_slot(connection.id);
  connections_[slot].reset();
  free_slots_.push_back(slot);
  --open_connections_;
}

void Reactor::accept_all(std::size_t index) {
  const auto listener = listeners_[index];
  for (int i = 0; i < 64; ++i) {
    if (!has_files_left()) return hold_listeners();
    const int socket = ::accept4(listener.socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    files_are_short_ = socket >= sockets_max_ || (socket < 0 && (errno == EMFILE || errno == ENFILE));
    if (files_are_short_) {
      if (socket >= 0) ::close(socket);
      return hold_listeners();
    }
    if (socket < 0) return;
    if (open_connections_ >= options_.connections_max) {
      ::close(socket);
      continue;
    }
    if (!listener.is_unix) {
      const int on = 1, idle = 30, interval = 10, count = 3;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      // A holder's lease lives as long as its connection: a host that vanished must be noticed.
      ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
      ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
      ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    }
    auto& connection = add_connection(socket, nullptr);
    connection.is_unix = listener.is_unix;
    listen_to(connection);
  }
}

void Reactor::listen_to(Connection& connection) {
  connection.interest = EPOLLIN;
  watch(connection.socket, Wake::connection, connection.id, EPOLLIN);
  set_deadline(connection, now_ + options_.hello_timeout_ms);
}

// Who cannot be taken stays with the system, to be taken later, and is not turned away.
bool Reactor::has_files_left() {
  if (!files_are_short_) return true;
  const int next = ::dup(epoll_);
  if (next >= 0) ::close(next);
  return next >= 0 && next < sockets_max_;
}

// The listeners stay readable while nobody can be let in: not looked at for a moment, so as not to spin.
void Reactor::hold_listeners() {
  if (std::exchange(listeners_held_, true)) return;
  if (now_ >= next_files_warning_) {
    spdlog::warn("no file descriptors left for more than {} connections; raise `ulimit -n`", open_connections_);
    next_files_warning_ = now_ + kFilesWarningMs;
  }
  for (const auto& listener : listeners_) epoll_ctl(epoll_, EPOLL_CTL_DEL, listener.socket, nullptr);
  deadlines_.push({now_ + kAcceptRetryMs, 0});
}

void Reactor::update_interest(Connection& connection) {
  if (connection.socket < 0) return;
  const auto wanted = (connection.is_paused || connection.is_held ? 0u : static_cast<std::uint32_t>(EPOLLIN)) |
                      (connection.wants_write ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
  if (wanted == connection.interest) return;
  connection.interest = wanted;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = (static_cast<std::uint64_t>(Wake::connection) - 1) << kWakeShift | connection.id;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event);
}

void Reactor::on_deadlines() {
  while (!deadlines_.empty() && deadlines_.top().at <= now_) {
    const auto [at, id] = deadlines_.top();
    deadlines_.pop();
    if (id == 0) {
      listeners_held_ = false;
      for (std::size_t i = 0; i < listeners_.size(); ++i) watch(listeners_[i].socket, Wake::listener, i, EPOLLIN);
      continue;
    }
    auto* const connection = find(id);
    if (connection == nullptr || connection->due != at) continue;
    connection->due = 0;
    if (connection->deadline > now_) {
      set_deadline(*connection, connection->deadline);
      continue;
    }
    if (std::exchange(connection->deadline, 0) == 0) continue;
    switch (connection->state) {
      case Connection::State::fresh:
        close_connection(*connection);
        break;
      case Connection::State::greeting:
        say_goodbye(*connection, {ErrorCode::timed_out, "no HELLO in time"});
        break;
      case Connection::State::ending:
        close_connection(*connection);
        break;
      case Connection::State::open:
        if (!connection->events_held) {  // mail waits for whoever reads it, however slowly
          watch_host(*connection);
          break;
        }
        spdlog::warn("connection {} is cut: it did not read {} bytes in {} ms", session_slot(id),
                     connection->out.size(), options_.slow_consumer_ms);
        say_goodbye(*connection, {ErrorCode::slow_consumer, "too much was waiting for this connection for too long"});
        break;
    }
  }
}

// With bytes on their way, TCP itself takes a quarter of an hour to notice that a host has vanished, and its leases
// with it. One that does not read answers at least the kernel's questions whether it does, every 120 s; the default
// forgives one lost. (Without, keep-alive notices.)
void Reactor::watch_host(Connection& connection) {
  if (connection.socket < 0 || connection.is_unix) return;
  int on_their_way = 0;  // bytes that the kernel has and the other host has not acknowledged
  const bool is_owed = ::ioctl(connection.socket, SIOCOUTQ, &on_their_way) == 0 && on_their_way > 0;
  const bool was_owed = std::exchange(connection.owes_ack, is_owed);
  if (!is_owed) return;
  if (!was_owed) return watch_later(connection);  // what has just been sent proves nothing
  tcp_info info{};
  socklen_t size = sizeof info;
  const bool is_known = ::getsockopt(connection.socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
  const auto silent_ms = std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv);
  if (!is_known || silent_ms < options_.host_timeout_ms) return watch_later(connection);
  spdlog::warn("connection {} is cut: nothing was heard of its host for {} ms", session_slot(connection.id), silent_ms);
  close_connection(connection);
}

void Reactor::welcome(Connection& connection, std::uint32_t request, std::string_view agent,
                      ConnectionId of_connection) {
  connection.state = Connection::State::open;
  connection.deadline = 0;
  ++open_by_door_[static_cast<std::size_t>(connection.door)];
  connection.opened_at = connection.heard_at = now_;
  seen_.saw(agent, connection.door, now_);
  engine_.open_session(connection.id, agent, connection.door == DoorKind::trunk, of_connection);
  if (switch_) switch_->opened(connection, agent);
  std::string body;
  PackWriter(body)
      .map(7)
      .uint(0)
      .uint(kProtocolVersion)
      .uint(1)
      .str("folkmoot " + options_.version)
      .uint(2)
      .uint(connection.id);
  PackWriter(body)
      .uint(3)
      .uint(options_.frame_bytes_max)
      .uint(4)
      .uint(options_.content_bytes_max)
      .uint(5)
      .uint(engine_.node());
  PackWriter(body).uint(6).uint(options_.content.bytes_max);
  answer(connection.id, Opcode::welcome, request, {as_bytes(body)});
}

void Reactor::say_goodbye(Connection& connection, const Error& error) {
  const auto code = static_cast<std::uint16_t>(error.code);
  auto* const at = extend(connection, Opcode::goodbye, 0, 0, sizeof code + error.text.size());
  store(at, code);
  std::memcpy(at + sizeof code, error.text.data(), error.text.size());
  end_session(connection);
  set_deadline(connection, now_ + kEndingMs);
}

// One entry a connection, as a rule: an earlier one that is there already looks at the new deadline too.
void Reactor::set_deadline(Connection& connection, std::int64_t at) {
  connection.deadline = at;
  if (connection.due != 0 && connection.due <= at) return;
  connection.due = at;
  deadlines_.push({at, connection.id});
}

}  // namespace folkmoot
