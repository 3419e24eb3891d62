#include "gateway/gateway.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "gateway/context.hpp"
#include "gateway/http/connection.hpp"

namespace folkmoot {

namespace {

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

AdmissionLimits admission_limits(const GatewayOptions& options) {
  return {.all = {options.strangers_max, options.unfinished_bytes_max},
          .by_address = {options.strangers_by_address_max, options.unfinished_bytes_by_address_max}};
}

}  // namespace

struct Gateway::State : std::enable_shared_from_this<Gateway::State> {
  State(Hub& hub, const GatewayOptions& options)
      : context{.hub = hub,
                .shared_options = std::make_shared<const GatewayOptions>(options),
                .io = std::make_shared<asio::io_context>(),
                .admission = Admission(admission_limits(options)),
                .is_draining = false} {}

  bool take_over(Arrival& arrival);
  void stop_all(bool now);
  bool wait_until_empty(std::chrono::milliseconds time);
  void ended(const std::shared_ptr<HttpConnection>& connection);

  Context context;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::vector<std::thread> threads;  // start() and stop() only
  std::mutex lock;
  std::condition_variable emptied;
  std::set<std::shared_ptr<HttpConnection>> connections;  // guarded by lock
};

Gateway::Gateway(Hub& hub, const GatewayOptions& options) : state_(std::make_shared<State>(hub, options)) {}

Gateway::~Gateway() { stop(); }

void Gateway::start() {
  if (!state_->threads.empty()) return;
  state_->work.emplace(state_->context.io->get_executor());
  for (int i = 0; i < std::max(1, state_->context.options()->threads); ++i) {
    state_->threads.emplace_back([io = state_->context.io] { io->run(); });
  }
}

void Gateway::change(const GatewayOptions& options) {
  state_->context.shared_options.store(std::make_shared<const GatewayOptions>(options));
  state_->context.admission.set_limits(admission_limits(options));
}

void Gateway::close() {
  if (state_->context.is_draining.exchange(true)) return;
  state_->stop_all(false);
}

void Gateway::stop() {
  close();
  if (state_->threads.empty()) return;
  if (!state_->wait_until_empty(state_->context.options()->stop_timeout)) {
    state_->stop_all(true);
    state_->wait_until_empty(std::chrono::seconds(5));
  }
  state_->work.reset();
  state_->context.io->stop();
  for (auto& thread : state_->threads) thread.join();
  state_->threads.clear();
  // What was posted too late to run holds the state, which holds the queue it stands in: it must not stay there.
  state_->context.io->restart();
  state_->context.io->poll();
}

std::uint64_t Gateway::faults() const { return state_->context.faults; }

void Gateway::take_over(Arrival arrival) {
  if (state_->take_over(arrival)) return;
  std::string out(kBusy);
  if (arrival.tls) {
    out.clear();
    (void)arrival.tls->write(as_bytes(kBusy), out);
  }
  (void)!::send(arrival.socket, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(arrival.socket);
}

// False, and the socket is the caller's still, if there are too many.
bool Gateway::State::take_over(Arrival& arrival) {
  auto guest = Guest::enter(context.admission, peer_address(arrival.socket));
  if (!guest) return false;
  const std::lock_guard guard(lock);
  // Under the lock that stop_all() takes: a connection is either refused here or seen there.
  if (context.is_draining || connections.size() >= context.options()->connections_max) return false;
  const asio::generic::stream_protocol protocol(arrival.is_unix ? AF_UNIX : AF_INET, arrival.is_unix ? 0 : IPPROTO_TCP);
  asio::generic::stream_protocol::socket owned(asio::make_strand(*context.io));
  beast::error_code error;
  owned.assign(protocol, arrival.socket, error);
  if (error) return false;
  auto connection = std::make_shared<HttpConnection>(
      context, ClientStream(PlainStream(std::move(owned)), std::move(arrival.tls)), std::move(*guest), arrival.first);
  connections.insert(connection);
  asio::post(*context.io, [state = shared_from_this(), connection] {
    const auto strand = connection->executor();
    asio::co_spawn(
        strand, [connection] { return connection->run(); },
        [state, connection](std::exception_ptr) { state->ended(connection); });
  });
  return true;
}

void Gateway::State::stop_all(bool now) {
  const std::lock_guard guard(lock);
  for (const auto& connection : connections) connection->stop(now);
}

bool Gateway::State::wait_until_empty(std::chrono::milliseconds time) {
  std::unique_lock guard(lock);
  return emptied.wait_for(guard, time, [this] { return connections.empty(); });
}

void Gateway::State::ended(const std::shared_ptr<HttpConnection>& connection) {
  const std::lock_guard guard(lock);
  connections.erase(connection);
  if (connections.empty()) emptied.notify_all();
}

}  // namespace folkmoot
