// Streams: events of topics that are kept in order, and read again from wherever one likes (docs/streams.md).
#pragma once

#include "folkmoot/describe.hpp"
#include "folkmoot/operation/dead.hpp"
#include "folkmoot/options.hpp"

namespace folkmoot {

constexpr std::uint64_t kStreamPageMax = 10'000;
constexpr std::uint64_t kStreamPageBytesMax = 4 << 20;
constexpr std::uint64_t kStreamWaitMost = 300'000;
constexpr std::uint64_t kStreamKeysMost = 1'000'000;
constexpr std::uint64_t kStreamAckMost = 10'000;
inline constexpr auto kStreamPatience = std::chrono::milliseconds(kStreamWaitMost + 30'000);

/// What a stream keeps, and how long; 0: no bound.
struct StreamRule {
  std::string name{};
  std::string topic{};   // a topic or pattern
  std::string filter{};  // docs/filters.md; empty: every event
  std::uint64_t max_events = 0;
  std::uint64_t max_bytes = 0;
  Milliseconds max_age{0};
  std::string keep_last_by{};  // a field: of each of its values the newest event alone
  std::uint32_t max_keys = 0;

  bool operator==(const StreamRule&) const = default;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "stream.set",
      .what =
          "Keeps the events of topics from now on; a stream of the same name keeps what it has, and goes on by this",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/streams",
      .again = true};
  static constexpr auto fields() {
    using S = StreamRule;
    return std::array{
        field<&S::name>(0, "name", "By which it is read", {.required = true}),
        field<&S::topic>(1, "topic", "A topic, or a pattern of topics", {.required = true}),
        field<&S::filter>(2, "filter", "Which of their events (docs/filters.md); left out: all",
                          {.max = kFilterTextMax, .sparse = true}),
        field<&S::max_events>(3, "max_events", "The newest so many stay", {.unit = "events", .sparse = true}),
        field<&S::max_bytes>(4, "max_bytes", "About so many bytes stay: old files go whole",
                             {.unit = "bytes", .sparse = true}),
        field<&S::max_age>(5, "max_age", "They stay so long", {.sparse = true}),
        field<&S::keep_last_by>(6, "keep_last_by",
                                "A field, such as `content.id`: of each of its values the newest event stays alone",
                                {.sparse = true}),
        field<&S::max_keys>(7, "max_keys", "Of `keep_last_by`: so many values; left out: 100,000",
                            {.max = kStreamKeysMost, .unit = "values", .sparse = true}),
    };
  }
};
using SetStream = StreamRule;

/// A stream, with its name as all that there is to say of it.
template <class Op>
constexpr auto stream_name_field() {
  return std::array{field<&Op::name>(0, "name", "The stream", {.required = true})};
}

struct RemoveStream {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "stream.remove",
                                           .what = "Removes a stream with its events and consumers",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "DELETE /api/streams/{name}"};
  static constexpr auto fields() { return stream_name_field<RemoveStream>(); }
};

struct StreamStatus {
  StreamRule rule{};
  bool paused = false;
  std::uint64_t first = 0, next = 0, events = 0, bytes = 0, kept = 0, missed = 0, consumers = 0;
  bool replays = false;
  std::uint64_t lost_from = 0, lost_to = 0;

  static constexpr auto fields() {
    using S = StreamStatus;
    return std::array{
        fields_of<&S::rule>(),
        field<&S::paused>(10, "paused", "It takes no events for now", {.sparse = true}),
        field<&S::first>(11, "first", "The sequence of the oldest event"),
        field<&S::next>(12, "next", "The sequence that the next one gets"),
        field<&S::events>(13, "events", "So many are there", {.unit = "events"}),
        field<&S::bytes>(14, "bytes", "On disk, about", {.unit = "bytes"}),
        field<&S::kept>(15, "kept", "Since the server started", {.unit = "events"}),
        field<&S::missed>(16, "missed",
                          "Likewise: events published at most once that could not be kept, for want of room",
                          {.unit = "events", .sparse = true}),
        field<&S::consumers>(17, "consumers", "So many remember how far they are"),
        field<&S::replays>(18, "replays", "A replay is under way", {.sparse = true}),
        field<&S::lost_from>(19, "lost_from", "Events from this sequence on are lost with their files",
                             {.sparse = true}),
        field<&S::lost_to>(20, "lost_to", "Up to before this one", {.sparse = true}),
    };
  }
};

