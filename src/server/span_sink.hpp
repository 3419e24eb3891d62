// Who takes the spans of traces from the shards, and what became of those it took.
#pragma once

#include <cstdint>

#include "engine/span.hpp"

namespace folkmoot {

class SpanSink {
 public:
  virtual ~SpanSink() = default;
  /// Any shard's thread; never blocks. What cannot be taken is counted.
  virtual void take(const SpanView& span) = 0;

  struct Counts {
    std::uint64_t exported = 0;      // the collector has them
    std::uint64_t no_room = 0;       // dropped, as too many waited
    std::uint64_t not_exported = 0;  // dropped, as the collector did not take them
  };
  /// Any thread.
  virtual Counts counts() const = 0;
  /// The collector did not take the last ones. Any thread.
  virtual bool is_failing() const = 0;
};

}  // namespace folkmoot
