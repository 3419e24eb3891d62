#include "gateway/admission.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kSmallBytes = 64 * 1024;  // what every connection may hold
constexpr std::size_t kStepBytes = 64 * 1024;
constexpr std::size_t kNetworkBytes = 8;  // of an IPv6 address

bool fits(const AdmissionUse& use, const AdmissionUse& more, const AdmissionUse& limit) {
  return use.strangers + more.strangers <= limit.strangers &&
         use.unfinished_bytes + more.unfinished_bytes <= limit.unfinished_bytes;
}

void count(AdmissionUse& use, const AdmissionUse& more) {
  use.strangers += more.strangers;
  use.unfinished_bytes += more.unfinished_bytes;
}

void discount(AdmissionUse& use, const AdmissionUse& less) {
  FOLKMOOT_ASSERT(use.strangers >= less.strangers && use.unfinished_bytes >= less.unfinished_bytes);
  use.strangers -= less.strangers;
  use.unfinished_bytes -= less.unfinished_bytes;
}

}  // namespace

bool Admission::add(const std::string& address, const AdmissionUse& more) {
  const std::lock_guard guard(lock_);
  auto& own = addresses_[address];
  if (!fits(all_, more, limits_.all) || !fits(own, more, limits_.by_address)) {
    if (own.strangers == 0 && own.unfinished_bytes == 0) addresses_.erase(address);
    return false;
  }
  count(all_, more);
  count(own, more);
  return true;
}

void Admission::remove(const std::string& address, const AdmissionUse& less) {
  const std::lock_guard guard(lock_);
  const auto own = addresses_.find(address);
  FOLKMOOT_ASSERT(own != addresses_.end());
  discount(all_, less);
  discount(own->second, less);
  if (own->second.strangers == 0 && own->second.unfinished_bytes == 0) addresses_.erase(own);
}

std::optional<Guest> Guest::enter(Admission& admission, std::string address) {
  const AdmissionUse stranger{.strangers = 1};
  if (!admission.add(address, stranger)) return std::nullopt;
  Guest guest(admission, std::move(address));
  guest.use_ = stranger;
  return guest;
}

Guest::Guest(Guest&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      address_(std::move(other.address_)),
      use_(std::exchange(other.use_, {})) {}

Guest::~Guest() {
  if (admission_ && (use_.strangers > 0 || use_.unfinished_bytes > 0)) admission_->remove(address_, use_);
}

void Guest::become_known() {
  if (!is_stranger()) return;
  admission_->remove(address_, {.strangers = std::exchange(use_.strangers, 0)});
}

bool Guest::hold(std::size_t bytes) {
  const auto counted = bytes <= kSmallBytes ? 0 : (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
  const auto before = use_.unfinished_bytes;
  if (counted > before && !admission_->add(address_, {.unfinished_bytes = counted - before})) return false;
  if (counted < before) admission_->remove(address_, {.unfinished_bytes = before - counted});
  use_.unfinished_bytes = counted;
  return true;
}

std::string peer_address(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
  const auto text = [](const void* bytes, std::size_t count) {
    return std::string(static_cast<const char*>(bytes), count);
  };
  if (address.ss_family == AF_INET) return text(&reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  if (address.ss_family != AF_INET6) return "unix";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_V4MAPPED(&v6) ? text(v6.s6_addr + 12, 4) : text(v6.s6_addr, kNetworkBytes);
}

}  // namespace folkmoot
