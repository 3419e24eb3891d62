// A log in memory: what was appended, how much of it is durable, and whether there is room.
#pragma once

#include <map>
#include <string>

#include "base/assert.hpp"
#include "engine/fact_log.hpp"

namespace folkmoot::test {

class MemoryLog final : public FactLog {
 public:
  struct Record {
    FactKind kind{};
    std::string body;
    bool live = false;
    std::size_t group = 0;  // the number of the group that it was appended in; 0: none
  };

  bool has_room(Urgency urgency, std::size_t) const override {
    return urgency == Urgency::durable ? room_durable : room_settling;
  }
  bool has_room(Urgency urgency, GroupBound bound) const override {
    return bound.bytes() <= group_bytes_max() && has_room(urgency, bound.body_bytes);
  }
  std::size_t group_bytes_max() const override { return group_bytes; }
  FactPlace append(FactKind kind, std::span<const Bytes> parts, Life life) override {
    Record record{kind, {}, life == Life::live, group_open ? groups : 0};
    for (const auto& part : parts) record.body.append(as_text(part));
    const FactPlace place{end, static_cast<std::uint32_t>(record.body.size())};
    end += 16 + record.body.size();
    if (group_open) {  // as much as was said before
      FOLKMOOT_ASSERT(group_left.facts > 0 && group_left.body_bytes >= record.body.size());
      --group_left.facts;
      group_left.body_bytes -= record.body.size();
    }
    records[place.lsn] = std::move(record);
    return place;
  }
  void begin_group(GroupBound bound) override {
    FOLKMOOT_ASSERT(!group_open);
    group_open = true;
    group_left = bound;
    ++groups;
  }
  void end_group() override {
    FOLKMOOT_ASSERT(group_open);
    group_open = false;
  }
  Result<Bytes> read(FactPlace place) override {
    if (!records.contains(place.lsn)) return failure(ErrorCode::damaged, "no such record");
    return as_bytes(records[place.lsn].body);
  }
  void retain(FactPlace place) override { records.at(place.lsn).live = true; }
  void release(FactPlace place) override { records.at(place.lsn).live = false; }

  std::size_t count(FactKind kind) const {
    std::size_t count = 0;
    for (const auto& [lsn, record] : records) count += record.kind == kind;
    return count;
  }

  std::map<Lsn, Record> records;
  Lsn end{64};
  std::size_t groups = 0;  // begun so far
  std::size_t group_bytes = std::size_t{24} << 20;
  bool group_open = false;
  GroupBound group_left;
  bool room_durable = true, room_settling = true;
};

}  // namespace folkmoot::test
