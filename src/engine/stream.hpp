// Streams and their consumers, as commands set them and as they are shown.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"
#include "engine/stream_store.hpp"

namespace folkmoot {

/// What a stream keeps, and how long. 0: no bound.
struct StreamSettings {
  std::string pattern{};  // of topics
  std::string filter{};   // empty: every event of these topics
  std::uint64_t max_events = 0;
  std::uint64_t max_bytes = 0;  // about: whole files go
  Duration max_age = 0;
  std::string keep_last_by{};  // a field: of each of its values the newest event alone; empty: all events
  std::uint32_t max_keys = 0;

  bool operator==(const StreamSettings&) const = default;
};

constexpr std::uint32_t kStreamKeysMax = 1'000'000;
constexpr std::uint32_t kStreamKeysDefault = 100'000;
constexpr std::uint64_t kStreamBytesLeast = 64 * 1024;
constexpr std::size_t kStreamReadEventsMax = 10'000;                // of one read
constexpr std::size_t kStreamScanMax = 20'000;                      // events that one read looks at
constexpr std::size_t kStreamScanBytesMax = std::size_t{16} << 20;  // the same in bytes
constexpr std::uint32_t kConsumerPendingMax = 100'000;

struct StreamView {
  std::string_view name;
  const StreamSettings& settings;
  bool paused = false;
  Sequence first{1}, next{1};  // [first, next): what is there; with keep_last_by there are gaps
  std::uint64_t events = 0, bytes = 0;
  std::uint64_t kept = 0, missed = 0;  // since the server was started
  std::uint64_t consumers = 0;
  bool replays = false;  // one is under way
  Sequence gap = 0;      // events from this one on are lost with their files; 0: none are
  Sequence gap_end = 0;
};

/// What a stream takes: events of these topics that the filter, if any, holds for.
struct StreamInterest {
  std::string pattern, filter;
};

/// An event that is read.
struct ReadEvent {
  Sequence sequence = 0;
  Instant at = 0;
  std::uint32_t delivery = 0;                      // of a consumer: counts from 1
  std::string_view message;                        // envelope and content: lives as long as this or a copy of it
  std::shared_ptr<const std::uint8_t[]> memory{};  // what that views: perhaps of others as well
};

struct ReadPage {
  std::vector<ReadEvent> events;
  Sequence next{1};           // where to go on in the same direction; backwards, 0: there is nothing below
  Sequence first{1}, end{1};  // of the stream: [first, end)
};

using StreamReader = std::function<void(Result<ReadPage>)>;

struct ReadStreamCommand {
  std::string_view name{};
  Sequence from = 0;               // 0: from the beginning, or backwards from the end
  std::optional<Instant> since{};  // forwards: those that are not older; backwards: those that are not younger
  std::uint64_t newest = 0;        // the newest so many; 0: as `from` says
  bool backwards = false;
  std::string_view filter{};
  std::size_t events_max = 100;
  std::size_t bytes_max = std::size_t{1} << 20;
  Duration wait = 0;  // forwards: for the next event, if there is none
};

struct ConsumerCommand {
  std::string_view stream{};
  std::string_view name{};
  std::string_view filter{};
  Sequence from = 0;               // where a new one begins
  std::optional<Instant> since{};  // or not before that time
  bool only_new = false;           // or behind what is there
  Duration ack_wait{30'000};
  std::uint32_t attempts = 0;  // 0: no bound
  std::uint32_t pending_max = 1'000;
};

struct StreamConsumerView {
  std::string_view stream, name, filter;
  Sequence floor{1};       // all below are done
  Sequence next{1};        // the next to be given out for the first time
  std::uint64_t left = 0;  // events from the floor on, those acknowledged among them
  std::uint64_t pending = 0;
  std::uint64_t readers = 0;
  std::uint64_t delivered = 0, redelivered = 0, acknowledged = 0, skipped = 0, missed = 0;
  Duration ack_wait = 0;
  std::uint32_t attempts = 0, pending_max = 0;
};

struct ReadConsumerCommand {
  std::string_view stream{}, name{};
  std::size_t events_max = 100;
  std::size_t bytes_max = std::size_t{1} << 20;
  Duration wait = 0;
};

struct AckConsumerCommand {
  std::string_view stream{}, name{};
  std::span<const std::uint64_t> sequences{};  // these are done,
  Sequence below = 0;                          // and all below
  std::span<const std::uint64_t> again{};      // these are to be given out again at once
};

struct PlayCommand {
  std::string_view name{};
  std::string_view topic{};   // where to: this topic,
  std::string_view stream{};  // or that stream
  std::string_view filter{};
  Sequence from = 0;
  std::optional<Instant> since{};
  Sequence until = 0;  // not from this one on; 0: the stream's end as it is now
  double speed = 0;    // 0: at once; 1: at the pace of the events; 2: twice as fast
  bool keep = false;   // goes on without who asked, who is answered at once
};

struct PlayEnd {
  std::uint64_t played = 0, refused = 0;
};
using PlayDone = std::function<void(Result<PlayEnd>)>;

}  // namespace folkmoot
