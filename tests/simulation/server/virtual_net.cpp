#include "simulation/server/virtual_net.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>

namespace folkmoot::simulation {
namespace {

// A chance in a hundred that a piece is not all there is.
constexpr std::uint64_t kPiecesPercent = 35;
constexpr std::uint64_t kLaterPercent = 15;

}  // namespace

std::shared_ptr<Wire> Wires::connect(PeerAddress peer, std::size_t room) {
  const auto wire = std::make_shared<Wire>();
  wire->peer = peer;
  wire->room = room;
  sockets_.emplace(next_, wire);
  backlog_.push_back(next_++);
  ++connections_;
  return wire;
}

void Wires::die() {
  for (auto& [socket, wire] : sockets_) {
    wire->server_closed = wire->server_ended = true;
    if (!random_.one_in(2)) continue;
    wire->reset = true;
    wire->to_client.clear();
  }
  sockets_.clear();
  backlog_.clear();
}

std::uint32_t VirtualNet::state(int socket) const {
  if (socket < Wires::kListener) {
    pollfd asked{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&asked, 1, 0) > 0 ? kReadable : 0;
  }
  if (socket == Wires::kListener) return wires_.backlog_.empty() ? 0 : kReadable;
  const auto* const wire = wires_.find(socket);
  if (wire == nullptr) return 0;
  if (wire->reset) return kReadable | kWritable | kBroken;
  const bool has_some = !wire->to_server.empty() || wire->client_ended;
  const bool has_room = wire->to_client.size() < wire->room;
  return (has_some ? kReadable : 0) | (has_room ? kWritable : 0);
}

std::vector<Net::Event> VirtualNet::now(bool any) const {
  std::vector<Event> events;
  for (const auto& [socket, watch] : watches_) {
    const auto what = state(socket) & (watch.what | kBroken);
    if (what == 0) continue;
    events.push_back({watch.token, what});
    if (any) break;
  }
  return events;
}

std::span<const Net::Event> VirtualNet::events() {
  woken_ = false;
  events_ = now(false);
  for (std::size_t left = events_.size(); left > 1; --left) std::swap(events_[left - 1], events_[random_.below(left)]);
  if (events_.size() > 1 && random_.percent(kLaterPercent)) events_.resize(1 + random_.below(events_.size()));
  if (events_.size() > 256) events_.resize(256);
  return events_;
}

bool VirtualNet::wait_for(std::span<const int> sockets, std::uint32_t what, std::int64_t most_ms) {
  const auto is_so = [&] {
    return std::ranges::any_of(sockets, [&](int socket) { return (state(socket) & (what | kBroken)) != 0; });
  };
  for (std::int64_t passed = 0; !is_so(); ++passed) {
    if (passed == most_ms) return false;
    work_();
    if (is_so()) break;
    pass_(1);
  }
  return true;
}

std::size_t VirtualNet::some_of(std::size_t most) {
  if (most <= 1 || !random_.percent(kPiecesPercent)) return most;
  return 1 + static_cast<std::size_t>(random_.one_in(3) ? random_.below(std::min<std::size_t>(most, 20))
                                                        : random_.below(most));
}

std::ptrdiff_t VirtualNet::receive(int socket, std::span<std::uint8_t> into) {
  auto* const wire = wires_.find(socket);
  if (wire == nullptr || wire->reset) return kFailed;
  if (wire->to_server.empty()) return wire->client_ended ? 0 : kNothing;
  const auto bytes = some_of(std::min(into.size(), wire->to_server.size()));
  std::memcpy(into.data(), wire->to_server.data(), bytes);
  wire->to_server.erase(0, bytes);
  return static_cast<std::ptrdiff_t>(bytes);
}

std::ptrdiff_t VirtualNet::send(int socket, std::span<const Bytes> parts) {
  auto* const wire = wires_.find(socket);
  if (wire == nullptr || wire->reset || wire->server_ended) return kFailed;
  std::size_t offered = 0;
  for (const auto& part : parts) offered += part.size();
  const auto room = wire->room - std::min(wire->room, wire->to_client.size());
  if (room == 0) return kNothing;
  auto left = some_of(std::min(room, offered));
  const auto taken = left;
  for (const auto& part : parts) {
    const auto some = std::min(left, part.size());
    wire->to_client.append(reinterpret_cast<const char*>(part.data()), some);
    left -= some;
  }
  return static_cast<std::ptrdiff_t>(taken);
}

void VirtualNet::end_sending(int socket) {
  if (auto* const wire = wires_.find(socket)) wire->server_ended = true;
}

void VirtualNet::close(int socket) {
  watches_.erase(socket);
  auto* const wire = wires_.find(socket);
  if (wire == nullptr) return;
  if (!wire->to_server.empty()) {
    wire->reset = true;
    wire->to_client.resize(random_.below(wire->to_client.size() + 1));
  }
  wire->server_closed = wire->server_ended = true;
  wires_.sockets_.erase(socket);
}

Net::Accepted VirtualNet::accept(int) {
  while (!wires_.backlog_.empty()) {
    const auto socket = wires_.backlog_.front();
    wires_.backlog_.pop_front();
    auto* const wire = wires_.find(socket);
    if (wire == nullptr) continue;
    wire->accepted = true;
    return {.what = Accepted::What::taken, .socket = socket, .peer = wire->peer};
  }
  return {};
}

PeerAddress VirtualNet::peer(int socket) {
  const auto* const wire = wires_.find(socket);
  return wire == nullptr ? PeerAddress{} : wire->peer;
}

std::optional<std::int64_t> VirtualNet::owed_ms(int socket) {
  const auto* const wire = wires_.find(socket);
  if (wire == nullptr || wire->to_client.empty()) return std::nullopt;
  return wire->vanished_at == 0 ? 0 : time_.now - wire->vanished_at;
}

}  // namespace folkmoot::simulation
