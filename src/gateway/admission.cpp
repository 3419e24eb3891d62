#include "gateway/admission.hpp"

#include <utility>

#include "base/assert.hpp"
#include "gateway/limits.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kStepBytes = 64 * 1024;

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

bool Admission::add(const PeerAddress& address, const AdmissionUse& more) {
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

void Admission::remove(const PeerAddress& address, const AdmissionUse& less) {
  const std::lock_guard guard(lock_);
  const auto own = addresses_.find(address);
  FOLKMOOT_ASSERT(own != addresses_.end());
  discount(all_, less);
  discount(own->second, less);
  if (own->second.strangers == 0 && own->second.unfinished_bytes == 0) addresses_.erase(own);
}

std::optional<Guest> Guest::enter(Admission& admission, const PeerAddress& address) {
  const AdmissionUse stranger{.strangers = 1};
  if (!admission.add(address, stranger)) return std::nullopt;
  Guest guest(admission, address);
  guest.use_ = stranger;
  return guest;
}

Guest::Guest(Guest&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      address_(other.address_),
      use_(std::exchange(other.use_, {})) {}

Guest::~Guest() {
  if (admission_ && (use_.strangers > 0 || use_.unfinished_bytes > 0)) admission_->remove(address_, use_);
}

void Guest::become_known() {
  if (!is_stranger()) return;
  admission_->remove(address_, {.strangers = std::exchange(use_.strangers, 0)});
}

bool Guest::hold(std::size_t bytes) {
  const auto counted = bytes <= kFreeUnfinishedBytes ? 0 : (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
  const auto before = use_.unfinished_bytes;
  if (counted > before && !admission_->add(address_, {.unfinished_bytes = counted - before})) return false;
  if (counted < before) admission_->remove(address_, {.unfinished_bytes = before - counted});
  use_.unfinished_bytes = counted;
  return true;
}

}  // namespace folkmoot
