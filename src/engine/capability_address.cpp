#include "engine/capability_address.hpp"

#include <algorithm>

namespace folkmoot {

bool is_capability(std::string_view name) {
  constexpr std::size_t kBytesMax = 128;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == ':';
  };
  return !name.empty() && name.size() <= kBytesMax && std::ranges::all_of(name, fits);
}

std::optional<CapabilityAddress> parse_capability_address(std::string_view to) {
  CapabilityAddress address;
  to.remove_prefix(kCapabilityPrefix.size());
  if (const auto slash = to.find('/'); slash != std::string_view::npos) {
    const auto* const pick = std::ranges::find(kPicks, to.substr(slash + 1));
    if (pick == std::end(kPicks)) return std::nullopt;
    address.pick = static_cast<Pick>(pick - std::begin(kPicks));
    to = to.substr(0, slash);
  }
  for (;;) {
    const auto end = std::min(to.find('+'), to.size());
    const auto name = to.substr(0, end);
    if (!is_capability(name) || address.capabilities.size() == kAddressCapabilitiesMax) return std::nullopt;
    if (std::ranges::find(address.capabilities, name) == address.capabilities.end())
      address.capabilities.emplace_back(name);
    if (end == to.size()) return address;
    to.remove_prefix(end + 1);
  }
}

}  // namespace folkmoot