struct StreamList {
  std::vector<StreamStatus> streams{};

  static constexpr auto fields() {
    return std::array{field<&StreamList::streams>(0, "streams", "By name", {.max = 100'000})};
  }
};

struct ListStreams {
  using Answer = StreamList;
  static constexpr OperationRow kOperation{.name = "stream.list",
                                           .what = "Lists the streams",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/streams",
                                           .again = true};
  static constexpr std::array<FieldInfo, 0> fields() { return {}; }
};

struct ConsumerStatus {
  std::string stream{}, name{}, filter{};
  std::uint64_t floor = 0, next = 0, left = 0, pending = 0, readers = 0;
  std::uint64_t delivered = 0, redelivered = 0, acknowledged = 0, skipped = 0, missed = 0;
  Milliseconds ack_wait{0};
  std::uint32_t attempts = 0, pending_max = 0;

  static constexpr auto fields() {
    using C = ConsumerStatus;
    return std::array{
        field<&C::stream>(0, "stream", "Of this stream"),
        field<&C::name>(1, "name", "Its name"),
        field<&C::filter>(2, "filter", "Which events it gets", {.max = kFilterTextMax, .sparse = true}),
        field<&C::floor>(3, "floor", "All below this sequence are done"),
        field<&C::next>(4, "next", "The next that is given out for the first time"),
        field<&C::left>(5, "left", "So many events of the stream are not below `floor`", {.unit = "events"}),
        field<&C::pending>(6, "pending", "So many are given out and not acknowledged", {.unit = "events"}),
        field<&C::readers>(7, "readers", "So many wait for events"),
        field<&C::delivered>(8, "delivered", "Given out since the server started", {.unit = "events"}),
        field<&C::redelivered>(9, "redelivered", "Likewise: once more", {.unit = "events"}),
        field<&C::acknowledged>(10, "acknowledged", "Likewise", {.unit = "events"}),
        field<&C::skipped>(11, "skipped", "Likewise: passed over after `attempts`", {.unit = "events", .sparse = true}),
        field<&C::missed>(12, "missed", "Likewise: gone before it got them", {.unit = "events", .sparse = true}),
        field<&C::ack_wait>(13, "ack_wait", "So long until one is given out again"),
        field<&C::attempts>(14, "attempts", "So often, then it is passed over", {.sparse = true}),
        field<&C::pending_max>(15, "pending_max", "So many at most wait for their acknowledgement"),
    };
  }
};

struct ShownStream {
  StreamStatus stream{};
  std::vector<ConsumerStatus> consumers{};

  static constexpr auto fields() {
    return std::array{
        field<&ShownStream::stream>(0, "stream", "The stream"),
        field<&ShownStream::consumers>(1, "consumers", "Its consumers, by name", {.max = 100'000}),
    };
  }
};

struct ShowStream {
  std::string name{};

  using Answer = ShownStream;
  static constexpr OperationRow kOperation{.name = "stream.show",
                                           .what = "A stream and its consumers",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/streams/{name}",
                                           .again = true};
  static constexpr auto fields() { return stream_name_field<ShowStream>(); }
};

/// An event that a stream keeps.
struct StreamedEvent {
  std::uint64_t sequence = 0;
  std::int64_t at_ms = 0;
  std::uint32_t delivery = 0;
  Message message{};

  static constexpr auto fields() {
    using S = StreamedEvent;
    return std::array{
        field<&S::sequence>(0, "sequence", "Its place in the stream: 1 was the first"),
        field<&S::at_ms>(1, "at", "When the stream took it"),
        field<&S::delivery>(2, "delivery", "Of a consumer: how often it was given out", {.sparse = true}),
        field<&S::message>(3, "message", "The event"),
    };
  }
};

struct StreamPage {
  std::vector<StreamedEvent> events{};
  std::uint64_t next = 0, first = 0, end = 0;

  static constexpr auto fields() {
    using S = StreamPage;
    return std::array{
        field<&S::events>(0, "events", "In the order asked for", {.max = kStreamPageMax}),
        field<&S::next>(1, "next", "Where to go on (`from`) in the same direction; backwards, 0: nothing is below"),
        field<&S::first>(2, "first", "The stream's oldest event"),
        field<&S::end>(3, "end", "The sequence that the stream's next one gets"),
    };
  }
};

/// A page as bytes. Numbers are little-endian.
constexpr std::string_view kStreamPagePacked =
    "`u64 next, u64 first, u64 end, u32 count`, then each `u64 sequence, i64 at, u32 delivery, u32 bytes, envelope, "
    "content`";

struct ReadStream {
  std::string name{};
  std::uint64_t from = 0;
  std::int64_t since_ms = 0;
  std::uint64_t newest = 0;
  bool backwards = false;
  std::string filter{};
  std::uint32_t limit = 100;
  std::uint32_t bytes = 1 << 20;
  Milliseconds wait{0};
  bool content = true;

  using Answer = StreamPage;
  static constexpr OperationRow kOperation{.name = "stream.read",
                                           .what =
                                               "Reads events of a stream: from its beginning, a sequence or a time on, "
                                               "or the newest, forwards or backwards; "
                                               "a page at a time, for which at most 20,000 are looked at",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/streams/{name}/events",
                                           .again = true,
                                           .patience = kStreamPatience,
                                           .packed = kStreamPagePacked};
  static constexpr auto fields() {
    using R = ReadStream;
    return std::array{
        field<&R::name>(0, "name", "The stream", {.required = true}),
        field<&R::from>(1, "from",
                        "This sequence is the first; left out: from the beginning, or backwards from the end"),
        field<&R::since_ms>(2, "since", "None that came before this time"),
        field<&R::newest>(3, "newest", "Only the newest so many", {.max = kStreamPageMax, .unit = "events"}),
        field<&R::backwards>(4, "backwards", "The newest first"),
        field<&R::filter>(5, "filter", "A condition over the event (docs/filters.md)", {.max = kFilterTextMax}),
        field<&R::limit>(6, "limit", "So many at most", {.min = 1, .max = kStreamPageMax, .unit = "events"}),
        field<&R::bytes>(7, "bytes", "So many bytes of messages, about; one at least",
                         {.min = 1, .max = kStreamPageBytesMax, .unit = "bytes"}),
        field<&R::wait>(8, "wait", "For the next event, if there is none", {.max = kStreamWaitMost}),
        field<&R::content>(9, "content", "With the contents of the events"),
    };
  }
};

struct PurgeStream {
  std::string name{};
  std::uint64_t below = 0, keep = 0;
  bool all = false;

  using Answer = Purged;
  static constexpr OperationRow kOperation{.name = "stream.purge",
                                           .what = "Gives events of a stream up for good",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "DELETE /api/streams/{name}/events",
                                           .layout = Layout::numbers};
  static constexpr auto fields() {
    using P = PurgeStream;
    return std::array{
        field<&P::name>(0, "name", "The stream", {.required = true}),
        field<&P::below>(1, "below", "Those before this sequence"),
        field<&P::keep>(2, "keep", "All but the newest so many", {.unit = "events"}),
        field<&P::all>(3, "all", "Has to be said where neither is given"),
    };
  }
};

struct PauseStream {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "stream.pause",
                                           .what = "A stream takes no events until it is resumed; it can be read",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "POST /api/streams/{name}/pause",
                                           .again = true};
  static constexpr auto fields() { return stream_name_field<PauseStream>(); }
};

struct ResumeStream {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "stream.resume",
                                           .what = "A stream that was paused takes events again",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "POST /api/streams/{name}/resume",
                                           .again = true};
  static constexpr auto fields() { return stream_name_field<ResumeStream>(); }
};

struct Played {
  std::uint64_t played = 0, refused = 0;

  static constexpr auto fields() {
    return std::array{
        field<&Played::played>(0, "played", "So many events went out again", {.unit = "events"}),
        field<&Played::refused>(1, "refused", "So many could not", {.unit = "events", .sparse = true}),
    };
  }
};

struct ReplayStream {
  std::string name{}, to{};
  std::uint64_t from = 0, until = 0;
  std::int64_t since_ms = 0;
  std::string filter{};
  double speed = 0;
  bool keep = false;

  using Answer = Played;
  static constexpr OperationRow kOperation{
      .name = "stream.replay",
      .what =
          "Publishes the events of a stream again, on another topic, up to the newest of this moment; one replay of a "
          "stream at a time, which its client ends by going away, unless it is kept",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/streams/{name}/replay",
      .patience = std::chrono::hours(24 * 7)};
  static constexpr auto fields() {
    using R = ReplayStream;
    return std::array{
        field<&R::name>(0, "name", "The stream", {.required = true}),
        field<&R::to>(1, "to", "The topic", {.required = true}),
        field<&R::from>(2, "from", "From this sequence on"),
        field<&R::until>(3, "until", "Up to before this one"),
        field<&R::since_ms>(4, "since", "None that came before this time"),
        field<&R::filter>(5, "filter", "A condition over the event (docs/filters.md)", {.max = kFilterTextMax}),
        field<&R::speed>(6, "speed", "1: as far apart as they came; 10: ten times faster; 0: at once",
                         {.max = 1'000'000}),
        field<&R::keep>(7, "keep", "Answered at once; it goes on without its client"),
    };
  }
};

struct StopReplay {
  std::string name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "stream.stop",
                                           .what = "Ends the replay or copy of a stream that is under way",
                                           .right = Right::administer,
                                           .where = Where::first,
                                           .http = "POST /api/streams/{name}/stop"};
  static constexpr auto fields() { return stream_name_field<StopReplay>(); }
};

struct CopyStream {
  std::string name{}, to{};
  std::uint64_t from = 0, until = 0;
  std::int64_t since_ms = 0;
  std::string filter{};
  bool keep = false;

  using Answer = Played;
  static constexpr OperationRow kOperation{
      .name = "stream.copy",
      .what = "Appends the events of a stream to another one, as they are; they get sequences of their own there",
      .right = Right::administer,
      .where = Where::first,
      .http = "POST /api/streams/{name}/copy",
      .patience = std::chrono::hours(24 * 7)};
  static constexpr auto fields() {
    using C = CopyStream;
    return std::array{
        field<&C::name>(0, "name", "The stream", {.required = true}),
        field<&C::to>(1, "to", "The stream that gets them, whose filter they must pass", {.required = true}),
        field<&C::from>(2, "from", "From this sequence on"),
        field<&C::until>(3, "until", "Up to before this one"),
        field<&C::since_ms>(4, "since", "None that came before this time"),
        field<&C::filter>(5, "filter", "A condition over the event (docs/filters.md)", {.max = kFilterTextMax}),
        field<&C::keep>(6, "keep", "Answered at once; it goes on without its client"),
    };
  }
};

/// One that remembers how far it is.
struct StreamConsumerRule {
  std::string stream{}, name{}, filter{};
  std::uint64_t from = 0;
  std::int64_t since_ms = 0;
  bool only_new = false;
  Milliseconds ack_wait{30'000};
  std::uint32_t attempts = 0;
  std::uint32_t pending_max = 1'000;

  using Answer = Nothing;
  static constexpr OperationRow kOperation{
      .name = "consumer.set",
      .what = "Remembers how far somebody has come in a stream; one of the same name stays where it is",
      .right = Right::consume,
      .where = Where::first,
      .http = "POST /api/streams/{stream}/consumers",
      .again = true};
  static constexpr auto fields() {
    using C = StreamConsumerRule;
    return std::array{
        field<&C::stream>(0, "stream", "The stream", {.required = true}),
        field<&C::name>(1, "name", "The consumer", {.required = true}),
        field<&C::filter>(2, "filter", "Which events it gets (docs/filters.md); left out: all",
                          {.max = kFilterTextMax}),
        field<&C::from>(3, "from", "A new one begins with this sequence; left out: with the oldest event"),
        field<&C::since_ms>(4, "since", "Or gets none that came before this time"),
        field<&C::only_new>(5, "only_new", "Or gets those alone that come from now on"),
        field<&C::ack_wait>(6, "ack_wait", "What is not acknowledged by then is given out again",
                            {.min = 100, .max = 86'400'000}),
        field<&C::attempts>(7, "attempts",
                            "Given out so often, an event is passed over (`bus.streams.skipped`); 0: never",
                            {.max = 65'535}),
        field<&C::pending_max>(8, "pending_max", "So many may wait for their acknowledgement",
                               {.min = 1, .max = 100'000, .unit = "events"}),
    };
  }
};
using SetStreamConsumer = StreamConsumerRule;

struct ReadStreamConsumer {
  std::string stream{}, name{};
  std::uint32_t limit = 100;
  std::uint32_t bytes = 1 << 20;
  Milliseconds wait{0};

  using Answer = StreamPage;
  static constexpr OperationRow kOperation{
      .name = "consumer.read",
      .what = "The next events of a consumer, which are to be acknowledged; several who ask share them",
      .right = Right::consume,
      .where = Where::first,
      .http = "POST /api/streams/{stream}/consumers/read",
      .patience = kStreamPatience,
      .packed = kStreamPagePacked};
  static constexpr auto fields() {
    using R = ReadStreamConsumer;
    return std::array{
        field<&R::stream>(0, "stream", "The stream", {.required = true}),
        field<&R::name>(1, "name", "The consumer", {.required = true}),
        field<&R::limit>(2, "limit", "So many at most", {.min = 1, .max = kStreamPageMax, .unit = "events"}),
        field<&R::bytes>(3, "bytes", "So many bytes of messages, about; one at least",
                         {.min = 1, .max = kStreamPageBytesMax, .unit = "bytes"}),
        field<&R::wait>(4, "wait", "For the next event, if there is none", {.max = kStreamWaitMost}),
    };
  }
};

struct AckStreamConsumer {
  std::string stream{}, name{};
  std::vector<std::uint64_t> sequences{};
  std::uint64_t below = 0;
  std::vector<std::uint64_t> again{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "consumer.ack",
                                           .what = "Events of a consumer are done; confirmed when that is on disk",
                                           .right = Right::consume,
                                           .where = Where::first,
                                           .http = "POST /api/streams/{stream}/consumers/ack",
                                           .again = true};
  static constexpr auto fields() {
    using A = AckStreamConsumer;
    return std::array{
        field<&A::stream>(0, "stream", "The stream", {.required = true}),
        field<&A::name>(1, "name", "The consumer", {.required = true}),
        field<&A::sequences>(2, "sequences", "These are done", {.max = kStreamAckMost}),
        field<&A::below>(3, "below", "And all before this one"),
        field<&A::again>(4, "again", "These are to be given out again at once", {.max = kStreamAckMost}),
    };
  }
};

struct RemoveStreamConsumer {
  std::string stream{}, name{};

  using Answer = Nothing;
  static constexpr OperationRow kOperation{.name = "consumer.remove",
                                           .what = "Forgets a consumer and how far it was",
                                           .right = Right::consume,
                                           .where = Where::first,
                                           .http = "DELETE /api/streams/{stream}/consumers"};
  static constexpr auto fields() {
    using R = RemoveStreamConsumer;
    return std::array{
        field<&R::stream>(0, "stream", "The stream", {.required = true}),
        field<&R::name>(1, "name", "The consumer", {.required = true}),
    };
  }
};

struct StreamConsumerList {
  std::vector<ConsumerStatus> consumers{};

  static constexpr auto fields() {
    return std::array{field<&StreamConsumerList::consumers>(0, "consumers", "By name", {.max = 100'000})};
  }
};

struct ListStreamConsumers {
  std::string stream{};

  using Answer = StreamConsumerList;
  static constexpr OperationRow kOperation{.name = "consumer.list",
                                           .what = "Lists the consumers of a stream",
                                           .right = Right::observe,
                                           .where = Where::first,
                                           .http = "GET /api/streams/{stream}/consumers",
                                           .again = true};
  static constexpr auto fields() {
    return std::array{field<&ListStreamConsumers::stream>(0, "stream", "The stream", {.required = true})};
  }
};

}  // namespace folkmoot
