// What those may cost who are not known yet, and what is not whole yet: counted by address and in all, so that nobody
// who has shown no token takes memory from the others, nor anybody all of it with requests that he never ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

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

  /// Counts `more` of `address`. False, and nothing is counted, if that is too much.
  bool add(const std::string& address, const AdmissionUse& more);
  /// Requires: it was added.
  void remove(const std::string& address, const AdmissionUse& less);

 private:
  const AdmissionLimits limits_;
  std::mutex lock_;
  AdmissionUse all_;                               // guarded by lock_
  std::map<std::string, AdmissionUse> addresses_;  // guarded by lock_; those that have any
};

/// One connection's part in it. On the connection's strand.
class Guest {
 public:
  /// Nothing: too many strangers are here. `admission` must outlive it.
  static std::optional<Guest> enter(Admission& admission, std::string address);
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
  Guest(Admission& admission, std::string address) : admission_(&admission), address_(std::move(address)) {}

  Admission* admission_;  // null: moved from
  std::string address_;
  AdmissionUse use_;
};

/// The address of a connection's other side, in the form that it is counted by: of IPv6 the network, as one machine has
/// many addresses there; of Unix sockets one for all.
std::string peer_address(int socket);

}  // namespace folkmoot
