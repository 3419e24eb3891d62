#include "server/native_door.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kInboxBytesMax = 256 * 1024;  // of a link, before its socket is not read any more
constexpr std::int64_t kEndingMs = 2'000;           // for a peer to take its last words
constexpr std::uint64_t kWakeId = ~std::uint64_t{0};

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// One thread with its sockets.
class NativeDoor::Pump {
 public:
  explicit Pump(Hub& hub) : hub_(hub), epoll_(epoll_create1(EPOLL_CLOEXEC)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Pump() {
    FOLKMOOT_ASSERT(!thread_.joinable());
    if (event_ >= 0) ::close(event_);
    if (epoll_ >= 0) ::close(epoll_);
  }

  Result<void> start(std::size_t number) {
    if (epoll_ < 0 || event_ < 0) return failure(ErrorCode::io_error, fmt::format("no descriptors for a thread: {}", std::strerror(errno)));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // each write wakes once; nobody reads it
    event.data.u64 = kWakeId;
    FOLKMOOT_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event) == 0);
    buffer_.resize(kReadBytes);
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), fmt::format("native-{}", number).c_str());
    return {};
  }

  void add(int socket, std::string first) {
    post([&](Posted& posted) { posted.arrivals.push_back({socket, std::move(first)}); });
  }

  void stop(std::int64_t drain_ms) {
    if (!thread_.joinable()) return;
    post([&](Posted& posted) { posted.stop_at = now_ms() + drain_ms; });
    thread_.join();
  }

 private:
  struct Peer {
    std::uint64_t id = 0;  // slot in the low 32 bits, a serial above
    int socket = -1;
    std::uint32_t interest = 0;
    bool is_ending = false;  // its link is closed: what is left is written, nothing more is heard
    std::shared_ptr<Link> link;
    std::string unheard;     // read, and not taken by the link yet
    std::string out;         // taken from the link, written from `written` on
    std::size_t written = 0;
  };
  struct Arrival {
    int socket = -1;
    std::string first;
  };
  struct Posted {  // from the reactor's thread
    std::vector<Arrival> arrivals;
    std::vector<std::uint64_t> ready;  // peers whose links have something new
    std::int64_t stop_at = 0;          // 0: not yet
  };
  struct Ending {
    std::int64_t at = 0;
    std::uint64_t id = 0;
  };

  template <class Change>
  void post(Change change) {
    bool wakes = false;
    {
      const std::lock_guard guard(lock_);
      wakes = std::exchange(sleeps_, false);
      change(posted_);
    }
    const std::uint64_t one = 1;
    if (wakes) [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
  }

  void run() {
    std::array<epoll_event, 256> events{};
    while (stop_at_ == 0 || (open_ > 0 && now_ms() < stop_at_)) {
      const int wait = falls_asleep() ? wait_ms() : 0;
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
      for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 == kWakeId) continue;  // taken below, with what found this thread awake
        if (auto* const peer = find(event.data.u64); peer != nullptr && (event.events & EPOLLOUT)) write(*peer);
        if (auto* const peer = find(event.data.u64); peer != nullptr && (event.events & ~static_cast<std::uint32_t>(EPOLLOUT))) read(*peer);
      }
      take_posted();
      end_those_due();
    }
    for (const auto& peer : peers_) {
      if (peer) drop(*peer);
    }
  }

  int wait_ms() const {
    if (stop_at_ != 0) return 10;
    if (endings_.empty()) return -1;
    return static_cast<int>(std::clamp<std::int64_t>(endings_.front().at - now_ms(), 0, kEndingMs));
  }

  // True if nothing was posted: from here on, whoever posts something wakes this thread.
  bool falls_asleep() {
    const std::lock_guard guard(lock_);
    return sleeps_ = posted_.arrivals.empty() && posted_.ready.empty() && posted_.stop_at == 0;
  }

  void take_posted() {
    Posted posted;
    {
      const std::lock_guard guard(lock_);
      sleeps_ = false;
      std::swap(posted, posted_);
    }
    if (posted.stop_at != 0) stop_at_ = posted.stop_at;
    for (auto& arrival : posted.arrivals) arrive(std::move(arrival));
    for (const auto id : posted.ready) {
      auto* const peer = find(id);
      if (peer == nullptr) continue;
      hand_over(*peer);
      write(*peer);
    }
  }

  void arrive(Arrival arrival) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(peers_.size()));
      peers_.emplace_back();
    }
    const auto slot = free_.back();
    const auto id = std::uint64_t{++serial_} << 32 | slot;
    auto link = hub_.connect(DoorKind::native, kInboxBytesMax, [this, id] { post([id](Posted& posted) { posted.ready.push_back(id); }); });
    if (!link) {  // the server is stopping
      ::close(arrival.socket);
      return;
    }
    free_.pop_back();
    peers_[slot] = std::make_unique<Peer>();
    auto& peer = *peers_[slot];
    peer.id = id;
    peer.socket = arrival.socket;
    peer.link = std::move(link);
    peer.unheard = std::move(arrival.first);
    ++open_;
    epoll_event event{};
    event.data.u64 = id;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, peer.socket, &event) != 0) return drop(peer);
    hand_over(peer);
  }

  Peer* find(std::uint64_t id) {
    const auto slot = static_cast<std::uint32_t>(id);
    return slot < peers_.size() && peers_[slot] && peers_[slot]->id == id ? peers_[slot].get() : nullptr;
  }

  // What the link would not take before; a socket is read only when there is none of it.
  void hand_over(Peer& peer) {
    if (!peer.unheard.empty() && (peer.is_ending || peer.link->send(peer.unheard))) peer.unheard = std::string();
    update_interest(peer);
  }

  void read(Peer& peer) {
    if (!peer.unheard.empty()) return drop(peer);  // not asked for, so it is its end that is told of
    const auto got = ::recv(peer.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return drop(peer);
    if (peer.is_ending) return;
    const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (peer.link->send(bytes)) return;
    peer.unheard = bytes;
    update_interest(peer);
  }

  // One share of the link at a time: what the socket does not take stays in the link, where the reactor sees it.
  void write(Peer& peer) {
    for (;;) {
      const bool closed = peer.link->closed();  // before take(): then there is nothing more to come
      if (peer.out.empty()) peer.out = peer.link->take();
      if (closed && !peer.is_ending) begin_ending(peer);
      if (peer.out.empty()) {
        if (closed) ::shutdown(peer.socket, SHUT_WR);
        break;
      }
      const auto sent = ::send(peer.socket, peer.out.data() + peer.written, peer.out.size() - peer.written, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return drop(peer);
        break;
      }
      peer.written += static_cast<std::size_t>(sent);
      if (peer.written < peer.out.size()) break;
      peer.written = 0;
      peer.out = std::string();
    }
    if (stop_at_ != 0 && peer.is_ending && peer.out.empty()) return drop(peer);
    update_interest(peer);
  }

  void begin_ending(Peer& peer) {
    peer.is_ending = true;
    peer.unheard = std::string();
    endings_.push_back({now_ms() + kEndingMs, peer.id});
  }

  void end_those_due() {
    while (!endings_.empty() && endings_.front().at <= now_ms()) {
      auto* const peer = find(endings_.front().id);
      endings_.pop_front();
      if (peer != nullptr) drop(*peer);
    }
  }

  void update_interest(Peer& peer) {
    const auto wanted = (peer.unheard.empty() ? static_cast<std::uint32_t>(EPOLLIN) : 0u) |
                        (peer.out.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT));
    if (wanted == peer.interest) return;
    peer.interest = wanted;
    epoll_event event{};
    event.events = wanted;
    event.data.u64 = peer.id;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, peer.socket, &event);
  }

  void drop(Peer& peer) {
    peer.link->close();
    ::close(peer.socket);
    const auto slot = static_cast<std::uint32_t>(peer.id);
    peers_[slot].reset();
    free_.push_back(slot);
    --open_;
  }

  Hub& hub_;
  const int epoll_;
  const int event_;
  std::thread thread_;
  std::mutex lock_;
  Posted posted_;        // guarded by lock_
  bool sleeps_ = false;  // guarded by lock_: whoever posts something must wake this thread

  // The thread's own.
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::uint32_t> free_;
  std::uint32_t serial_ = 0;
  std::size_t open_ = 0;
  std::deque<Ending> endings_;
  std::string buffer_;
  std::int64_t stop_at_ = 0;
};

Result<std::unique_ptr<NativeDoor>> NativeDoor::start(std::size_t threads, Hub& hub) {
  std::unique_ptr<NativeDoor> door(new NativeDoor);
  for (std::size_t i = 0; i < threads; ++i) {
    auto pump = std::make_unique<Pump>(hub);
    if (auto started = pump->start(i); !started) {
      door->stop(0);
      return std::unexpected(started.error());
    }
    door->pumps_.push_back(std::move(pump));
  }
  return door;
}

NativeDoor::~NativeDoor() { stop(0); }

void NativeDoor::take_over(int socket, std::string first, bool) {
  pumps_[next_]->add(socket, std::move(first));
  next_ = (next_ + 1) % pumps_.size();
}

void NativeDoor::stop(std::int64_t drain_ms) {
  for (const auto& pump : pumps_) pump->stop(drain_ms);
}

}  // namespace folkmoot
