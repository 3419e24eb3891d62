#include "folkmoot/client_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "client/address.hpp"
#include "reliability/pool.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kAddressesMax = 1'024;

std::int64_t now_ms() {
  return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct PooledClient::State : std::enable_shared_from_this<State> {
  using Clients = Pool<std::unique_ptr<Client>>;

  State(const asio::any_io_executor& of, ClientPoolOptions given)
      : executor(of),
        options(std::move(given)),
        bounds{.items_max = options.per_address, .idle_ms = options.idle.count()},
        timer(of) {}

  const asio::any_io_executor executor;
  const ClientPoolOptions options;
  const PoolOptions bounds;
  std::mutex lock;
  // Guarded by lock:
  std::map<std::string, Clients> pools;
  asio::steady_timer timer;
  bool closed = false;

  /// The pool of an address, made if there is none. Requires: the lock is held.
  Result<Clients*> pool_of(const std::string& address) {
    if (closed) return failure(ErrorCode::cancelled, "the pool was closed");
    if (auto good = check(bounds); !good) return std::unexpected(std::move(good.error()));
    if (const auto found = pools.find(address); found != pools.end()) return &found->second;
    if (pools.size() == kAddressesMax)
      std::erase_if(pools, [](const auto& pool) { return pool.second.in_use() + pool.second.idle() == 0; });
    if (pools.size() == kAddressesMax) {
      return failure(ErrorCode::limit_reached,
                     fmt::format("the pool holds clients of {} addresses, the most it may", kAddressesMax));
    }
    return &pools.emplace(address, Clients(bounds)).first->second;
  }

  /// One that is idle and connected, or nothing: then there is a place for a new one.
  Result<std::unique_ptr<Client>> take(const std::string& address) {
    const std::lock_guard guard(lock);
    auto pool = pool_of(address);
    if (!pool) return std::unexpected(std::move(pool.error()));
    for (;;) {
      auto grant = (*pool)->acquire(now_ms());
      if (!grant) return failure(ErrorCode::limit_reached, fmt::format("{}: {}", address, grant.error().text));
      if (!*grant) return std::unique_ptr<Client>();
      if ((**grant)->is_connected()) return std::move(**grant);
      (*pool)->forget();
    }
  }

  /// `client` comes back; empty or without a connection: its place is free again.
  void give_back(const std::string& address, std::unique_ptr<Client> client) {
    const std::lock_guard guard(lock);
    const auto pool = pools.find(address);
    if (pool == pools.end()) return;  // closed meanwhile
    if (client && client->is_connected()) {
      pool->second.release(std::move(client), now_ms());
      arm();
    } else {
      pool->second.forget();
    }
  }

  // Closes what is idle for long when its time has come. Requires: the lock is held.
  void arm() {
    std::optional<std::int64_t> next;
    for (const auto& [address, pool] : pools) {
      if (const auto at = pool.next_close_ms()) next = std::min(next.value_or(*at), *at);
    }
    if (!next) return;
    timer.expires_at(std::chrono::steady_clock::time_point(Milliseconds(*next)));
    timer.async_wait([weak = weak_from_this()](auto error) {
      const auto self = weak.lock();
      if (error || !self) return;
      const std::lock_guard guard(self->lock);
      for (auto& [address, pool] : self->pools) pool.close_idle(now_ms());
      self->arm();
    });
  }
};

PooledClient::PooledClient(std::shared_ptr<State> state, std::string address, std::unique_ptr<Client> client)
    : state_(std::move(state)), address_(std::move(address)), client_(std::move(client)) {}

PooledClient& PooledClient::operator=(PooledClient&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  state_ = std::move(other.state_);
  address_ = std::move(other.address_);
  client_ = std::move(other.client_);
  return *this;
}

PooledClient::~PooledClient() { give_back(); }

void PooledClient::give_back() {
  if (client_) state_->give_back(address_, std::move(client_));
}

ClientPool::ClientPool(asio::any_io_executor executor, ClientPoolOptions options)
    : executor_(executor), state_(std::make_shared<PooledClient::State>(executor, std::move(options))) {}

ClientPool::~ClientPool() {
  if (state_) close();
}

void ClientPool::start_acquire(const Shared& state, const std::string& given, Completion<PooledClient> done) {
  const auto address = address_or_default(given.empty() ? state->options.client.address : given);
  auto idle = state->take(address);
  if (!idle) return done(std::unexpected(std::move(idle.error())));
  if (*idle) return done(PooledClient(state, address, std::move(*idle)));
  auto options = state->options.client;
  options.address = address;
  // Shared, as a handler has to be copyable.
  struct Making {
    std::unique_ptr<Client> client;
    Completion<PooledClient> done;
  };
  const auto making =
      std::make_shared<Making>(std::make_unique<Client>(state->executor, std::move(options)), std::move(done));
  making->client->connect([state, address, making](Result<void> connected) {
    if (connected) return making->done(PooledClient(state, address, std::move(making->client)));
    state->give_back(address, nullptr);
    making->done(std::unexpected(std::move(connected.error())));
  });
}

void ClientPool::close() {
  const std::lock_guard guard(state_->lock);
  state_->closed = true;
  state_->pools.clear();
  state_->timer.cancel();
}

std::vector<PoolStatus> ClientPool::metrics() const {
  const std::lock_guard guard(state_->lock);
  std::vector<PoolStatus> out;
  for (const auto& [address, pool] : state_->pools) out.push_back({address, pool.in_use(), pool.idle()});
  return out;
}

}  // namespace folkmoot
