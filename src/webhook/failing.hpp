// Since when webhooks have been failing, in a file of the data folder, so that a restart does not begin to count anew
// (WebhookPolicy::disable_after). It is no part of the journal: what it says decides nothing but when an endpoint is
// disabled. It is written when an endpoint's circuit opens for the first time, when something was delivered, and once a
// minute while it fails.
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

/// None if there is no such file. Errors: io_error, and those of reading JSON.
Result<FailingWebhooks> read_failing(const std::string& path);
/// In the place of what was there, in one step. Errors: io_error.
Result<void> write_failing(const std::string& path, const FailingWebhooks& failing);

}  // namespace folkmoot
