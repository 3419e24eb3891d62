// A network in memory, without a clock or a thread of its own. What it does to both ends, area by area:
//
//   towards the server    what a client has written arrives later, in pieces of any size; a read brings any part of it
//   towards a client      the server's system holds so many bytes for each connection, drawn once; a write is taken in
//                         any part, or not at all while there is no room
//   events                told in any order, some of them only the next time
//   ends                  a client's orderly end (what it wrote arrives first), or a reset, which loses what is under
//                         way in both directions; a server that closes with unread bytes resets, as TCP does
//   hosts that vanish     nothing is taken any more, and nothing is heard
//   the process dies      its ends are reset, or closed after what their system holds
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/net.hpp"
#include "simulation/random.hpp"

namespace folkmoot::simulation {

/// Virtual time, ms; the one clock of everything.
struct Time {
  std::int64_t now = 1'700'000'000'000;
};

/// One connection; the client has it as well.
struct Wire {
  PeerAddress peer{};
  std::string to_server;      // arrived there, not yet read
  std::string to_client;      // taken from the server, not yet read
  std::size_t room = 0;       // of to_client
  bool client_ended = false;  // nothing more comes after to_server
  bool reset = false;         // by either side, or the host is gone from the server's sight
  bool server_ended = false;  // nothing more comes after to_client
  bool server_closed = false;
  bool accepted = false;
  std::int64_t vanished_at = 0;  // its host; 0: it is there
};

class VirtualNet;

/// All connections of a server, which its shards hand to each other.
class Wires {
 public:
  explicit Wires(std::uint64_t seed) : random_(seed) {}

  /// A client connects. The wire stays as long as either end has it.
  std::shared_ptr<Wire> connect(PeerAddress peer, std::size_t room);
  /// The process is gone, with all its ends.
  void die();
  std::size_t open() const { return sockets_.size(); }
  std::uint64_t connections() const { return connections_; }

  static constexpr int kListener = 1 << 20;

 private:
  friend class VirtualNet;
  Wire* find(int socket) {
    const auto found = sockets_.find(socket);
    return found == sockets_.end() ? nullptr : found->second.get();
  }

  Random random_;
  std::deque<int> backlog_;
  std::map<int, std::shared_ptr<Wire>> sockets_;  // the server's ends
  int next_ = kListener + 1;
  std::uint64_t connections_ = 0;
};

/// What one shard sees. Descriptors of the system (those by which work on files tells that it is done) are asked of it.
class VirtualNet final : public Net {
 public:
  VirtualNet(Wires& wires, const Time& time, std::uint64_t seed, std::function<void()> work_on_files,
             std::function<void(std::int64_t)> pass)
      : wires_(wires), time_(time), random_(seed), work_(std::move(work_on_files)), pass_(std::move(pass)) {}

  // -- for who drives its reactor
  bool is_due() const { return woken_ || due_ <= time_.now || !now(true).empty(); }
  /// When the reactor wants a turn, whatever happens.
  std::int64_t due() const { return woken_ ? time_.now : due_; }
  void rest(std::int64_t most_ms) { due_ = most_ms < 0 ? kNever : time_.now + most_ms; }
  /// What has happened; some of it may be told the next time.
  std::span<const Event> events();

  // Net
  std::span<const Event> wait(std::int64_t) override { return events(); }
  bool wait_for(std::span<const int> sockets, std::uint32_t what, std::int64_t most_ms) override;
  void wake() override { woken_ = true; }
  void watch(int socket, std::uint64_t token, std::uint32_t what) override { watches_[socket] = {token, what}; }
  void watch_again(int socket, std::uint64_t token, std::uint32_t what) override { watches_[socket] = {token, what}; }
  void forget(int socket) override { watches_.erase(socket); }
  std::ptrdiff_t receive(int socket, std::span<std::uint8_t> into) override;
  std::ptrdiff_t send(int socket, std::span<const Bytes> parts) override;
  void end_sending(int socket) override;
  void close(int socket) override;
  Accepted accept(int listener) override;
  PeerAddress peer(int socket) override;
  std::optional<std::int64_t> owed_ms(int socket) override;

  static constexpr std::int64_t kNever = std::int64_t{1} << 62;

 private:
  struct Watch {
    std::uint64_t token = 0;
    std::uint32_t what = 0;
  };
  std::uint32_t state(int socket) const;
  // All that has happened; the first alone is enough for `any`.
  std::vector<Event> now(bool any) const;
  std::size_t some_of(std::size_t most);

  Wires& wires_;
  const Time& time_;
  Random random_;
  const std::function<void()> work_;
  const std::function<void(std::int64_t)> pass_;
  std::map<int, Watch> watches_;
  std::vector<Event> events_;
  std::int64_t due_ = 0;
  bool woken_ = false;
};

}  // namespace folkmoot::simulation
