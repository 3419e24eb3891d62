// The listening sockets of a reactor. They stay readable while nobody can be let in, as no file descriptors are left:
// then they rest, so as not to spin.
#pragma once

#include <utility>
#include <vector>

#include "server/net.hpp"

namespace folkmoot {

class Listeners {
 public:
  explicit Listeners(Net& net) : net_(net) {}

  struct Listener {
    int socket = -1;
    bool is_unix = false;
    std::uint64_t token = 0;  // of the events that tell that somebody waits there
  };
  std::size_t size() const { return listeners_.size(); }
  const Listener& operator[](std::size_t index) const { return listeners_[index]; }

  /// Takes a listening socket over, which is watched from here on.
  void add(const Listener& listener) {
    listeners_.push_back(listener);
    net_.watch(listener.socket, listener.token, Net::kReadable);
  }
  /// They are not watched, until take_up(). False if it was so already.
  bool rest() {
    if (std::exchange(rests_, true)) return false;
    for (const auto& listener : listeners_) net_.forget(listener.socket);
    return true;
  }
  void take_up() {
    rests_ = false;
    for (const auto& listener : listeners_) net_.watch(listener.socket, listener.token, Net::kReadable);
  }
  /// Nobody is let in any more. Nothing the second time.
  void close() {
    for (auto& listener : listeners_) {
      if (listener.socket >= 0) net_.close(std::exchange(listener.socket, -1));
    }
  }

 private:
  Net& net_;
  std::vector<Listener> listeners_;
  bool rests_ = false;
};

}  // namespace folkmoot
