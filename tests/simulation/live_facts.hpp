// Which facts of the log still matter, as the engine has said by appending, retaining and releasing them: each is let
// go of once, is read only while it matters, and at the end of a run none is left that nothing stands for.
#pragma once

#include <map>

#include "engine/fact_log.hpp"
#include "journal/format.hpp"
#include "simulation/violation.hpp"

namespace folkmoot::simulation {

class LiveFacts {
 public:
  /// `bytes`: in the log, with all that is around the body; here and below.
  void appended(FactKind kind, FactPlace place, FactLog::Life life, std::size_t bytes) {
    if (life == FactLog::Life::live) add(kind, place, bytes);
  }
  /// Recovery hands a fact over, which the engine may retain.
  void met(FactKind kind, FactPlace place) { met_[place.lsn] = kind; }
  void retained(FactPlace place, std::size_t bytes) {
    const auto met = met_.find(place.lsn);
    expect(met != met_.end(), "a fact at {} is retained that recovery has not met", place.lsn);
    add(met->second, place, bytes);
  }
  void started() { met_.clear(); }
  void released(FactPlace place, std::size_t bytes) {
    const auto live = live_.find(place.lsn);
    expect(live != live_.end(), "a fact at {} is let go of twice, or does not matter", place.lsn);
    expect(live->second.bytes == place.bytes, "a {} fact of {} bytes is let go of as one of {}",
           folkmoot::name(live->second.kind), live->second.bytes, place.bytes);
    bytes_ -= bytes;
    live_.erase(live);
  }
  void read(FactPlace place) const {
    expect(live_.contains(place.lsn), "a fact at {} is read that does not matter any more", place.lsn);
  }
  void crash() {
    live_.clear();
    met_.clear();
    bytes_ = 0;
  }
  /// In the log, with their headers.
  std::uint64_t bytes() const { return bytes_; }
  std::map<FactKind, std::size_t> by_kind() const {
    std::map<FactKind, std::size_t> counts;
    for (const auto& [lsn, live] : live_) ++counts[live.kind];
    return counts;
  }

 private:
  struct Live {
    FactKind kind{};
    std::uint32_t bytes = 0;
  };

  void add(FactKind kind, FactPlace place, std::size_t bytes) {
    expect(live_.emplace(place.lsn, Live{kind, place.bytes}).second, "a fact at {} is kept twice", place.lsn);
    bytes_ += bytes;
  }

  std::map<Lsn, Live> live_;
  std::map<Lsn, FactKind> met_;
  std::uint64_t bytes_ = 0;
};

}  // namespace folkmoot::simulation
