#include "engine/contents/content_table.hpp"

#include "base/assert.hpp"

namespace folkmoot {

const Content* ContentTable::find(const ContentHash& hash) const {
  const auto found = all_.find(hash);
  return found == all_.end() ? nullptr : &found->second;
}

void ContentTable::enter_idle(All::value_type& known, Instant now) {
  known.second.idle_since = now;
  known.second.place = idle_.insert(idle_.end(), &known.first);
}

void ContentTable::enter_stored(const ContentRef& ref, Instant now) {
  const auto [at, is_new] = all_.try_emplace(ref.hash);
  auto& content = at->second;
  if (content.is_stored) return touch(ref.hash, now);
  if (!is_new && content.bytes != ref.size) return;
  content.is_stored = true;
  content.bytes = ref.size;
  ++totals_.stored;
  totals_.stored_bytes += ref.size;
  if (is_new) {
    enter_idle(*at, now);
  } else {
    --totals_.missing;
  }
}

void ContentTable::touch(const ContentHash& hash, Instant now) {
  const auto found = all_.find(hash);
  if (found == all_.end() || !found->second.is_stored || found->second.references != 0) return;
  found->second.idle_since = now;
  idle_.splice(idle_.end(), idle_, found->second.place);
}

const ContentHash* ContentTable::refer(const ContentRef& ref) {
  const auto [at, is_new] = all_.try_emplace(ref.hash);
  auto& content = at->second;
  if (is_new) {
    content.bytes = ref.size;
    ++totals_.missing;
  } else if (content.references == 0) {
    idle_.erase(content.place);
  }
  ++content.references;
  return &at->first;
}

void ContentTable::drop(MessageKey message, Instant now) {
  const auto found = referrers_.find(message);
  FOLKMOOT_ASSERT(found != referrers_.end());
  const auto* const hash = found->second;
  referrers_.erase(found);
  drop(hash, now);
}

void ContentTable::drop(const ContentHash* hash, Instant now) {
  const auto at = all_.find(*hash);
  FOLKMOOT_ASSERT(at != all_.end() && at->second.references > 0);
  if (--at->second.references != 0) return;
  if (at->second.is_stored) return enter_idle(*at, now);
  --totals_.missing;
  all_.erase(at);
}

void ContentTable::remove(const ContentHash& hash) {
  const auto at = all_.find(hash);
  FOLKMOOT_ASSERT(at != all_.end() && at->second.is_stored && at->second.references == 0);
  --totals_.stored;
  totals_.stored_bytes -= at->second.bytes;
  idle_.erase(at->second.place);
  all_.erase(at);
}

void ContentTable::begin(Instant now) {
  for (const auto* const hash : idle_) all_.find(*hash)->second.idle_since = now;
}

}  // namespace folkmoot
