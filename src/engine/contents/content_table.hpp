// Contents by reference, as the engine knows them: which are stored, and how many messages refer to each. The bytes are
// the server's; it says what is stored, and is told what to remove.
//
//   1. `references` counts the messages that are pending, waiting, leased or dead, and the schedules, that refer to the
//   content
//   2. a content is in the list of idle ones if and only if it is stored and nothing refers to it; the list is ordered
//   by `idle_since`
//   3. one that is neither stored nor referred to is not known
//
// Counts are no facts: recovery counts the messages that it enters, by the same functions.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <list>
#include <map>
#include <optional>

#include "base/uuid.hpp"
#include "engine/views.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

class Census;

struct Content {
  std::uint64_t bytes = 0;
  std::uint32_t references = 0;
  bool is_stored = false;
  Instant idle_since = 0;  // of an idle one: when it was stored, asked for, or lost its last referrer
  std::list<const ContentHash*>::iterator place{};  // of an idle one: in the list
};

class ContentTable {
 public:
  const ContentTotals& totals() const { return totals_; }

  /// Null if it is not known.
  const Content* find(const ContentHash& hash) const;
  /// It is on disk, so many bytes of it. One that messages know by another size stays missing.
  void enter_stored(const ContentRef& ref, Instant now);
  /// Somebody asked for it: its time starts anew.
  void touch(const ContentHash& hash, Instant now);

  /// A message refers to it; drop() ends that. (Also a message whose content is missing: it was accepted once.)
  void refer(MessageKey message, const ContentRef& ref) { referrers_[message] = refer(ref); }
  void drop(MessageKey message, Instant now);
  /// The same for what has no key: the result is for drop(), and lives until then.
  const ContentHash* refer(const ContentRef& ref);
  void drop(const ContentHash* hash, Instant now);

  /// The content that has been idle longest; null if none is.
  const ContentHash* longest_idle() const { return idle_.empty() ? nullptr : idle_.front(); }
  /// Forgets an idle content.
  void remove(const ContentHash& hash);
  /// Recovery has ended: the time of all idle ones starts.
  void begin(Instant now);

  /// Calls `each(hash, content)` for those that are referred to and not stored, ordered by hash.
  template <class Each>
  void each_missing(Each each) const {
    if (totals_.missing == 0) return;
    for (const auto& [hash, content] : all_) {
      if (!content.is_stored) each(hash, content);
    }
  }

  /// Calls `each(hash, content)` for those that are stored, ordered by hash, behind `after`, until it returns false.
  template <class Each>
  void each_stored(const std::optional<ContentHash>& after, Each each) const {
    for (auto at = after ? all_.upper_bound(*after) : all_.begin(); at != all_.end(); ++at) {
      if (at->second.is_stored && !each(at->first, at->second)) return;
    }
  }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  using All = std::map<ContentHash, Content>;

  // Nobody refers to it from now on. Requires: stored, and not idle yet. Its address is kept: nodes of a map stay.
  void enter_idle(All::value_type& known, Instant now);

  All all_;
  std::list<const ContentHash*> idle_;
  boost::unordered_flat_map<MessageKey, const ContentHash*> referrers_;
  ContentTotals totals_;
};

}  // namespace folkmoot
