#include "server/login_brake.hpp"

#include <algorithm>
#include <random>

#include "base/hmac.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;

// At most a little more than a minute ahead, though the clock was put back.
std::int64_t in_time(std::int64_t paid_until, std::int64_t cost, std::int64_t now) {
  return std::clamp(paid_until, now, now + kMinuteMs + cost);
}

std::int64_t wait_until_paid(std::int64_t paid_until, std::int64_t cost, std::int64_t now) {
  return std::max<std::int64_t>(in_time(paid_until, cost, now) + cost - kMinuteMs - now, 0);
}

std::string random_salt() {
  std::random_device chance;
  std::string salt(32, '\0');
  for (auto& byte : salt) byte = static_cast<char>(chance());
  return salt;
}

}  // namespace

LoginBrake::LoginBrake() : salt_(random_salt()) {}

LoginBrake::Place LoginBrake::credentials(const Attempt& attempt) const {
  return {attempt.address, hmac_sha256(salt_, attempt.shown)};
}

std::int64_t LoginBrake::wait_ms(const Attempt& attempt, std::uint32_t per_minute, std::int64_t now) const {
  const auto cost = kMinuteMs / per_minute;
  const std::lock_guard guard(lock_);
  const Place place{attempt.address, attempt.account};
  auto wait = wait_until_paid(of_address_.of(place), cost, now);
  if (!attempt.account.empty() && good_accounts_.of(place) <= now)
    wait = std::max(wait, wait_until_paid(of_account_.of(place.second), cost / kFromEverywhere, now));
  return wait == 0 || good_credentials_.of(credentials(attempt)) > now ? 0 : wait;
}

void LoginBrake::note_failure(const Attempt& attempt, std::uint32_t per_minute, std::int64_t now) {
  const auto cost = kMinuteMs / per_minute;
  const std::lock_guard guard(lock_);
  const Place place{attempt.address, attempt.account};
  of_address_.set(place, in_time(of_address_.of(place), cost, now) + cost);
  if (attempt.account.empty()) return;
  const std::string account(attempt.account);
  of_account_.set(account, in_time(of_account_.of(account), cost, now) + cost / kFromEverywhere);
}

void LoginBrake::note_success(const Attempt& attempt, std::int64_t now) {
  const std::lock_guard guard(lock_);
  good_credentials_.set(credentials(attempt), now + kGoodForMs);
  if (!attempt.account.empty()) good_accounts_.set({attempt.address, std::string(attempt.account)}, now + kGoodForMs);
}

}  // namespace folkmoot
