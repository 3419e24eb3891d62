#include "engine/run.hpp"

#include "base/assert.hpp"

namespace folkmoot {

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t Run::chance() {
  auto z = chance_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

StartedFact Run::saying(MessageKey keys_end) const {
  return {number_, node_, now_, keys_end, suspect_until_, {secret_[0], secret_[1]}};
}

void Run::start(Instant now, std::uint64_t seed, bool clean) {
  FOLKMOOT_ASSERT(!started_);
  started_ = true;
  now_ = std::max(now, Instant{1});
  if (keys_end_ != 0) last_key_ = std::max(last_key_, MessageKey{keys_end_.value - 1});
  if (!clean) suspect_until_ = last_key_;
  last_key_ = std::max(last_key_, make_key(now_, 0));
  chance_ = seed ^ static_cast<std::uint64_t>(now_.ms);
  if (secret_ == SipKey{}) secret_ = {chance(), chance() ^ seed};
  if (node_ == 0) node_ = static_cast<std::uint32_t>((seed ^ seed >> 22 ^ seed >> 44) & kNodeMask) | kShardsMax;
  if (options_.shards > 1) node_ = (node_ & ~kShardMask) | options_.shard.value;
  ++number_;
}

Durable Run::note() {
  const auto ahead = std::max(now_, key_time(last_key_)) + kKeysAheadMs;
  const auto said = saying(make_key(ahead, 0));
  if (!ledger_.has_room(Urgency::settling, sizeof said)) {
    if (noted_ || retry_at_ != 0) return {};
    retry_at_ = now_ + kRetryMs;
    agenda_.add({.at = retry_at_, .id = 0, .place = 0, .kind = TimerKind::run});
    return {};
  }
  const auto place = ledger_.write(FactKind::started, {bytes_of(said)}, Life::live);
  ledger_.release(place_);
  place_ = place;
  keys_end_ = said.keys_end;
  if (!noted_) ledger_.when(Durable(place), waiting::RunNoted{});
  noted_ = true;
  return Durable(place);
}

void Run::due(const Timer&) {
  retry_at_ = 0;
  if (!noted_) note();
}

bool Run::stop() {
  const bool said = noted_ && !ledger_.lost_any();
  return ledger_.note(FactKind::started, {bytes_of(saying(last_key_ + 1))}).lsn != 0 && said;
}

Result<void> Run::enter(const Fact& fact) {
  StartedFact said;
  if (!read_fact(fact.body, said)) return cannot_be(fact.kind, "is too short");
  number_ = std::max(number_, said.run);
  node_ = said.node;
  keys_end_ = said.keys_end;
  suspect_until_ = std::max(suspect_until_, said.suspect_until);
  secret_ = {said.secret[0], said.secret[1]};
  ledger_.retain(fact.place);
  ledger_.release(place_);
  place_ = fact.place;
  return {};
}

bool Run::keep(const Fact& fact) {
  if (place_ == fact.place) ledger_.copy(fact.kind, place_, {fact.body});
  return true;
}

}  // namespace folkmoot
