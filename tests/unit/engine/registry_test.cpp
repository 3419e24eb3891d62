// What the registry is made of: sets of agents, words, addresses of capabilities.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "engine/capability_address.hpp"
#include "engine/registry/record.hpp"
#include "engine/registry/word_index.hpp"

namespace folkmoot {
namespace {

std::set<std::uint32_t> in_all(std::vector<const AgentSet*> sets, std::uint32_t after = 0) {
  std::set<std::uint32_t> found;
  AgentSet::each_in_all(sets, NameId{after}, [&](NameId agent) { return found.insert(agent.value).second; });
  return found;
}

TEST(AgentSetTest, A22_it_is_what_a_plain_set_is_thin_or_dense) {
  std::mt19937 random(3);
  for (const std::uint32_t many : {50u, 3'000u, 40'000u}) {
    std::array<AgentSet, 3> sets;
    std::array<std::set<std::uint32_t>, 3> plain;
    for (int i = 0; i < 60'000; ++i) {
      const auto which = random() % 3;
      const auto agent = 1 + static_cast<std::uint32_t>(random() % (which == 0 ? many / 20 + 1 : many));
      const bool grows = i < 40'000 ? random() % 4 != 0 : random() % 4 == 0;
      grows ? sets[which].add(NameId{agent}) : sets[which].remove(NameId{agent});
      grows ? void(plain[which].insert(agent)) : void(plain[which].erase(agent));
      ASSERT_EQ(sets[which].size(), plain[which].size());
      ASSERT_EQ(sets[which].has(NameId{agent}), grows);
    }
    const auto after = many / 3;
    std::set<std::uint32_t> wanted;
    for (const auto agent : plain[0]) {
      if (agent > after && plain[1].contains(agent) && plain[2].contains(agent)) wanted.insert(agent);
    }
    EXPECT_EQ(in_all({&sets[0], &sets[1], &sets[2]}, after), wanted);
    EXPECT_EQ(in_all({&sets[1]}), plain[1]);
    AgentSet united = sets[0];
    united.unite(sets[1]);
    auto both = plain[0];
    both.insert(plain[1].begin(), plain[1].end());
    EXPECT_EQ(in_all({&united}), both);
    EXPECT_EQ(united.size(), both.size());
  }
}

TEST(AgentSetTest, A22_a_walk_ends_when_it_is_told_to) {
  AgentSet set;
  for (std::uint32_t agent = 1; agent <= 500; ++agent) set.add(NameId{agent});
  ASSERT_TRUE(set.is_dense());
  std::vector<const AgentSet*> sets{&set};
  std::uint32_t seen = 0;
  AgentSet::each_in_all(sets, NameId{127}, [&](NameId agent) { return seen = agent.value, agent.value < 130; });
  EXPECT_EQ(seen, 130u);
}

TEST(WordIndexTest, A22_a_word_goes_when_nobody_has_it_and_its_number_is_used_again) {
  WordIndex index;
  const auto first = index.add("read", NameId{1});
  EXPECT_EQ(index.add("read", NameId{2}), first);
  index.add("read.fast", NameId{3});
  std::vector<std::string> found;
  index.each_beginning("read", [&](std::string_view word, const AgentSet&) { return found.emplace_back(word), true; });
  EXPECT_EQ(found, (std::vector<std::string>{"read", "read.fast"}));
  index.remove(first, NameId{1});
  EXPECT_NE(index.find("read"), nullptr);
  index.remove(first, NameId{2});
  EXPECT_EQ(index.find("read"), nullptr);
  EXPECT_EQ(index.add("write", NameId{1}), first);
  EXPECT_EQ(index[first], "write");
}

TEST(CapabilityAddressTest, U14_it_has_capabilities_and_a_strategy) {
  const auto address = parse_capability_address("capability:read+write:2.0+read/least_loaded");
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->capabilities, (std::vector<std::string>{"read", "write:2.0"}));
  EXPECT_EQ(address->pick, Pick::least_loaded);
  EXPECT_EQ(parse_capability_address("capability:a")->pick, Pick::round_robin);
  for (const auto* const wrong : {"capability:", "capability:+", "capability:a+", "capability:a/", "capability:a/none",
                                  "capability:a b", "capability:a/sticky/x", "capability:a+b+c+d+e+f+g+h+i"}) {
    EXPECT_FALSE(parse_capability_address(wrong).has_value()) << wrong;
  }
}

TEST(AgentRecordTest, A22_what_is_kept_is_what_was_said) {
  const KeptAgent kept{.record = {.type = "worker",
                                  .description = "d",
                                  .capabilities = {{"read", "2", {R"({"tags":["a"]})"}}, {"write", "", {}}},
                                  .addresses = {{"http", "http://h/"}},
                                  .keys = {{"main", "ed25519", "k"}},
                                  .metadata = {R"({"region":"eu"})"},
                                  .weight = 3,
                                  .status = AgentStatus::maintenance},
                       .quarantine = "tired"};
  const auto bytes = pack(kept);
  const auto read = unpack_agent(as_bytes(bytes));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->record, kept.record);
  EXPECT_EQ(read->quarantine, "tired");
  EXPECT_FALSE(unpack_agent(as_bytes(bytes).first(bytes.size() - 1)).has_value());
}

TEST(AgentRecordTest, A22_what_is_given_twice_is_refused_by_its_name) {
  AgentRecord record{.agent = "ann", .type = "x", .metadata = {}};
  EXPECT_TRUE(check_agent(record));
  auto twice = record;
  twice.capabilities = {{.name = "read"}, {.name = "read"}};
  EXPECT_FALSE(check_agent(twice));
  twice = record;
  twice.addresses = {{.transport = "http", .address = "a"}, {.transport = "http", .address = "b"}};
  EXPECT_FALSE(check_agent(twice));
  twice = record;
  twice.keys = {{.name = "k", .key = "1"}, {.name = "k", .key = "2"}};
  EXPECT_FALSE(check_agent(twice));
  record.keys = {{.name = "k", .key = "1"}, {.name = "l", .key = "1"}};
  EXPECT_TRUE(check_agent(record));
}

}  // namespace
}  // namespace folkmoot
