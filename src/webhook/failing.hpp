// Since when webhooks have been failing, in a file of the data folder, so that a restart does not begin to count anew
// (WebhookPolicy::disable_after). It is no part of the journal: what it says decides nothing but when an endpoint is
// disabled. It is written when an endpoint's circuit opens for the first time, when something was delivered, and once a
// minute while it fails. Besides, it says until when the server ran: that alone is put in its place about every second
// while some fail, without waiting for the disk, so that one that is killed again and again counts what it ran.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace folkmoot {

struct FailingWebhook {
  std::uint64_t revision = 0;    // of its rule: another one begins anew
  std::int64_t since = 0;        // nothing was delivered since; Unix ms
  std::int64_t excused_ms = 0;   // of that time no server ran
  std::int64_t last_failed = 0;  // Unix ms

  bool operator==(const FailingWebhook&) const = default;
  bool is_same_failure(const FailingWebhook& other) const { return revision == other.revision && since == other.since; }
};

using FailingWebhooks = std::map<std::string, FailingWebhook>;  // by agent

struct FailingNote {
  FailingWebhooks webhooks{};
  std::int64_t ran_until = 0;  // the server; Unix ms, 0: it is not said

  bool operator==(const FailingNote&) const = default;
};

/// None if there is no such file. Errors: io_error, and those of reading JSON.
Result<FailingNote> read_failing(const std::string& path);
/// In the place of what was there, in one step. Errors: io_error.
Result<void> write_failing(const std::string& path, const FailingNote& note);
/// In a file that write_failing() wrote: the server ran until then. Nothing is said of what goes wrong: then less of
/// its time counts.
void note_running(const std::string& path, std::int64_t ran_until);

}  // namespace folkmoot
