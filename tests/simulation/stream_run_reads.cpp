// What a reader of streams is given, and what it must be given.
#include <algorithm>

#include "simulation/stream_run.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

void StreamRun::check_event(const Stream& stream, const ReadEvent& event, std::optional<Instant> asked) {
  const auto written = stream.written.find(event.sequence.value);
  expect(written != stream.written.end(), "stream {} gives out event {}, which there is not", stream.name,
         event.sequence.value);
  expect(event.sequence.value < stream.durable, "event {} of stream {} is given out before it is on disk",
         event.sequence.value, stream.name);
  expect(number_in(event.message) == written->second.content, "event {} of stream {} is another than was written there",
         event.sequence.value, stream.name);
  const auto& settings = stream.settings.now();
  if (asked && settings && settings->max_age != 0) {
    expect(event.at >= *asked - settings->max_age, "event {} of stream {} is too old to be given out",
           event.sequence.value, stream.name);
  }
}

void StreamRun::check_page(const Stream& stream, const ReadPage& page, std::uint64_t from, Priority priority_max,
                           std::optional<Instant> asked) {
  std::set<std::uint64_t> got;
  std::uint64_t last = 0;
  for (const auto& event : page.events) {
    check_event(stream, event, asked);
    expect(event.sequence.value > last, "events of stream {} come out of order", stream.name);
    last = event.sequence.value;
    expect(priority_max == 0 || stream.written.at(last).priority <= priority_max, "a reader's filter does not hold");
    got.insert(last);
  }
  const auto& settings = stream.settings.now();
  if (!settings || !settings->keep_last_by.empty()) return;
  const auto oldest = settings->max_age == 0 ? Instant{} : engine_->now() - settings->max_age;
  for (auto at = stream.written.lower_bound(std::max(from, stream.first));
       at != stream.written.end() && at->first < page.next.value; ++at) {
    const bool is_wanted =
        (priority_max == 0 || at->second.priority <= priority_max) && Instant{at->second.at} >= oldest;
    expect(!is_wanted || got.contains(at->first), "event {} of stream {} was passed over", at->first, stream.name);
  }
}

void StreamRun::read(Stream& stream) {
  if (open_reads_ >= kReadsMax) return;
  const auto from = static_cast<std::uint64_t>(random_.between(1, static_cast<std::int64_t>(stream.next) + 2));
  const auto priority = static_cast<Priority>(random_.one_in(3) ? random_.between(2, 8) : 0);
  const auto filter = priority == 0 ? std::string() : fmt::format("priority <= {}", priority);
  const bool backwards = random_.one_in(4);
  const auto index = static_cast<std::size_t>(&stream - streams_.data());
  const auto changes = stream.changes;
  const auto asked = engine_->now();
  ++open_reads_;
  ++tally_.operations;
  const auto number = stream.number;
  const bool waits = !backwards && random_.one_in(3);
  engine_->streams().read({session(), ++last_request_},
                          {.name = stream.name,
                           .from = Sequence{from},
                           .backwards = backwards,
                           .filter = filter,
                           .events_max = static_cast<std::size_t>(random_.between(1, 30)),
                           .wait = Duration{waits ? random_.between(1, 2'000) : 0}},
                          [=, this](Result<ReadPage> page) {
                            --open_reads_;
                            auto& same = streams_[index];
                            if (!page) {
                              expect(page.error().code == ErrorCode::not_found, "a read fails: {}", page.error().text);
                              return;
                            }
                            if (same.number != number) return;
                            if (backwards) std::ranges::reverse(page->events);
                            if (backwards) page->next = 0;  // whether any was passed over is looked at forwards
                            // By other settings other events are too old.
                            const bool is_same = same.changes == changes;
                            if (!is_same) page->next = 0;
                            check_page(same, *page, from, priority, is_same ? std::optional(asked) : std::nullopt);
                            if (!page->events.empty()) rules_.saw(waits ? Rule::stream_read_waited : Rule::stream_read);
                          });
}

std::vector<ReadEvent> StreamRun::read_all(const Stream& stream) {
  std::vector<ReadEvent> all;
  Sequence at{1};
  for (std::size_t turns = 0;; ++turns) {
    expect(turns < 10'000, "reading stream {} has no end", stream.name);
    std::optional<Result<ReadPage>> got;
    engine_->streams().read({session(), ++last_request_}, {.name = stream.name, .from = at, .events_max = 1'000},
                            [&](Result<ReadPage> page) { got = std::move(page); });
    for (int i = 0; i < 100 && !got; ++i) expect(step_files(), "healed files fail");
    expect(got.has_value(), "a read of stream {} is not answered", stream.name);
    expect(got->has_value(), "a read of stream {} fails: {}", stream.name, *got ? "" : got->error().text);
    for (auto& event : (*got)->events) all.push_back(std::move(event));
    at = (*got)->next;
    if (at >= (*got)->end) return all;
  }
}

void StreamRun::check_all(Stream& stream) {
  const auto& settings = stream.settings.now();
  if (!settings) return;
  const auto all = read_all(stream);
  for (const auto& event : all) check_event(stream, event, engine_->now());
  if (!settings->keep_last_by.empty()) {
    std::map<std::string, std::uint64_t> newest;
    for (const auto& [sequence, written] : stream.written) {
      if (sequence < stream.durable) newest[written.key] = sequence;
    }
    std::set<std::uint64_t> expected;
    for (const auto& [key, sequence] : newest) {
      if (sequence >= stream.first) expected.insert(sequence);
    }
    for (const auto& event : all)
      expect(expected.erase(event.sequence.value) == 1, "event {} of stream {} is not the newest of its key",
             event.sequence.value, stream.name);
    expect(expected.empty(), "the newest event of a key is missing in stream {}", stream.name);
    rules_.saw(Rule::stream_last_by_key);
    return;
  }
  ReadPage page{.events = all, .next = Sequence{stream.durable}, .first = 1, .end = Sequence{stream.durable}};
  check_page(stream, page, 1, 0, engine_->now());
  if (settings->max_age == 0)
    expect(all.size() == stream.durable - stream.first, "stream {} has {} events instead of {}", stream.name,
           all.size(), stream.durable - stream.first);
}

}  // namespace folkmoot::simulation
