// A message that is sent again and again: what it is and when the next one is due. The message itself stays in the log.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "base/cron.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"
#include "engine/fact_log.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

struct Schedule {
  std::uint64_t number = 0;
  std::string name{};
  std::string cron_text{};  // empty: every `every_ms`
  std::optional<Cron> cron{};
  Duration every_ms = 0;
  Instant next = 0;
  Instant until = 0;       // 0: for ever
  std::uint64_t left = 0;  // times; 0: no end
  std::uint64_t fired = 0;
  NameId sender = 0;                     // name id
  std::uint32_t message_at = 0;          // where the message stands in the body of the fact
  FactPlace place{};                     // of its schedule_set fact
  const ContentHash* content = nullptr;  // what its message refers to, as Contents knows it

  /// The first time after `after` that is later than `now` too; nothing if it has ended. What was missed is not made up
  /// for.
  std::optional<Instant> next_after(Instant after, Instant now) const {
    std::optional<Instant> at;
    if (cron) {
      if (const auto fits = cron->next(std::max(after, now).ms)) at = Instant{*fits};
    } else {
      at = after + every_ms;
      if (*at <= now) at = *at + every_ms * ((now - *at) / every_ms + 1);
    }
    if (at && until != 0 && *at > until) return std::nullopt;
    return at;
  }
};

}  // namespace folkmoot
