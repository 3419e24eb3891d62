// Every bound of a filter in one place (docs/filters.md, "Bounds").
#pragma once

#include <cstddef>
#include <cstdint>

namespace folkmoot {

constexpr std::size_t kFilterBytesMax = 4 * 1024;
constexpr int kFilterDepthMax = 64;              // parentheses, NOT and signs inside each other
constexpr std::size_t kFilterNodesMax = 1'000;   // operands and operators
constexpr std::size_t kFilterNamesMax = 64;      // different fields that one filter reads
constexpr std::size_t kFilterPathStepsMax = 64;  // names and positions of one path
constexpr std::size_t kFilterStackMax = 128;     // values that wait for an operator at one moment
/// Bytes that the LIKEs of one evaluation may look at; then they are UNKNOWN. Without it, `_` in a long pattern over a
/// large content would hold the reactor for seconds.
constexpr std::uint64_t kLikeStepsMax = std::uint64_t{1} << 24;

}  // namespace folkmoot
