// Wakes as they are told to who takes them.
#pragma once

#include <span>
#include <string>

namespace folkmoot {

struct WokenView;

/// The answer to wake.take. Webhooks are signed in it.
std::string write_taken_wakes(std::span<const WokenView> wakes, bool between_shards);

}  // namespace folkmoot
