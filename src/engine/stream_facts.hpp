// The bodies of the facts of streams, as facts.hpp has those of the others. stream_set and consumer_set are MessagePack
// lists (engine/streams/stream_records.cpp).
#pragma once

#include "engine/stream_store.hpp"
#include "folkmoot/content.hpp"

namespace folkmoot {

using ConsumerNumber = Strong<struct ConsumerNumberTag, std::uint64_t>;

/// Followed by the event: envelope and content, as they are given out.
struct StreamEventFact {
  StreamNumber stream = 0;
  std::uint32_t zero = 0;
  Sequence sequence = 0;
  Instant at = 0;
};
static_assert(sizeof(StreamEventFact) == 24);

/// How far a stream is: noted when older events go by other rules than their number, and now and then.
struct StreamTrimmedFact {
  StreamNumber stream = 0;
  std::uint32_t zero = 0;
  Sequence first{1};   // events below are not given out
  Sequence next{1};    // events below have been; none gets such a number again
  Sequence stored{1};  // events below are in the stream's files
};
static_assert(sizeof(StreamTrimmedFact) == 32);

/// An event of the stream refers to content, which stays as long as the event is given out.
struct StreamRefersFact {
  StreamNumber stream = 0;
  std::uint32_t zero = 0;
  Sequence sequence = 0;
  std::uint64_t size = 0;  // of the content
  ContentHash hash{};
};
static_assert(sizeof(StreamRefersFact) == 56);

struct StreamRemovedFact {
  StreamNumber stream = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(StreamRemovedFact) == 8);

/// Followed by sequences of 8 bytes that are done, too.
struct ConsumerMovedFact {
  ConsumerNumber consumer = 0;
  Sequence floor{1};  // all below are done
};
static_assert(sizeof(ConsumerMovedFact) == 16);

struct ConsumerRemovedFact {
  ConsumerNumber consumer = 0;
};
static_assert(sizeof(ConsumerRemovedFact) == 8);

}  // namespace folkmoot
