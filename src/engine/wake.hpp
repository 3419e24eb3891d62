// An agent that sleeps while it has no mail, and how it is woken: what was set, and how it stands.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/posix_tz.hpp"
#include "base/uuid.hpp"
#include "engine/endpoint.hpp"
#include "engine/fact_log.hpp"
#include "engine/ids.hpp"
#include "engine/mail_view.hpp"
#include "folkmoot/message.hpp"

namespace folkmoot {

enum class WakeHow : std::uint8_t { hook = 0, process = 1, webhook = 2 };
inline constexpr std::string_view kWakeHows[] = {"hook", "process", "webhook"};

/// How a wake ended.
enum class WakeEnd : std::uint8_t {
  none = 0,
  done = 1,
  failed = 2,  // who took it says so
  lost = 3,    // who took it is gone, or its lease is over
};
inline constexpr std::string_view kWakeEnds[] = {"none", "done", "failed", "lost"};

constexpr std::size_t kWakeUrlMax = kEndpointUrlMax, kWakeSecretMax = kEndpointSecretMax;
constexpr std::size_t kWakeReasonMax = 255, kWatcherMax = 255;
constexpr std::int32_t kMinutesADay = 1'440;
constexpr std::uint32_t kWakeBatchMax = 1'000'000, kWakeBudgetMax = 1'000'000;
constexpr Duration kWakeWaitMax{7 * 86'400'000};  // of a batch, and of the next try
constexpr Duration kWakeRetryMin{100}, kWakeRetryMs{1'000}, kWakeRetryMaxMs{600'000};
constexpr Duration kWakeComeMs{30'000};  // for somebody who was told to come, unless the rule says otherwise

/// As it was set.
struct WakeRule {
  std::string agent{};
  WakeHow how{};
  std::string url{}, secret{};       // of webhooks
  Priority priority = kPriorityMax;  // messages of this one and higher ones
  std::uint32_t batch = 1;           // so many messages, ...
  Duration batch_wait = 0;           // ... or so long after the first
  std::int32_t quiet_from = 0;       // minutes of the day; equal: no quiet hours
  std::int32_t quiet_to = 0;
  std::string zone = "UTC";  // as it was given
  std::string tz = "UTC0";   // its rule (base/posix_tz.hpp)
  std::uint32_t budget = 0;  // wakes a day; 0: no bound
  Duration retry_ms = 0;     // until a wake that brought nobody is tried again; twice as long each time. 0: by itself
  Duration retry_max_ms = kWakeRetryMaxMs;

  bool operator==(const WakeRule&) const = default;
};

/// What the log keeps of it beside the rule.
struct WakeCount {
  std::int64_t day = 0;      // of the zone's calendar
  std::uint32_t woken = 0;   // so often on that day
  std::uint32_t tries = 0;   // wakes in a row that brought nobody
  Instant woken_at = 0;      // the last time; 0: never
  MessageKey first_try = 0;  // of the wakes in a row; 0: none

  bool operator==(const WakeCount&) const = default;
};

struct Wake {
  WakeRule rule;
  PosixTz zone;
  NameId mailbox = 0;
  std::uint64_t serial = 0;  // of its timers
  FactPlace place;
  WakeCount count;

  Instant first_at = 0;    // since when mail waits that it is for; 0: none does
  Instant not_before = 0;  // after one that brought nobody
  Instant due_at = 0;      // since when it is due; 0: it is not
  std::uint64_t turn = 0;  // among those that are due
  Instant next_at = 0;     // when it is looked at again: its timer. 0: when mail comes
  // Taken: by whom, since when.
  MessageKey token = 0;  // 0: it is not taken
  SessionId owner = 0;   // 0: the lease ends with its time
  Instant taken_at = 0;
  Instant lease_until = 0;  // 0: when its connection ends
  std::string watcher;
  Instant read_before = kNoTime;  // last_read as it was taken
  // The last one.
  WakeEnd end{};
  bool was_read = false;
  Instant ended_at = 0;
  std::string reason;

  bool is_taken() const { return token != 0; }
};

/// A wake as it is given to who takes it.
struct WokenView {
  const Wake* wake = nullptr;
  WaitingMail mail{};
  Uuid id{};  // of the first of its tries
  Instant at = 0;
};

/// Who waits for wakes.
struct TakeWakesCommand {
  std::function<bool(std::string_view agent)> fits{};
  std::function<bool(WakeHow)> how{};
  std::uint32_t limit = 1;
  Duration wait_ms = 0;
  Duration lease_ms = 0;  // 0: the lease lives with the connection
  std::string watcher{};  // what it calls itself
  std::string agent{};    // if it asks for one by its name: it is told if somebody has its wake
};

}  // namespace folkmoot
