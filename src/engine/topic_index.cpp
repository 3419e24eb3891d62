#include "engine/topics/topic_index.hpp"

#include <algorithm>

#include "message/topic.hpp"

namespace folkmoot {

void TopicIndex::changed() {
  ++version_;
  remembered_.clear();
  remembered_targets_ = 0;
  last_match_ = nullptr;
}

void TopicIndex::add(TopicSubscription* subscription) {
  changed();
  ++size_;
  auto* node = &root_;
  std::string_view rest = subscription->pattern;
  for (bool more = true; more;) {
    const auto word = cut_word(rest, more);
    if (word == ">") return node->rest.emplace_back(++order_, subscription), void();
    auto& next = word == "*" ? node->any : node->words[std::string(word)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  node->here.emplace_back(++order_, subscription);
}

void TopicIndex::remove(TopicSubscription* subscription) {
  changed();
  if (remove_from(root_, subscription->pattern, true, subscription)) --size_;
}

bool TopicIndex::remove_from(Node& node, std::string_view rest, bool more, TopicSubscription* subscription) {
  const auto is_it = [&](const auto& pair) { return pair.second == subscription; };
  if (!more) return std::erase_if(node.here, is_it) > 0;
  const auto word = cut_word(rest, more);
  if (word == ">") return std::erase_if(node.rest, is_it) > 0;
  if (word == "*") {
    const bool removed = node.any && remove_from(*node.any, rest, more, subscription);
    if (removed && node.any->unused()) node.any.reset();
    return removed;
  }
  const auto found = node.words.find(std::string(word));
  if (found == node.words.end()) return false;
  const bool removed = remove_from(*found->second, rest, more, subscription);
  if (removed && found->second->unused()) node.words.erase(found);
  return removed;
}

void TopicIndex::collect(const Node& node, std::string_view rest, bool more, Found& found) const {
  if (!more) {
    found.insert(found.end(), node.here.begin(), node.here.end());
    return;
  }
  found.insert(found.end(), node.rest.begin(), node.rest.end());
  const auto word = cut_word(rest, more);
  if (node.any) collect(*node.any, rest, more, found);
  if (const auto next = node.words.find(std::string(word)); next != node.words.end())
    collect(*next->second, rest, more, found);
}

const TopicIndex::Match& TopicIndex::match(std::string_view topic) {
  if (last_match_ != nullptr && topic == last_topic_) return *last_match_;
  auto found = remembered_.find(topic);
  if (found == remembered_.end()) {
    if (remembered_.size() >= kRememberedMax || remembered_targets_ >= kRememberedTargetsMax) changed();
    Found pairs;
    collect(root_, topic, true, pairs);
    std::sort(pairs.begin(), pairs.end());
    Match match;
    match.subscriptions.reserve(pairs.size());
    match.targets.reserve(pairs.size());
    for (const auto& [order, subscription] : pairs) {
      if (subscription->of_shard) {
        if (std::ranges::find(match.targets, subscription->session, &EventTarget::session) != match.targets.end())
          continue;
        match.leaves = true;
      }
      match.subscriptions.push_back(subscription);
      match.targets.push_back({subscription->session, subscription->request});
      match.plain = match.plain && !subscription->filter && !subscription->limited;
    }
    remembered_targets_ += match.targets.size();
    found = remembered_.emplace(std::string(topic), std::move(match)).first;
  }
  last_topic_ = topic;
  last_match_ = &found->second;
  return *last_match_;
}

}  // namespace folkmoot
