// What is set of webhooks for the whole server.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace folkmoot {

struct WebhookOptions {
  std::chrono::milliseconds timeout{10'000};  // for a request and its answer
  std::uint32_t at_once = 16;                 // requests of wakes
  std::uint32_t deliveries = 256;             // requests that deliver messages, likewise
  bool local = false;                         // may go to this machine and to private networks
  bool history = false;                       // what endpoints answer is kept
  std::string software = "folkmoot";          // the User-Agent header
  std::string failing_file{};                 // where it stands since when endpoints fail; empty: nowhere
};

}  // namespace folkmoot
