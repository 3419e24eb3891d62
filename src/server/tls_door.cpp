#include "server/tls_door.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace folkmoot {
namespace {

constexpr std::size_t kTlsReadBytes = 16 * 1024;
constexpr std::size_t kTlsHeaderBytes = 5;
constexpr std::size_t kTlsRecordBytesMax = 16 * 1024;  // of a record that is not encrypted (RFC 8446, section 5.1)

std::int64_t tls_now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000 + time.tv_nsec / 1'000'000;
}

// Of the record that the bytes begin with; 0 while that is not known.
std::size_t record_bytes(std::string_view bytes) {
  if (bytes.size() < kTlsHeaderBytes) return 0;
  return kTlsHeaderBytes +
         (static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[3])) << 8 | static_cast<std::uint8_t>(bytes[4]));
}

}  // namespace

struct TlsDoor::Handshake {
  SessionId id = 0;
  Arrival arrival;
  PeerAddress peer;
  std::int64_t began_at = 0;
  bool wants_write = false;
};

Result<std::unique_ptr<TlsDoor>> TlsDoor::make(const LoginOptions& bounds, std::function<void(Arrival)> done) {
  auto net = PosixNet::make();
  if (!net) return std::unexpected(net.error());
  return std::unique_ptr<TlsDoor>(new TlsDoor(std::move(*net), bounds, std::move(done)));
}

TlsDoor::TlsDoor(std::unique_ptr<Net> net, const LoginOptions& bounds, std::function<void(Arrival)> done)
    : net_(std::move(net)), done_(std::move(done)), next_bounds_(bounds), bounds_(bounds), newcomers_(bounds_) {}

TlsDoor::~TlsDoor() { stop(); }

void TlsDoor::start() {
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "tls");
}

void TlsDoor::stop() {
  stop_requested_ = true;
  net_->wake();
  if (thread_.joinable()) thread_.join();
  while (!handshakes_.empty()) drop(handshakes_.front()->id);
  const std::lock_guard guard(lock_);
  for (const auto& arrival : arrivals_) net_->close(arrival.socket);
  arrivals_.clear();
}

void TlsDoor::change(const LoginOptions& bounds, std::shared_ptr<const TlsContext> context) {
  const std::lock_guard guard(lock_);
  next_bounds_ = bounds;
  next_context_ = std::move(context);
}

void TlsDoor::take_over(Arrival arrival) {
  {
    const std::lock_guard guard(lock_);
    arrivals_.push_back(std::move(arrival));
  }
  net_->wake();
}

void TlsDoor::run() {
  in_.resize(kTlsReadBytes);
  while (!stop_requested_) {
    for (const auto& event : net_->wait(wait_ms())) on_event(event);
    take_news();
    look_at_deadlines(tls_now_ms());
  }
}

void TlsDoor::take_news() {
  std::vector<Arrival> arrivals;
  {
    const std::lock_guard guard(lock_);
    arrivals.swap(arrivals_);
    bounds_ = next_bounds_;
    context_ = next_context_;
  }
  for (auto& arrival : arrivals) begin(std::move(arrival));
}

void TlsDoor::begin(Arrival arrival) {
  if (!context_) return net_->close(arrival.socket);
  auto handshake = std::make_unique<Handshake>();
  handshake->id = SessionId{next_id_++};
  handshake->peer = arrival.is_unix ? PeerAddress{} : net_->peer(arrival.socket);
  handshake->arrival = std::move(arrival);
  handshake->began_at = tls_now_ms();
  auto& begun = *handshake;
  handshakes_.push_back(std::move(handshake));
  by_id_.emplace(begun.id, std::prev(handshakes_.end()));
  under_way_ = handshakes_.size();
  net_->watch(begun.arrival.socket, begun.id.value, Net::kReadable);
  if (const auto leaves = newcomers_.enter(begun.id, begun.peer)) {
    if (displaced_line_.is_due(tls_now_ms()))
      spdlog::warn(
          "TLS handshakes are cut: more than login.connections ({}) are under way, or than login.per_address "
          "({}) of one address",
          bounds_.connections_max, bounds_.of_address_max);
    ++failed_count_;
    drop(*leaves);
  }
  go_on(begun, {});
}

