#include "engine/topic_index.hpp"

#include <algorithm>

#include "message/topic.hpp"

namespace folkmoot {

void TopicIndex::forget() {
  ++version_;
  remembered_.clear();
  remembered_targets_ = 0;
  last_match_ = nullptr;
}

TopicIndex::Members& TopicIndex::members_of(std::string_view pattern) {
  auto* node = &root_;
  for (bool more = true; more;) {
    const auto word = cut_word(pattern, more);
    if (word == ">") return node->rest;
    auto& next = word == "*" ? node->any : node->words[std::string(word)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  return node->here;
}

void TopicIndex::add_to(Members& members, TopicSubscription* subscription) {
  if (!subscription->filter) {
    members.plain.emplace_back(subscription->order, subscription);
    return;
  }
  if (!members.filtered) members.filtered = std::make_unique<Filtered>();
  auto& [filters, by_place] = *members.filtered;
  subscription->place = filters.add(*subscription->filter);
  if (subscription->place >= by_place.size()) by_place.resize(subscription->place + 1);
  by_place[subscription->place] = subscription;
}

bool TopicIndex::remove_from(Members& members, TopicSubscription* subscription) {
  if (!subscription->filter)
    return std::erase_if(members.plain, [&](const auto& pair) { return pair.second == subscription; }) > 0;
  if (!members.filtered) return false;
  members.filtered->filters.remove(subscription->place);
  members.filtered->by_place[subscription->place] = nullptr;
  if (members.filtered->filters.empty()) members.filtered.reset();
  return true;
}

void TopicIndex::add(TopicSubscription* subscription) {
  forget();
  ++size_;
  subscription->order = ++order_;
  add_to(members_of(subscription->pattern), subscription);
}

void TopicIndex::remove(TopicSubscription* subscription) {
  forget();
  if (remove_from(root_, subscription->pattern, true, subscription)) --size_;
}

void TopicIndex::set_filter(TopicSubscription* subscription, std::optional<Filter> filter) {
  forget();
  auto& members = members_of(subscription->pattern);
  remove_from(members, subscription);
  subscription->filter = std::move(filter);
  add_to(members, subscription);
}

bool TopicIndex::remove_from(Node& node, std::string_view rest, bool more, TopicSubscription* subscription) {
  if (!more) return remove_from(node.here, subscription);
  const auto word = cut_word(rest, more);
  if (word == ">") return remove_from(node.rest, subscription);
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

void TopicIndex::collect(const Members& members, Found& found, std::vector<Filtered*>& filtered) {
  found.insert(found.end(), members.plain.begin(), members.plain.end());
  if (members.filtered) filtered.push_back(members.filtered.get());
}

void TopicIndex::collect(const Node& node, std::string_view rest, bool more, Found& found,
                         std::vector<Filtered*>& filtered) const {
  if (!more) return collect(node.here, found, filtered);
  collect(node.rest, found, filtered);
  const auto word = cut_word(rest, more);
  if (node.any) collect(*node.any, rest, more, found, filtered);
  if (const auto next = node.words.find(std::string(word)); next != node.words.end())
    collect(*next->second, rest, more, found, filtered);
}

const TopicIndex::Match& TopicIndex::match(std::string_view topic) {
  if (last_match_ != nullptr && topic == last_topic_) return *last_match_;
  auto found = remembered_.find(topic);
  if (found == remembered_.end()) {
    if (remembered_.size() >= kRememberedMax || remembered_targets_ >= kRememberedTargetsMax) forget();
    Found pairs;
    Match match;
    collect(root_, topic, true, pairs, match.filtered);
    std::sort(pairs.begin(), pairs.end());
    match.subscriptions.reserve(pairs.size());
    match.targets.reserve(pairs.size());
    match.plain = match.filtered.empty();
    for (const auto& [order, subscription] : pairs) {
      if (subscription->of_shard) {
        if (std::ranges::find(match.targets, subscription->session, &EventTarget::session) != match.targets.end())
          continue;
        match.leaves = true;
      }
      match.subscriptions.push_back(subscription);
      match.targets.push_back({subscription->session, subscription->request});
      match.plain = match.plain && !subscription->limited;
    }
    remembered_targets_ += match.targets.size();
    found = remembered_.emplace(std::string(topic), std::move(match)).first;
  }
  last_topic_ = topic;
  last_match_ = &found->second;
  return *last_match_;
}

const std::vector<TopicSubscription*>& TopicIndex::choose(const Match& match, const FilterInput& event) {
  if (match.filtered.empty()) return match.subscriptions;
  chosen_.clear();
  for (auto* const members : match.filtered) {
    places_.clear();
    members->filters.choose(event, places_);
    for (const auto place : places_) chosen_.push_back(members->by_place[place]);
  }
  // What was looked up stands in no order.
  const auto by_order = [](const auto* a, const auto* b) { return a->order < b->order; };
  if (!std::ranges::is_sorted(chosen_, by_order)) std::ranges::sort(chosen_, by_order);
  if (match.subscriptions.empty()) return chosen_;
  const auto middle = static_cast<std::ptrdiff_t>(chosen_.size());
  chosen_.insert(chosen_.end(), match.subscriptions.begin(), match.subscriptions.end());
  std::inplace_merge(chosen_.begin(), chosen_.begin() + middle, chosen_.end(), by_order);
  return chosen_;
}

}  // namespace folkmoot
