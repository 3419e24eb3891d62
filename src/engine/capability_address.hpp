// Addresses that name what an agent can do instead of an agent: `capability:NAME[+NAME...][/STRATEGY]`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace folkmoot {

constexpr std::string_view kCapabilityPrefix = "capability:";
constexpr std::size_t kAddressCapabilitiesMax = 8;

/// Which of the agents that can do it gets a message.
enum class Pick : std::uint8_t {
  round_robin = 0,
  weighted = 1,      // in turns as frequent as their weights say
  least_loaded = 2,  // fewest waiting and leased, and what the agent itself reports
  sticky = 3,        // messages of one conversation go to one agent
};
constexpr std::string_view kPicks[] = {"round_robin", "weighted", "least_loaded", "sticky"};

struct CapabilityAddress {
  std::vector<std::string> capabilities;  // all of them, each once
  Pick pick = Pick::round_robin;
};

/// Whether a recipient is meant as one; it may be malformed all the same.
inline bool is_capability_address(std::string_view to) { return to.starts_with(kCapabilityPrefix); }
/// Whether it is the name of a capability: 1 to 128 letters, digits and . _ - :
bool is_capability(std::string_view name);
/// Nothing if it is malformed.
std::optional<CapabilityAddress> parse_capability_address(std::string_view to);

}  // namespace folkmoot
