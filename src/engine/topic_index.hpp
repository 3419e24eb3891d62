// Which subscriptions an event goes to: a tree of pattern words, and a bounded memory of what was found for a topic.
// Those with a filter stand at their pattern's word in a set that knows which of them can hold (filter/filter_set.hpp).
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/effects.hpp"
#include "filter/filter.hpp"
#include "filter/filter_set.hpp"

namespace folkmoot {

struct TopicSubscription {
  SessionId session = 0;
  RequestNumber request = 0;
  std::uint32_t credit = 0;   // left; meaningful if `limited`
  std::uint32_t skipped = 0;  // events missed for want of credit, not yet told
  bool limited = false;
  bool echo = false;
  bool of_shard = false;  // another shard's, which has several perhaps: it gets each event once
  std::string pattern;
  std::optional<Filter> filter{};  // only events that it holds for
  std::uint64_t order{};           // among all of an index, which gives it: as they were made
  FilterSet::Place place{};        // likewise, of one with a filter
};

class Census;

class TopicIndex {
 public:
  struct Filtered;
  /// What a topic matches, in the order the subscriptions were made.
  struct Match {
    std::vector<TopicSubscription*> subscriptions;  // without a filter
    std::vector<EventTarget> targets;               // the same, as the server is told them
    std::vector<Filtered*> filtered;                // the others, whose filters choose
    bool plain = true;                              // each gets all: none has a filter or a limit
    bool leaves = false;                            // there are other shards' among them
    mutable std::optional<bool> is_kept{};          // whether anybody keeps its events; none: not asked yet

    bool empty() const { return subscriptions.empty() && filtered.empty(); }
  };

  /// The index keeps the pointer until remove(); it must stay valid.
  void add(TopicSubscription* subscription);
  void remove(TopicSubscription* subscription);
  /// Another filter, or none, from the next event on; its place in the order stays.
  void set_filter(TopicSubscription* subscription, std::optional<Filter> filter);
  std::size_t size() const { return size_; }
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;
  /// What was remembered of topics is void, is_kept too: references that match() gave are invalid.
  void forget();
  /// Changes whenever a topic may match otherwise than before.
  std::uint64_t version() const { return version_; }

  /// The subscriptions whose patterns match. Lives until the next call of any function but match()
  /// itself with the same topic; its lists' elements, while version() stays the same.
  const Match& match(std::string_view topic);
  /// All of a match that this event fits, in their order. Lives until the next call, and while version() stays the
  /// same.
  const std::vector<TopicSubscription*>& choose(const Match& match, const FilterInput& event);

 private:
  using Found = std::vector<std::pair<std::uint64_t, TopicSubscription*>>;
  // Those of one pattern.
  struct Members {
    Found plain;
    std::unique_ptr<Filtered> filtered;  // null: there are none
    bool empty() const { return plain.empty() && !filtered; }
  };
  // A word of patterns, and those that end here.
  struct Node {
    boost::unordered_flat_map<std::string, std::unique_ptr<Node>> words;
    std::unique_ptr<Node> any;  // `*`
    Members here;
    Members rest;  // `>`
    bool unused() const { return words.empty() && !any && here.empty() && rest.empty(); }
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return boost::hash<std::string_view>{}(text); }
  };
  static constexpr std::size_t kRememberedMax = 8'192;             // topics
  static constexpr std::size_t kRememberedTargetsMax = 1'000'000;  // of all of them

  static void add_to(Members& members, TopicSubscription* subscription);
  // False if it is not there.
  static bool remove_from(Members& members, TopicSubscription* subscription);
  static void collect(const Members& members, Found& found, std::vector<Filtered*>& filtered);
  // Where those of this pattern are; made if they are not.
  Members& members_of(std::string_view pattern);
  // All that hear of a topic whose words from here on are `rest`, in no order yet. As deep as a topic has words.
  void collect(const Node& node, std::string_view rest, bool more, Found& found,
               std::vector<Filtered*>& filtered) const;
  // False if it is not there. Nodes that nobody needs any more go, but for `node` itself, which its caller has.
  bool remove_from(Node& node, std::string_view rest, bool more, TopicSubscription* subscription);
  Node root_;
  boost::unordered_flat_map<std::string, Match, TextHash, std::equal_to<>> remembered_;
  std::size_t remembered_targets_ = 0;
  std::string last_topic_;
  const Match* last_match_ = nullptr;
  std::uint64_t order_ = 0;
  std::uint64_t version_ = 0;
  std::size_t size_ = 0;
  std::vector<FilterSet::Place> places_;
  std::vector<TopicSubscription*> chosen_;
};

/// Subscriptions of one pattern that have a filter.
struct TopicIndex::Filtered {
  FilterSet filters;
  std::vector<TopicSubscription*> by_place;
};

}  // namespace folkmoot