void TlsDoor::on_event(const Net::Event& event) {
  const auto found = by_id_.find(SessionId{event.token});
  if (found == by_id_.end()) return;
  auto& handshake = **found->second;
  if ((event.what & Net::kWritable) != 0 && handshake.arrival.tls) {
    if (!flush(handshake)) return fail(handshake, "the client is gone");
    if ((event.what & ~Net::kWritable) == 0) return;
  }
  const auto got = net_->receive(handshake.arrival.socket, in_);
  if (got == Net::kNothing) return;
  if (got <= 0) return fail(handshake, "the client is gone");
  go_on(handshake, {in_.data(), static_cast<std::size_t>(got)});
}

// Before the first record is whole there is no more of a handshake than its bytes.
void TlsDoor::go_on(Handshake& handshake, Bytes fresh) {
  auto& [socket, is_unix, first, tls] = handshake.arrival;
  if (!tls) {
    first.append(as_text(fresh));
    const auto whole = record_bytes(first);
    if (whole > kTlsHeaderBytes + kTlsRecordBytesMax) return fail(handshake, "its first record is too long");
    if (whole == 0 || first.size() < whole) return;
    tls = TlsSession::accept(*context_);
    if (!tls) return fail(handshake, "there is no memory for it");
  }
  const auto kept = std::exchange(first, {});
  const auto step = tls->handshake(kept.empty() ? fresh : as_bytes(kept));
  if (!flush(handshake)) return fail(handshake, "the client is gone");
  if (step == TlsSession::Step::failed) return fail(handshake, tls->error().text);
  if (step == TlsSession::Step::done) finish(handshake);
}

// What TLS has to say. False: the connection has broken.
bool TlsDoor::flush(Handshake& handshake) {
  auto& unsent = handshake.arrival.tls->unsent();
  if (!unsent.empty()) {
    const auto bytes = as_bytes(unsent);
    const auto sent = net_->send(handshake.arrival.socket, {&bytes, 1});
    if (sent < 0 && sent != Net::kNothing) return false;
    unsent.erase(0, static_cast<std::size_t>(std::max<std::ptrdiff_t>(sent, 0)));
  }
  if (handshake.wants_write != !unsent.empty()) {
    handshake.wants_write = !unsent.empty();
    net_->watch_again(handshake.arrival.socket, handshake.id.value,
                      Net::kReadable | (handshake.wants_write ? Net::kWritable : 0u));
  }
  return true;
}

void TlsDoor::finish(Handshake& handshake) {
  net_->forget(handshake.arrival.socket);
  auto arrival = std::move(handshake.arrival);
  handshake.arrival.socket = -1;
  drop(handshake.id);
  ++done_count_;
  done_(std::move(arrival));
}

void TlsDoor::fail(Handshake& handshake, std::string_view why) {
  ++failed_count_;
  if (failed_line_.is_due(tls_now_ms()))
    spdlog::info("a TLS handshake with {} failed: {}; {} have so far", handshake.peer.text(), why,
                 failed_count_.load());
  drop(handshake.id);
}

void TlsDoor::drop(SessionId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const auto place = found->second;
  if ((*place)->arrival.socket >= 0) net_->close((*place)->arrival.socket);
  by_id_.erase(found);
  handshakes_.erase(place);
  newcomers_.leave(id);
  under_way_ = handshakes_.size();
}

void TlsDoor::look_at_deadlines(std::int64_t now) {
  while (!handshakes_.empty() && handshakes_.front()->began_at + bounds_.timeout_ms <= now)
    fail(*handshakes_.front(), "it took longer than login.timeout");
}

std::int64_t TlsDoor::wait_ms() const {
  if (handshakes_.empty()) return -1;
  return std::max<std::int64_t>(handshakes_.front()->began_at + bounds_.timeout_ms - tls_now_ms(), 0);
}

}  // namespace folkmoot
