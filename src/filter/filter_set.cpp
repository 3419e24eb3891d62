#include "filter/filter_set.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "filter/evaluation.hpp"

namespace folkmoot {
namespace {

using ValueKind = Value::Kind;

constexpr double kIntegersEnd = 9223372036854775808.0;
constexpr std::size_t kCrowdLooksMax = 64;
constexpr std::size_t kCrowd = 16;  // that many may be evaluated in vain without a thought

// A number that is whole and fits in 64 bits, as one.
std::optional<std::int64_t> whole_of(const Value& value) {
  if (value.kind == ValueKind::integer) return value.integer;
  const bool is_whole = value.kind == ValueKind::real && value.real >= -kIntegersEnd && value.real < kIntegersEnd &&
                        std::trunc(value.real) == value.real;
  return is_whole ? std::optional(static_cast<std::int64_t>(value.real)) : std::nullopt;
}

std::optional<double> number_of(const Value& value) {
  if (value.kind == ValueKind::integer) return static_cast<double>(value.integer);
  return value.kind == ValueKind::real ? std::optional(value.real) : std::nullopt;
}

// Different for each place of a message.
std::string name_of(const Identifier& identifier) {
  std::string name(identifier.field->name);
  for (const auto& step : identifier.path) {
    name.append(step.is_position ? "[" : ".")
        .append(std::to_string(step.is_position ? step.position : step.name.size()));
    name.append(step.is_position ? "]" : ":").append(step.name);
  }
  return name;
}

template <class Map, class Key>
void take_out(Map& map, const Key& key, std::uint32_t place) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  std::erase(found->second, place);
  if (found->second.empty()) map.erase(found);
}

template <class Map, class Key>
auto look_up(Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

// -- the index of one place

const std::vector<FilterSet::Place>* FilterSet::Index::find(const Value& value) const {
  if (const auto whole = whole_of(value)) return look_up(integers, *whole);
  switch (value.kind) {
    case ValueKind::real:
      return look_up(reals, value.real);
    case ValueKind::text:
      return look_up(texts, value.text());
    case ValueKind::boolean:
      return &booleans[value.boolean];
    default:
      return nullptr;
  }
}

void FilterSet::Index::add(const Value& value, Place place) {
  // A list may name a value twice.
  const auto put = [place](std::vector<Place>& places) {
    if (places.empty() || places.back() != place) places.push_back(place);
  };
  if (const auto whole = whole_of(value)) {
    put(integers[*whole]);
  } else if (value.kind == ValueKind::real) {
    put(reals[value.real]);
  } else if (value.kind == ValueKind::text) {
    put(texts[std::string(value.text())]);
  } else if (value.kind == ValueKind::boolean) {
    put(booleans[value.boolean]);
  }
}

void FilterSet::Index::remove(const Value& value, Place place) {
  if (const auto whole = whole_of(value)) {
    take_out(integers, *whole, place);
  } else if (value.kind == ValueKind::real) {
    take_out(reals, value.real, place);
  } else if (value.kind == ValueKind::text) {
    take_out(texts, value.text(), place);
  } else if (value.kind == ValueKind::boolean) {
    std::erase(booleans[value.boolean], place);
  }
}

void FilterSet::Index::sort() {
  if (std::exchange(is_sorted, true)) return;
  std::ranges::sort(ranges, {}, &Interval::low);
  highest.resize(ranges.size());
  sort_part(0, ranges.size());
}

// As deep as the logarithm of how many there are, as finding is.
double FilterSet::Index::sort_part(std::size_t from, std::size_t to) {
  if (from == to) return -std::numeric_limits<double>::infinity();
  const auto root = from + (to - from) / 2;
  const auto left = sort_part(from, root), right = sort_part(root + 1, to);
  return highest[root] = std::max({ranges[root].high, left, right});
}

void FilterSet::Index::find_around(double number, std::size_t from, std::size_t to, std::vector<Place>& found) const {
  if (from == to) return;
  const auto root = from + (to - from) / 2;
  if (highest[root] < number) return;
  find_around(number, from, root, found);
  if (ranges[root].low > number) return;
  if (ranges[root].high >= number) found.push_back(ranges[root].place);
  find_around(number, root + 1, to, found);
}

std::size_t FilterSet::Index::crowd(const Requirement& range) const {
  if (ranges.empty()) return 0;
  const bool has_low = std::isfinite(range.low), has_high = std::isfinite(range.high);
  const auto middle = has_low && has_high ? range.low / 2 + range.high / 2 : has_low ? range.low : range.high;
  const auto step = std::max<std::size_t>(ranges.size() / kCrowdLooksMax, 1);
  std::size_t looks = 0, around = 0;
  for (std::size_t i = 0; i < ranges.size(); i += step, ++looks)
    around += ranges[i].low <= middle && middle <= ranges[i].high;
  return around * ranges.size() / looks;
}

// -- the set

std::uint32_t FilterSet::path_of(const Identifier& identifier) {
  auto name = name_of(identifier);
  const auto known = path_numbers_.find(name);
  if (known != path_numbers_.end()) {
    ++paths_[known->second].users;
    return known->second;
  }
  auto number = static_cast<std::uint32_t>(paths_.size());
  if (!free_paths_.empty()) {
    number = free_paths_.back();
    free_paths_.pop_back();
  } else {
    paths_.emplace_back();
    values_.grow(paths_.size());
  }
  paths_[number] = Path{.identifier = identifier, .name = name, .users = 1};
  path_numbers_.emplace(std::move(name), number);
  return number;
}

void FilterSet::leave_path(std::uint32_t number) {
  auto& path = paths_[number];
  if (--path.users > 0) return;
  path_numbers_.erase(path.name);
  path = {};
  free_paths_.push_back(number);
}

std::optional<Requirement> FilterSet::best_of(std::vector<Requirement>&& requirements) const {
  Requirement* best = nullptr;
  std::size_t fewest = 0;
  // The last of those that are as good: conditions on content stand most often behind those on its type.
  for (auto& each : requirements) {
    const auto& index = paths_[each.identifier].index;
    std::size_t others = 0;
    if (each.is_range) {
      others = index.crowd(each) + kCrowd;  // equality is cheaper to look up
    } else {
      for (const auto& value : each.any_of) {
        const auto* const same = index.find(value);
        others = std::max(others, same == nullptr ? 0 : same->size());
      }
    }
    if (best != nullptr && others > fewest) continue;
    best = &each;
    fewest = others;
  }
  return best == nullptr ? std::nullopt : std::optional(std::move(*best));
}

FilterSet::Place FilterSet::add(const Filter& filter) {
  auto place = static_cast<Place>(entries_.size());
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else {
    entries_.emplace_back();
  }
  ++size_;
  auto& entry = entries_[place];
  entry.filter = filter;
  for (const auto& identifier : filter.program().identifiers) entry.paths.push_back(path_of(identifier));
  auto requirements = requirements_of(filter.program());
  for (auto& each : requirements) each.identifier = entry.paths[each.identifier];
  entry.found_by = best_of(std::move(requirements));
  if (!entry.found_by) {
    always_.push_back(place);
    return place;
  }
  auto& path = paths_[entry.found_by->identifier];
  if (path.found_by++ == 0) indexed_.push_back(entry.found_by->identifier);
  if (entry.found_by->is_range) {
    path.index.ranges.push_back({entry.found_by->low, entry.found_by->high, place});
    path.index.is_sorted = false;
  } else {
    for (const auto& value : entry.found_by->any_of) path.index.add(value, place);
  }
  return place;
}

void FilterSet::remove(Place place) {
  auto& entry = entries_[place];
  if (const auto& found_by = entry.found_by) {
    auto& path = paths_[found_by->identifier];
    for (const auto& value : found_by->any_of) path.index.remove(value, place);
    if (found_by->is_range) {
      std::erase_if(path.index.ranges, [&](const auto& range) { return range.place == place; });
      path.index.is_sorted = false;
    }
    if (--path.found_by == 0) std::erase(indexed_, found_by->identifier);
  } else {
    std::erase(always_, place);
  }
  for (const auto path : entry.paths) leave_path(path);
  entry = {};
  free_.push_back(place);
  --size_;
}

void FilterSet::choose(const FilterInput& input, std::vector<Place>& chosen) {
  values_.begin(input);
  candidates_ = always_;
  for (const auto number : indexed_) {
    auto& path = paths_[number];
    const auto& value = values_.at(number, path.identifier);
    if (const auto* const same = path.index.find(value))
      candidates_.insert(candidates_.end(), same->begin(), same->end());
    if (path.index.ranges.empty()) continue;
    path.index.sort();
    if (const auto number_there = number_of(value))
      path.index.find_around(*number_there, 0, path.index.ranges.size(), candidates_);
  }
  evaluated_ += candidates_.size();
  for (const auto place : candidates_) {
    const auto& entry = entries_[place];
    if (evaluate(entry.filter->program(), values_, entry.paths).is_true()) chosen.push_back(place);
  }
}

}  // namespace folkmoot
