// A journal on a disk in memory, with steps of one line each. Facts are texts; the test remembers which are live.
#pragma once

#include <gtest/gtest.h>

#include "journal/journal.hpp"
#include "journal/verify.hpp"
#include "memory_disk.hpp"

namespace folkmoot::test {

struct Fact {
  std::string text;
  FactPlace place;
};

class JournalTest : public ::testing::Test {
 protected:
  static constexpr auto kDurable = FactLog::Urgency::durable;
  static constexpr auto kSettling = FactLog::Urgency::settling;

  JournalTest() {
    options.segment_bytes = kSegmentBytesMin;
    options.id = JournalId{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  }

  /// Opens and recovers; the facts found are in `found`, all retained.
  Result<RecoveryReport> try_start() {
    found.clear();
    journal.reset();
    auto opened = Journal::open(disk, options);
    if (!opened) return std::unexpected(opened.error());
    journal = std::move(*opened);
    auto report = journal->recover([this](FactKind, FactPlace place, Bytes body) -> Result<void> {
      journal->retain(place);
      found.push_back({std::string(as_text(body)), place});
      return {};
    });
    if (!report) journal.reset();
    return report;
  }
  RecoveryReport start() {
    auto report = try_start();
    if (!report) throw std::runtime_error(report.error().describe());
    return *report;
  }

  FactPlace append(std::string_view text, FactLog::Life life = FactLog::Life::live) {
    if (!journal->has_room(kDurable, text.size())) throw std::runtime_error("no room");
    const Bytes part = as_bytes(text);
    return journal->append(FactKind::message_accepted, {&part, 1}, life);
  }
  /// The texts as live facts of one group, which is said to become no larger than it does.
  std::vector<FactPlace> append_group(const std::vector<std::string>& texts, FactLog::Urgency urgency = kDurable) {
    GroupBound bound{.facts = texts.size()};
    for (const auto& text : texts) bound.body_bytes += text.size();
    if (!journal->has_room(urgency, bound)) throw std::runtime_error("no room for the group");
    const FactGroup group(*journal, bound);
    std::vector<FactPlace> places;
    for (const auto& text : texts) places.push_back(append(text));
    return places;
  }
  /// All that was appended becomes durable (or not: see the result).
  Result<Lsn> sync() {
    if (journal->submit(now_ms)) journal->write_and_sync();
    return journal->collect();
  }
  void append_synced(std::string_view text) {
    append(text);
    ASSERT_TRUE(sync());
  }
  std::string read(FactPlace place) {
    const auto body = journal->read(place);
    return body ? std::string(as_text(*body)) : body.error().describe();
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& fact : found) all.push_back(fact.text);
    return all;
  }
  /// The server is gone, the disk and its cache stay.
  void kill() { journal.reset(); }

  /// As if there had never been a journal.
  void forget_all() {
    kill();
    const auto names = disk.list();
    for (const auto& name : *names) disk.forget(name);
  }

  std::vector<std::uint8_t>& segment(std::uint64_t number) { return disk.bytes(segment_name(number)); }
  std::size_t offset_of(Lsn lsn) const { return lsn.value % options.segment_bytes; }

  MemoryDisk disk;
  JournalOptions options;
  std::unique_ptr<Journal> journal;
  std::vector<Fact> found;
  std::int64_t now_ms = 1'000'000;
};

}  // namespace folkmoot::test
