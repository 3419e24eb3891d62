// Many filters over one message at a time: which of them hold, at the cost of those that may. A filter that requires a
// place of the message to be one of some literals, or a number within bounds (requirements.hpp), is found by what
// stands there; only then it is evaluated. The others are evaluated each time. Each place is read once, however many
// ask for it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "filter/filter.hpp"
#include "filter/program.hpp"
#include "filter/requirements.hpp"
#include "filter/shared_values.hpp"

namespace folkmoot {

class FilterSet {
 public:
  /// Where a filter has its place as long as it is here.
  using Place = std::uint32_t;

  Place add(const Filter& filter);
  /// Its place may be another's afterwards.
  void remove(Place place);
  bool empty() const { return size_ == 0; }
  /// Appends the places of all that hold for this message, in no order that means anything.
  void choose(const FilterInput& input, std::vector<Place>& chosen);
  /// So many were evaluated so far.
  std::uint64_t evaluated() const { return evaluated_; }

 private:
  struct Entry {
    std::optional<Filter> filter{};
    std::vector<std::uint32_t> paths{};   // of its identifiers
    std::optional<Requirement> found_by;  // its identifier is the number of a path here; none: it is always evaluated
  };
  struct Interval {
    double low = 0, high = 0;
    Place place = 0;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return boost::hash<std::string_view>{}(text); }
  };
  // Filters that are found by what stands at one place of the message. Numbers that are equal have one key: what is
  // whole and fits is an integer.
  struct Index {
    boost::unordered_flat_map<std::int64_t, std::vector<Place>> integers;
    boost::unordered_flat_map<double, std::vector<Place>> reals;
    boost::unordered_flat_map<std::string, std::vector<Place>, TextHash, std::equal_to<>> texts;
    std::vector<Place> booleans[2];
    std::vector<Interval> ranges;  // by their lower ends, as a balanced tree: the middle of each part is its root
    std::vector<double> highest;   // of the part that each is the root of
    bool is_sorted = true;

    // Who is found by this value; null: none.
    const std::vector<Place>* find(const Value& value) const;
    void add(const Value& value, Place place);
    void remove(const Value& value, Place place);
    void sort();
    double sort_part(std::size_t from, std::size_t to);
    void find_around(double number, std::size_t from, std::size_t to, std::vector<Place>& found) const;
    // How many of those that are here lie around the middle of this, as some of them say.
    std::size_t crowd(const Requirement& range) const;
  };
  struct Path {
    Identifier identifier{};
    std::string name{};
    std::size_t users = 0;     // filters that read it
    std::size_t found_by = 0;  // of them
    Index index{};
  };

  std::uint32_t path_of(const Identifier& identifier);
  void leave_path(std::uint32_t path);
  // Of all that a filter requires, what rules it out most often, as far as the filters that are here say.
  std::optional<Requirement> best_of(std::vector<Requirement>&& requirements) const;

  std::vector<Entry> entries_;
  std::vector<Place> free_;
  std::vector<Place> always_;
  std::vector<Path> paths_;
  std::vector<std::uint32_t> free_paths_;
  std::vector<std::uint32_t> indexed_;  // paths by which filters are found
  boost::unordered_flat_map<std::string, std::uint32_t> path_numbers_;
  SharedValues values_;
  std::vector<Place> candidates_;
  std::size_t size_ = 0;
  std::uint64_t evaluated_ = 0;
};

}  // namespace folkmoot
