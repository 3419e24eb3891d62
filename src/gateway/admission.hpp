// What those may cost who are not known yet, and what is not whole yet: counted by address and in all, so that nobody
// who has shown no token takes memory from the others, nor anybody all of it with requests that he never ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "server/peer.hpp"

namespace folkmoot {

/// Counts of connections and bytes: of one address, or of all.
struct AdmissionUse {
  std::size_t strangers = 0;
  std::size_t unfinished_bytes = 0;
};

struct AdmissionLimits {
  AdmissionUse all;
  AdmissionUse by_address;
};

/// Any thread.
class Admission {
 public:
  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}

  void set_limits(const AdmissionLimits& limits) {
    const std::lock_guard guard(lock_);
    limits_ = limits;
  }
  /// Counts `more` of `address`. False, and nothing is counted, if that is too much.
  bool add(const PeerAddress& address, const AdmissionUse& more);
  /// Requires: it was added.
  void remove(const PeerAddress& address, const AdmissionUse& less);

 private:
  std::mutex lock_;
  AdmissionLimits limits_;                         // guarded by lock_
  AdmissionUse all_;                               // guarded by lock_
  std::map<PeerAddress, AdmissionUse> addresses_;  // guarded by lock_; those that have any
};

/// One connection's part in it. On the connection's strand.
class Guest {
 public:
  /// Nothing: too many strangers are here. `admission` must outlive it.
  static std::optional<Guest> enter(Admission& admission, const PeerAddress& address);
  Guest(Guest&& other) noexcept;
  Guest& operator=(Guest&&) = delete;
  ~Guest();

  bool is_stranger() const { return use_.strangers > 0; }
  /// The server has taken its token. May be called twice.
  void become_known();

  /// Counts `bytes` of what is not whole yet, in the place of what was counted before; what is small costs nothing.
  /// False, and nothing is changed, if that is too much.
  bool hold(std::size_t bytes);

 private:
  Guest(Admission& admission, const PeerAddress& address) : admission_(&admission), address_(address) {}

  Admission* admission_;  // null: moved from
  PeerAddress address_;
  AdmissionUse use_;
};

}  // namespace folkmoot
