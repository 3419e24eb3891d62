// The power fails again and again, at any moment, on a disk that tears and reorders what was not synced: whatever was
// durable is there afterwards, nothing that was durably settled comes back, and nothing appears that was never appended
// (feature X3).
#include "journal_fixture.hpp"

namespace folkmoot::test {
namespace {

/// A small engine: messages "<number>:<padding>", settled by facts "-<number>".
class PowerFailureTest : public JournalTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  struct Message {
    std::string text;
    FactPlace place;
    bool promised = false;
  };

  FactPlace accept(std::size_t padding) {
    const auto text = std::to_string(next_) + ":" + std::string(padding, 'p');
    const auto place = append(text);
    live_[next_++] = {text, place};
    return place;
  }
  FactPlace settle() {
    auto chosen = live_.begin();
    std::advance(chosen, lot_() % std::min<std::size_t>(live_.size(), 20));
    const auto place = append("-" + std::to_string(chosen->first), FactLog::Life::dead);
    unsure_[chosen->first] = {place.lsn, chosen->second};
    journal->release(chosen->second.place);
    live_.erase(chosen);
    return place;
  }
  /// Settles a message and accepts others in its place, all or nothing.
  void complete() {
    GroupBound bound{.facts = 1, .body_bytes = 20};
    std::vector<std::size_t> paddings(lot_() % 4);
    for (auto& padding : paddings) {
      padding = lot_() % (lot_() % 10 ? 2000 : 20'000);
      ++bound.facts;
      bound.body_bytes += padding + 20;
    }
    ASSERT_TRUE(journal->has_room(kDurable, bound));
    const FactGroup group(*journal, bound);
    auto& places = groups_.emplace_back();
    if (!live_.empty()) places.push_back(settle());
    for (const auto padding : paddings) places.push_back(accept(padding));
  }
  void compact() {
    ASSERT_TRUE(journal->compact_step(lot_() % 40'000, [&](FactKind, FactPlace place, Bytes body) {
      const std::string text(as_text(body));
      const auto message = text[0] == '-' ? live_.end() : live_.find(std::stoull(text));
      if (message == live_.end() || !(message->second.place == place)) return true;
      message->second.place = append(as_text(body));
      journal->release(place);
      return true;
    }));
  }
  void confirm(Lsn durable) {
    for (auto& [number, message] : live_) message.promised |= message.place.lsn < durable;
    for (auto at = unsure_.begin(); at != unsure_.end();) {
      if (at->second.first < durable) {
        gone_.insert(at->first);
        at = unsure_.erase(at);
      } else {
        ++at;
      }
    }
  }
  void work() {
    const auto steps = lot_() % 80;
    for (unsigned step = 0; step < steps; ++step) {
      const auto what = lot_() % 10;
      if (what < 4)
        accept(lot_() % (lot_() % 10 ? 2000 : 20'000));
      else if (what < 6 && !live_.empty())
        settle();
      else if (what < 8)
        ASSERT_NO_FATAL_FAILURE(complete());
      else if (what == 8)
        compact();
      now_ms += 100;
      if (lot_() % 3 != 0 || !journal->submit(now_ms) || lot_() % 4 == 0) continue;
      journal->write_and_sync();
      const auto durable = journal->collect();
      ASSERT_TRUE(durable);
      confirm(*durable);
    }
    // The power may fail within a write: its bytes are on the way and not synced. Or the sync fails, which loses them.
    if (lot_() % 4 && journal->submit(now_ms)) {
      auto& syncs = lot_() % 4 ? disk.unfinished_syncs : disk.failing_syncs;
      syncs = 1 + static_cast<int>(lot_() % 2);
      journal->write_and_sync();
      syncs = 0;
    }
  }
  /// All facts of a group are found, or none: it was lost, or has gone with its segment.
  void check_groups() {
    std::set<Lsn> places;
    for (const auto& fact : found) places.insert(fact.place.lsn);
    std::erase_if(groups_, [&](const auto& group) {
      const auto there = std::ranges::count_if(group, [&](auto place) { return places.contains(place.lsn); });
      const auto all = static_cast<std::ptrdiff_t>(group.size());
      EXPECT_TRUE(there == 0 || there == all) << there << " of " << all << " facts of a group were found";
      return there == 0;  // its places may be given to others
    });
    ASSERT_FALSE(HasFailure());
  }
  /// Seeds that divide by three seal: each start with one of two keys or none for what is new, and both to read.
  void choose_keys() {
    if (GetParam() % 3 != 0) return;
    const std::string first = std::string(62, '1') + "23", second = std::string(62, '4') + "56";
    const auto how = lot_() % 4;
    const auto text = how == 0   ? "plain\n" + first + "\n" + second
                      : how == 1 ? second + "\n" + first
                                 : first + "\n" + second;
    options.keys = *JournalKeys::parse(text);
  }
  void recover_and_check() {
    choose_keys();
    const auto report = try_start();
    ASSERT_TRUE(report) << report.error().describe();
    torn_ += report->cut_bytes > 0;
    ASSERT_NO_FATAL_FAILURE(check_groups());
    std::map<std::uint64_t, Message> now;
    for (const auto& fact : found) {
      if (fact.text[0] == '-') {
        journal->release(fact.place);
        const auto settled = now.find(std::stoull(fact.text.substr(1)));
        if (settled == now.end()) continue;
        journal->release(settled->second.place);
        now.erase(settled);
      } else {
        const auto number = std::stoull(fact.text);
        ASSERT_LT(number, next_);
        if (const auto before = now.find(number); before != now.end()) journal->release(before->second.place);
        now[number] = {fact.text, fact.place, true};
      }
    }
    for (const auto& [number, message] : live_) {
      if (!message.promised) continue;
      ASSERT_TRUE(now.contains(number)) << "message " << number << " was durable and is lost";
      ASSERT_EQ(now[number].text, message.text);
    }
    for (const auto& [number, message] : now) {
      ASSERT_FALSE(gone_.contains(number)) << "message " << number << " was settled, durably, and is back";
      ASSERT_TRUE(live_.contains(number) || unsure_.contains(number)) << number;
      ASSERT_EQ(read(message.place), message.text);
    }
    for (const auto& [number, settled] : unsure_) {
      if (!now.contains(number)) gone_.insert(number);
    }
    for (const auto& [number, message] : live_) {
      if (!now.contains(number)) gone_.insert(number);  // never promised: may be lost, but then for good
    }
    unsure_.clear();
    live_ = std::move(now);
  }

  std::mt19937 lot_;
  std::map<std::uint64_t, Message> live_;
  std::map<std::uint64_t, std::pair<Lsn, Message>> unsure_;  // settled, not yet durably
  std::set<std::uint64_t> gone_;
  std::vector<std::vector<FactPlace>> groups_;  // what each appended, as long as it may be found
  std::uint64_t torn_ = 0;                      // tails that were cut
  std::uint64_t next_ = 1;
};

TEST_P(PowerFailureTest, X3_nothing_durable_is_lost_and_nothing_settled_comes_back) {
  lot_.seed(GetParam());
  options.cache_bytes = 0;
  options.id.reset();
  start();
  std::uint64_t segments = 0;
  for (int life = 0; life < 40; ++life) {
    ASSERT_NO_FATAL_FAILURE(work());
    segments = std::max(segments, journal->stats().segments);
    if (lot_() % 8 == 0) {
      if (journal->close()) confirm(journal->durable_end());
    }
    kill();
    if (lot_() % 4 != 0) disk.fail_power(lot_);
    ASSERT_NO_FATAL_FAILURE(recover_and_check()) << "seed " << GetParam() << " life " << life;
    kill();
    if (lot_() % 4 == 0) disk.fail_power(lot_);  // right after recovery
    ASSERT_NO_FATAL_FAILURE(recover_and_check()) << "seed " << GetParam() << " life " << life << ", again";
    const auto checked = verify_journal(disk, options.keys);
    ASSERT_TRUE(checked);
    ASSERT_EQ(checked->problems_total, 0u) << checked->problems[0].what;
    ASSERT_EQ(checked->torn_bytes, 0u);
  }
  EXPECT_GT(segments, 2u);
  EXPECT_GT(torn_, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PowerFailureTest, ::testing::Range(1u, 26u));

}  // namespace
}  // namespace folkmoot::test
