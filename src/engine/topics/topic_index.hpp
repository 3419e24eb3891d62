// Which subscriptions an event goes to: a tree of pattern words, and a bounded memory of what was found for a topic.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/effects.hpp"
#include "filter/filter.hpp"

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
};

class TopicIndex {
 public:
  /// What a topic matches, in the order the subscriptions were made.
  struct Match {
    std::vector<TopicSubscription*> subscriptions;
    std::vector<EventTarget> targets;  // the same, as the server is told them
    bool plain = true;                 // each gets all: none has a filter or a limit
    bool leaves = false;               // there are other shards' among them
    mutable bool is_kept = false;      // by some keeper, as of that version of theirs
    mutable std::uint64_t keepers = 0;

    bool empty() const { return subscriptions.empty(); }
  };

  /// The index keeps the pointer until remove(); it must stay valid.
  void add(TopicSubscription* subscription);
  void remove(TopicSubscription* subscription);
  std::size_t size() const { return size_; }
  /// Changes whenever a topic may match otherwise than before.
  std::uint64_t version() const { return version_; }

  /// The subscriptions whose patterns match. Lives until the next call of any function but match()
  /// itself with the same topic; its lists' elements, while version() stays the same.
  const Match& match(std::string_view topic);

 private:
  // A word of patterns, and those that end here.
  struct Node {
    boost::unordered_flat_map<std::string, std::unique_ptr<Node>> words;
    std::unique_ptr<Node> any;  // `*`
    std::vector<std::pair<std::uint64_t, TopicSubscription*>> here;
    std::vector<std::pair<std::uint64_t, TopicSubscription*>> rest;  // `>`
    bool unused() const { return words.empty() && !any && here.empty() && rest.empty(); }
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return boost::hash<std::string_view>{}(text); }
  };
  static constexpr std::size_t kRememberedMax = 8'192;             // topics
  static constexpr std::size_t kRememberedTargetsMax = 1'000'000;  // of all of them

  using Found = std::vector<std::pair<std::uint64_t, TopicSubscription*>>;
  // All that hear of a topic whose words from here on are `rest`, in no order yet. As deep as a topic has words.
  void collect(const Node& node, std::string_view rest, bool more, Found& found) const;
  // False if it is not there. Nodes that nobody needs any more go, but for `node` itself, which its caller has.
  bool remove_from(Node& node, std::string_view rest, bool more, TopicSubscription* subscription);
  // What was remembered of topics is void: references that match() gave are invalid.
  void changed();

  Node root_;
  boost::unordered_flat_map<std::string, Match, TextHash, std::equal_to<>> remembered_;
  std::size_t remembered_targets_ = 0;
  std::string last_topic_;
  const Match* last_match_ = nullptr;
  std::uint64_t order_ = 0;
  std::uint64_t version_ = 0;
  std::size_t size_ = 0;
};

}  // namespace folkmoot
